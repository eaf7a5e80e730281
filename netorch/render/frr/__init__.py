"""FRR's configuration: where it goes, and how values are written in it."""

from __future__ import annotations

import re

from netorch.model.conventions import CONFIGURATIONS, FRR_DAEMONS, FRR_STAMP
from netorch.render.dialect import ConfigurationFile, Dialect
from netorch.render.frr.quoting import FILTERS, expected_secret

# What introduces a secret in any FRR configuration: a file may be somebody else's, from before netorch. A whole line's beginning
# where the word alone says too little.
_BEFORE_SECRET = (
    r"\bneigh\w*\s+\S+\s+passw(?:ord|or|o)?",
    r"^[-+ ]*(?:enable )?password(?: 8)?",
    r"\b(?:isis|area-|domain-)\s?password\s+(?:clear|md5)",
    r"\bkey-string(?: 8)?",
    r"\bmessage-digest-key\s+\d+\s+md5",
    r"\bauthentication-key",
    r"\bauthentication\s+string",
    r"\bhash-algo\s+\S+\s+key",
)

DIALECT = Dialect(
    files=(
        ConfigurationFile(CONFIGURATIONS["frr"], "frr/{role}.conf.j2", mode=0o640, group="frr"),
        ConfigurationFile(FRR_DAEMONS, "frr/daemons.j2", mode=0o640, group="frr", is_main=False),
    ),
    filters=FILTERS,
    password=re.compile(rf"((?:{'|'.join(_BEFORE_SECRET)})\s+)(?!@secret:)[^\s\"]+()", re.MULTILINE),
    stamp=re.compile(rf"(\broute-map {FRR_STAMP} \w+ \d+\n description )\S+()"),
    expected_secret=expected_secret,
)
