"""``python -m benchmarks.fulltable PREFIXES ROUNDS``: a smaller run, for work on this benchmark; nothing is kept."""

import json
import sys

from benchmarks.__main__ import progress
from benchmarks.fulltable import run
from benchmarks.report import table

result = run(progress, prefixes=int(sys.argv[1]), rounds=int(sys.argv[2]), quiet_s=5)
rows = result.pop("rows")
print(json.dumps(result, indent=2))
print(table(rows))
