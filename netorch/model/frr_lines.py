"""What FRR configurations say, line by line, whatever their form: a file of netorch's, one that FRR has written, what FRR runs.

It imports next to nothing: the agent pays for every import at each call.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, FrozenSet, Iterable, List, Sequence, Tuple

    Said = Tuple[str, ...]
    Change = Tuple[str, Said]

# FRR says these of itself, whatever the file has.
_NOT_SAID = (
    "!",
    "#",
    "frr version ",
    "hostname ",
    "service integrated-vtysh-config",
    "Building configuration...",
    "Current configuration:",
    "exit-",
)
_ENDS = ("end", "exit")
_FAMILY = "address-family "
# As FRR itself shows them: it writes every keyword out.
_SECRET_BEHIND = re.compile(r"(.*-)?(password|key|key-string|md5|string|secret)$")
CUT = "..."
"""What stands for a secret."""


def lines_of(text: str) -> Tuple[Said, ...]:
    """Every line of ``text`` in order, behind those that it stands in (``router bgp 64500``, ``address-family ipv4 unicast``).

    What a line stands in is told by its indentation, which is FRR's own in whatever it shows.
    """
    found: Dict[Said, None] = {}
    place: List[Tuple[int, str]] = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith(_NOT_SAID) or line in _ENDS:
            continue
        indent = len(raw) - len(raw.lstrip())
        while place and place[-1][0] >= indent:
            place.pop()
        place.append((indent, " ".join(line.split())))
        found[tuple(said for _, said in place)] = None
    return tuple(found)


def statements(texts: Iterable[str]) -> FrozenSet[Said]:
    """All lines of ``texts``, in no order, as FRR takes them."""
    return frozenset(said for text in texts for said in lines_of(text))


def differing(old: Sequence[Said], new: Sequence[Said]) -> Tuple[Change, ...]:
    """What makes ``new`` of ``old``: lines to take away (``-``) and to add (``+``), those of a section together."""
    sign = {**dict.fromkeys(set(old) - set(new), "-"), **dict.fromkeys(set(new) - set(old), "+")}
    order = {said: number for number, said in enumerate(dict.fromkeys((*new, *old)))}

    def place(said: Said) -> List[Tuple[str, int]]:
        parts = (said[: end + 1] for end in range(len(said)))
        return [({"-": "0", "+": "2"}.get(sign.get(part, ""), "1"), order.get(part, 0)) for part in parts]

    return tuple((sign[said], said) for said in sorted(sign, key=place))


def change_rows(changes: Iterable[Change]) -> List[str]:
    """``changes`` as people read them: ``-`` and ``+`` in the first column, sections above what is in them."""
    found: List[str] = []
    shown: Said = ()
    for sign, said in changes:
        for depth, line in enumerate(said[:-1]):
            if shown[: depth + 1] != said[: depth + 1]:
                found.append(f" {' ' * depth}{line}")
        found.append(f"{sign}{' ' * (len(said) - 1)}{said[-1]}")
        shown = said
    return found


def text_of(found: Iterable[Said]) -> str:
    """A configuration that says what ``found`` does, section by section."""
    tree: Dict[str, object] = {}
    for said in found:
        node = tree
        for line in said:
            node = node.setdefault(line, {})  # type: ignore[assignment]
    return "".join(f"{line}\n" for line in _written(tree, 0))


def _written(tree: Dict[str, object], depth: int) -> Iterable[str]:
    for line, inside in tree.items():
        yield f"{' ' * depth}{line}"
        yield from _written(inside, depth + 1)  # type: ignore[arg-type]
        if line.startswith(_FAMILY):
            yield f"{' ' * depth}exit-address-family"


def running_text(text: str, changes: Iterable[Change]) -> str:
    """What a daemon runs that would run ``text`` after ``changes``, which hold no secrets: these are cut there, too."""
    added: Dict[Said, None] = {}
    missing = set()
    for sign, said in changes:
        if sign == "-":
            added[said] = None
        else:
            missing.add(said)
    kept = [said for said in lines_of(text) if without_secrets(said) not in missing]
    return text_of((*kept, *added))


def without_secrets(said: Said) -> Said:
    """A line, and what it stands in, fit for showing: what may be a secret is cut off."""
    return tuple(_cut(line) for line in said)


def _cut(line: str) -> str:
    words = line.split()
    for place, word in enumerate(words[:-1]):
        if _SECRET_BEHIND.match(word):
            return " ".join((*words[: place + 1], CUT))
    return line
