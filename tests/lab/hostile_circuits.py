"""The second POP with many circuits, whose names and descriptions are hostile texts."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from itertools import islice

from netorch.errors import InventoryError
from netorch.model.frr_words import split_description
from netorch.parse.frr.sessions import read_neighbors
from tests.lab.hostile_texts import INJECTIONS, cut, scalar, visible
from tests.lab.labs import Lab
from tests.lab.quick_lab import only_pop2
from tests.unit.inventory_texts import edited, load
from tests.unit.test_inventory_properties import HOSTILE

SWITCH, FILE = "sw1.pop2", "pops/pop2.yml"
STRINGS = tuple(dict.fromkeys([*HOSTILE, *INJECTIONS]))
FIRST_ID = 10
PROVIDERS = ("northtel", "meadow")
NAMED, DESCRIBED = "name: northtel-pop2", "description: Northtel NT-100377"


def inventory(count: int, descriptions: Sequence[str] = (), names: Sequence[str] = ()) -> dict[str, str]:
    """The second POP with ``count`` more circuits, of IPv4; where texts are fewer the rest have plain ones."""
    circuits, ports = [], []
    for number in range(count):
        network = 24 + 4 * number
        name = names[number] if number < len(names) else f"line-{number}"
        description = descriptions[number] if number < len(descriptions) else f"Line {number}"
        circuits.append(
            f"  - {{id: {FIRST_ID + number}, name: {scalar(name)}, provider: {provider(number)}, switch: sw1, "
            f"port: p{number}, description: {scalar(description)},\n"
            f"     ipv4: {{local: 203.0.113.{network + 2}/30, neighbor: 203.0.113.{network + 1}}}}}\n"
        )
        ports.append(f"      - p{number}\n")
    return edited(
        only_pop2(),
        FILE,
        ("      - swp11\n", "".join(ports) + "      - swp11\n"),
        ("circuits:\n", "circuits:\n" + "".join(circuits)),
    )


def provider(number: int) -> str:
    """Whose circuit the one of that number is."""
    return PROVIDERS[number % 2]


def session(number: int) -> str:
    """The name of its session."""
    return f"{provider(number)}_{FIRST_ID + number}_v4"


def label(number: int, description: str) -> str:
    """How an operator must find a description in labels of at most 255 bytes: behind its provider, before its circuit."""
    text = f"{provider(number)}: {description}, circuit {FIRST_ID + number} (line-{number})" if description else ""
    text = text or f"{provider(number)}: circuit {FIRST_ID + number} (line-{number})"
    return cut(visible(text), 255).rstrip()


def batched(strings: Sequence[str], count: int) -> Iterator[list[str]]:
    """``strings``, so many at a time."""
    rest = iter(strings)
    while batch := list(islice(rest, count)):
        yield batch


@functools.cache
def is_accepted(find: str, text: str) -> bool:
    """Whether the inventory takes ``text`` in the place of a circuit's name or description."""
    try:
        load(edited(only_pop2(), FILE, (find, f"{find.split(':')[0]}: {scalar(text)}")))
    except InventoryError:
        return False
    return True


def aliases(lab: Lab) -> dict[str, str]:
    """The switch's interface aliases."""
    links = json.loads(lab.run(SWITCH, "ip", "-j", "link", "show"))
    return {link["ifname"]: link.get("ifalias", "") for link in links}


def shown_by_bird(lab: Lab) -> dict[str, str]:
    """What BIRD on the switch shows as the description of each protocol, by name."""
    found, name = {}, ""
    for line in lab.run(SWITCH, "birdc", "show", "protocols", "all").splitlines():
        if line and not line.startswith(" "):
            name = line.split()[0]
        elif line.startswith("  Description:    "):
            found[name] = line.removeprefix("  Description:    ")
    return found


def shown_by_frr(lab: Lab) -> dict[str, str]:
    """What FRR on the switch shows as the description of each session, by the name that stands before it."""
    said = read_neighbors(lab.run(SWITCH, "vtysh", "-c", "show bgp neighbors json"))
    return {name: text or "" for name, text in (split_description(one.description) for one in said) if name}
