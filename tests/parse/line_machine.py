"""A second reader of ``show protocols all``, written by hand and knowing nothing of the templates: the oracle of the tests."""

from __future__ import annotations

from typing import Dict, List

Section = Dict[str, str]


def read_blocks(text: str) -> List[List[Section]]:
    """The blocks of plain output: each a list of sections, first the protocol, then its channels.

    A section maps the text before a line's colon to the text after it; of the headline, ``name`` and ``protocol``.
    """
    blocks: List[List[Section]] = []
    for line in text.split("\n"):
        if line.startswith(("BIRD ", "Name ", "<")) or not line:
            continue
        if line[0] != " ":
            name, protocol = line.split()[:2]
            blocks.append([{"name": name, "protocol": protocol}])
        elif line.startswith("  Channel "):
            blocks[-1].append({"family": line.split()[1]})
        else:
            key, _, value = line.strip().partition(":")
            blocks[-1][-1].setdefault(key, value.strip())
    return blocks
