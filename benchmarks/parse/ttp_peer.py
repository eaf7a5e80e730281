"""Run by the peer's interpreter: ttp reads a text with a template; prints seconds and how many sessions it found."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ttp import ttp  # type: ignore[import-untyped,import-not-found,unused-ignore]

text, template = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])
start = time.perf_counter()
parser = ttp(data=text, template=template)
parser.parse(one=True)
found = parser.result()[0][0]["protocols"][1:]  # the first is the table's header
print(time.perf_counter() - start, len(found))
