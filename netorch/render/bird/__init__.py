"""BIRD's configuration: where it goes, and how values are written in it."""

from __future__ import annotations

import re

from netorch.model.conventions import BIRD_STAMP, CONFIGURATIONS
from netorch.render.bird.quoting import FILTERS, expected_secret
from netorch.render.dialect import ConfigurationFile, Dialect

DIALECT = Dialect(
    files=(ConfigurationFile(CONFIGURATIONS["bird"], "bird/{role}.conf.j2", mode=0o640, group="bird"),),
    filters=FILTERS,
    password=re.compile(r'(\b(?:password|secret)\s+")(?!@secret:)[^"\n]*(")'),
    stamp=re.compile(rf'(\b{BIRD_STAMP}\s*=\s*")[^"\n]*(")'),
    expected_secret=expected_secret,
)
