"""What the agent looks for in FRR configurations: stamps, names, secrets."""

from __future__ import annotations

import re

from netorch.model.conventions import FRR_STAMP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, Optional

    from netorch.model.frr_lines import Said

_STAMP = re.compile(rf"^route-map {FRR_STAMP} \w+ \d+\n description (\S+)", re.MULTILINE)
_DESCRIPTION = re.compile(r"^ neighbor (\S+) description \[(\w+)\]", re.MULTILINE)
_SHOWN_STAMP = re.compile(r"^ +Description:\s+(\S+)", re.MULTILINE)
# Words behind which a line may hold a secret; of a neighbour's line only the keyword is shown, however it is spelt.
_SECRET_BEHIND = re.compile(r"key|md5|auth|string|secret|community|pass", re.IGNORECASE)
_NEIGHBOR_WORDS = 3
_POLICY = (
    "route-map ",
    "ip prefix-list ",
    "ipv6 prefix-list ",
    "access-list ",
    "bgp as-path ",
    "bgp community-list ",
    "bgp extcommunity-list ",
    "bgp large-community-list ",
)


def stamp_of(text: str) -> Optional[str]:
    """The stamp that a configuration carries."""
    found = _STAMP.search(text)
    return found.group(1) if found else None


def session_names(text: str) -> Dict[str, str]:
    """The sessions' names by what FRR calls them, an address or an interface, as a configuration's descriptions have them."""
    return dict(_DESCRIPTION.findall(text))


def shown_stamp(said: str) -> Optional[str]:
    """The stamp in what a program answers to ``show route-map``; None where it has no such route map."""
    found = _SHOWN_STAMP.search(said)
    return found.group(1) if found else None


def changes_policy(changed: Iterable[Said]) -> bool:
    """Whether a route map, or a list that one may ask, is among statements that have changed; the stamp is none."""
    return any(said[0].startswith(_POLICY) and f" {FRR_STAMP} " not in said[0] for said in changed)


def redacted(line: str) -> str:
    """A line of a configuration, fit for showing: what may be a secret is cut off."""
    words = line.split()
    shown = len(words)
    if "neighbor" in words[:2]:
        shown = words.index("neighbor") + _NEIGHBOR_WORDS
    for place, word in enumerate(words):
        if _SECRET_BEHIND.search(word):
            shown = min(shown, place + 1)
    return " ".join([*words[:shown], *(["..."] if shown < len(words) else [])])
