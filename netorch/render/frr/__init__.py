"""FRR's configuration: where it goes, and how values are written in it."""

from __future__ import annotations

import re

from netorch.model.conventions import CONFIGURATIONS, FRR_DAEMONS, FRR_STAMP
from netorch.render.dialect import ConfigurationFile, Dialect
from netorch.render.frr.quoting import FILTERS, expected_secret

DIALECT = Dialect(
    files=(
        ConfigurationFile(CONFIGURATIONS["frr"], "frr/{role}.conf.j2", mode=0o640, group="frr"),
        ConfigurationFile(FRR_DAEMONS, "frr/daemons.j2", mode=0o640, group="frr", is_main=False),
    ),
    filters=FILTERS,
    password=re.compile(r"(\bneighbor\s+\S+\s+password\s+)(?!@secret:)[^\s\"]+()"),
    stamp=re.compile(rf"(\broute-map {FRR_STAMP} \w+ \d+\n description )\S+()"),
    expected_secret=expected_secret,
)
