"""The example's first POP with FRR on some of its devices: as ``bird_pop``, of which it is a kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netorch.model.capabilities import capabilities_of
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.state import Protocol
from netorch.model.types import Family, IPAddress
from netorch.parse.frr import read_bgp_routes, read_neighbors
from netorch.render import render_for, seal
from tests.lab.bird_pop import HOSTS, PROVIDERS, SWITCHES, Pop, booted_pop
from tests.lab.frr_node import FrrNode, frr_node


@dataclass
class FrrPop(Pop):
    """The running POP; ``releases`` are those of the devices that run FRR."""

    releases: Mapping[str, str] = field(default_factory=dict)
    nodes: dict[str, FrrNode] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def names(self, node: str) -> dict[IPAddress, str]:
        """Session names of an FRR device by the neighbour's address."""
        return {session.neighbor: session.name for session in self.intent.device(node).sessions}

    def sessions(self, node: str) -> dict[str, Protocol]:
        """Sessions of an FRR device by name."""
        answer = self.nodes[node].vtysh("show bgp neighbors json")
        return {session.name: session for session in read_neighbors(answer, self.names(node))}

    def frr_routes(self, node: str, family: Family, protocol: str = "") -> set[str]:
        """Prefixes that bgpd of an FRR device has, those from the neighbour ``protocol`` where one is given."""
        routes = read_bgp_routes(self.nodes[node].vtysh(f"show bgp {family.value} unicast json"))
        return {str(route.prefix) for route in routes if protocol in ("", route.protocol)}

    def shown(self, node: str, prefix: str) -> Any:
        """Everything that bgpd of an FRR device knows of one prefix, as JSON."""
        family = "ipv6" if ":" in prefix else "ipv4"
        return json.loads(self.nodes[node].vtysh(f"show bgp {family} unicast {prefix} json"))

    def routes(self, node: str, family: Family, table: str = "main") -> dict[str, dict[str, Any]]:
        """The daemon's routes in a kernel table, by destination."""
        if node not in self.releases:
            return super().routes(node, family, table)
        # A table that nothing was ever put into does not exist, which iproute2 says after the beginning of its JSON.
        command = f"ip -j -N -{family.number} route show table {table} 2>/dev/null || echo ]"
        found = {route["dst"]: route for route in json.loads(self.run(node, "sh", "-c", command) or "[]")}
        return {prefix: route for prefix, route in found.items() if route.get("protocol") in _FRR_PROTOCOLS}

    def sealed(self, device: DeviceIntent) -> str:
        """The configuration that ``device`` would get."""
        if device.name not in self.releases:
            return super().sealed(device)
        can = capabilities_of("frr", self.releases[device.name])
        assert can is not None
        main = render_for(can, device, templates=self.templates)[0]
        return seal(main.text, lambda _: self.password, daemon="frr")

    def configure(self, device: DeviceIntent) -> str:
        """Load the configuration of ``device`` into its running daemon."""
        if device.name not in self.releases:
            return super().configure(device)
        return self.nodes[device.name].reload(self.sealed(device))

    def listens(self, node: str) -> bool:
        """Whether the daemon of ``node`` can be asked."""
        return node in self.nodes or super().listens(node)

    def start(self, node: str) -> None:
        """Start the daemon with the configuration that was written."""
        if node not in self.releases:
            super().start(node)
            return
        self.nodes[node] = self.stack.enter_context(frr_node(node, self.releases[node]))
        self.nodes[node].start((self.folder / f"{node}.conf").read_text())

    def stop(self, node: str) -> None:
        """End the daemon of ``node`` as a crash would: no farewell to its neighbours."""
        if node in self.nodes:
            self.nodes.pop(node).stop()
        else:
            super().stop(node)

    def stop_all(self) -> None:
        """End every daemon that still runs."""
        super().stop_all()
        self.stack.close()

    def is_up(self, name: str) -> bool:
        """Whether every enabled session of the device, to a node that was booted, is established."""
        if name not in self.releases:
            return super().is_up(name)
        found, booted = self.sessions(name), {*SWITCHES, *HOSTS, *PROVIDERS}
        sessions = (s for s in self.intent.device(name).sessions if s.enabled and s.peer in booted)
        return all(found[session.name].state == "up" for session in sessions)


_FRR_PROTOCOLS = ("186", "196")  # RTPROT_BGP, RTPROT_ZSTATIC in FRR's zebra/rt_netlink.h


@contextmanager
def frr_pop(
    folder: Path, releases: Mapping[str, str], amend: Callable[[Intent], Intent] = lambda intent: intent
) -> Iterator[FrrPop]:
    """The POP with FRR of ``releases`` on the devices that it names, every session up and the mirror in place."""

    def make(where: Path, inventory: Any, intent: Intent) -> FrrPop:
        return FrrPop(where, inventory, intent, password="example-of-a-password", releases=releases)

    with booted_pop(folder, amend=amend, make=make) as pop:
        yield pop
