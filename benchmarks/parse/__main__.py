"""``python -m benchmarks.parse``: the table on standard error, JSON on standard output."""

import json
import sys

from benchmarks.parse.bench import run, table

result = run()
print(table(result), file=sys.stderr)
print(json.dumps(result, indent=2))
