"""Neighbours of OSPF and RIP, asked of FRR's programs. Importing it costs what parsing costs: only routers do."""

from __future__ import annotations

import re

from netorch.agent.files import read_text
from netorch.agent.frr_vty import FrrRefused
from netorch.model.conventions import CONFIGURATIONS
from netorch.parse.frr.answer import FrrError
from netorch.parse.frr.links import read_interfaces
from netorch.parse.frr.neighbours import (
    read_ospf6_neighbors,
    read_ospf_neighbors,
    read_rip_neighbors,
    read_ripng_neighbors,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Container, Dict, List, Tuple

    from netorch.model.state import InterfaceState, Protocol

    Ask = Callable[..., str]


_PASSIVE = re.compile(r"^ passive-interface (\S+)", re.MULTILINE)


def neighbours(ask: Ask, programs: Container[str]) -> List[Protocol]:
    """All that the programs which run tell; ``ask(program, command)`` gives an answer."""

    def interfaces() -> Tuple[InterfaceState, ...]:
        return read_interfaces(ask("zebra", "show interface json"))

    readers: Dict[str, Callable[[], List[Protocol]]] = {
        "ospfd": lambda: [*read_ospf_neighbors(ask("ospfd", "show ip ospf neighbor json"))],
        "ospf6d": lambda: [*read_ospf6_neighbors(ask("ospf6d", "show ipv6 ospf6 neighbor json"))],
        "ripd": lambda: [
            *read_rip_neighbors(
                ask("ripd", "show ip rip status"),
                ask("ripd", "show ip rip"),
                interfaces(),
            )
        ],
        "ripngd": lambda: [
            *read_ripng_neighbors(
                ask("ripngd", "show ipv6 ripng status"),
                ask("ripngd", "show ipv6 ripng"),
                interfaces(),
                _PASSIVE.findall(read_text(CONFIGURATIONS["frr"]) or ""),
            )
        ],
    }
    found: List[Protocol] = []
    for program, read in readers.items():
        if program in programs:
            try:
                found += read()
            except (FrrError, FrrRefused):
                continue  # it runs, and routes nothing
    return found
