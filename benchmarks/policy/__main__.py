"""``python -m benchmarks.policy PREFIXES ROUNDS``: a smaller run, for work on this benchmark; nothing is kept."""

import json
import sys

from benchmarks.__main__ import progress
from benchmarks.policy import run
from benchmarks.report import table

result = run(progress, prefixes=int(sys.argv[1]), rounds=int(sys.argv[2]))
rows = result.pop("rows")
print(json.dumps(result, indent=2))
print(table(rows))
