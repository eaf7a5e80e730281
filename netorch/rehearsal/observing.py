"""Looks at a twin from every side: both ends of each session, hosts' tables, what providers and the Internet heard."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from netorch.errors import DeviceError
from netorch.lab import INTERNET_NODE, exec_in
from netorch.lab.topology import played
from netorch.model.frr_words import split_description
from netorch.model.intent import Intent
from netorch.model.observation import Heard, HostTable, Observation, SessionEnd, SessionState, WatchedSession
from netorch.model.types import Family, IPAddress, IPNetwork
from netorch.parse import parse_protocols, parse_routes
from netorch.ports import Clock, Progress
from netorch.rehearsal.twin import Twin

POLL_S = 0.5
QUIET_S = 2.0
"""A twin in which nothing has changed for so long has settled."""

_INSTALLED_BY = {"bird": "bird", "frr": "bgp"}
"""How iproute2 calls the routes of a daemon. Source: iproute2's rt_protos."""

_WORKERS = 4  # each look is a few short processes


@dataclass(frozen=True)
class Observer:
    """Sees a twin that is up."""

    twin: Twin
    clock: Clock
    progress: Progress

    def observe(self) -> Observation:
        """The twin as it is now."""
        providers = [provider.name for provider in played(self.twin.inventory)]
        hosts = [(h.name, f) for pop in self.twin.inventory.pops for h in pop.hosts for f in Family]
        with ThreadPoolExecutor(_WORKERS) as pool:
            sessions = list(pool.map(self._sessions, [*self.twin.devices, *providers]))
            heard = list(pool.map(self._heard, providers))
            tables = list(pool.map(lambda place: self._table(*place), hosts))
        return Observation(
            sessions={end: state for found in sessions for end, state in found.items()},
            heard=tuple(one for found in heard for one in found),
            tables=tuple(tables),
            inbound=self._inbound(),
        )

    def settled(self, expected: Iterable[SessionEnd], *, timeout_s: float) -> tuple[Observation, bool]:
        """The twin once nothing changes and every ``expected`` session is up, or after ``timeout_s``; and which of the two."""
        wanted = tuple(expected)
        deadline = self.clock.monotonic() + timeout_s
        last, since = self.observe(), self.clock.monotonic()
        while True:
            missing = [end for end in wanted if end not in last.sessions or not last.sessions[end].up]
            now = self.clock.monotonic()
            if not missing and now - since >= QUIET_S:
                return last, True
            if now >= deadline:
                return last, False
            what = f"{missing[0][0]}'s session {missing[0][1]}" if missing else "routes to settle"
            self.progress.step("", f"waiting for {what}")
            self.clock.wait(POLL_S)
            seen = self.observe()
            if seen != last:
                last, since = seen, self.clock.monotonic()

    def _sessions(self, node: str) -> dict[SessionEnd, SessionState]:
        if self._daemons.get(node) == "frr":
            return self._frr_sessions(node)
        protocols = parse_protocols(self._say(node, "birdc", "show", "protocols"), details=False)
        return {
            (node, protocol.name): SessionState(protocol.info == "Established", protocol.since or "")
            for protocol in protocols
            if protocol.protocol == "BGP"
        }

    def _frr_sessions(self, node: str) -> dict[SessionEnd, SessionState]:
        """FRR tells ages, from which a moment is reckoned a little otherwise each time: how often a session came up is exact."""
        found = {}
        for name, row in json.loads(self._say(node, "vtysh", "-d", "bgpd", "-c", "show bgp neighbors json")).items():
            if isinstance(row, dict):
                own = split_description(row.get("nbrDesc"))[0] or name
                changes = f"{row.get('connectionsEstablished')}/{row.get('connectionsDropped')}"
                found[node, own] = SessionState(row.get("bgpState") == "Established", changes)
        return found

    @cached_property
    def _daemons(self) -> dict[str, str]:
        return {device.name: device.daemon for device in self.twin.inventory.devices}

    def _heard(self, provider: str) -> list[Heard]:
        found = []
        for family in Family:
            command = f"show route table edge{family.number} all where source = RTS_BGP"
            for route in parse_routes(self._say(provider, "birdc", command), details=True):
                circuit = route.protocol.removeprefix("circuit").partition("_")[0]
                bgp = route.bgp
                path, communities = (bgp.as_path, bgp.communities + bgp.large_communities) if bgp else ((), ())
                found.append(Heard(provider, int(circuit), ip_network(route.prefix), path, tuple(sorted(communities))))
        return found

    def _table(self, host: str, family: Family) -> HostTable:
        installed_by = _INSTALLED_BY[self._daemons[host]]
        words = ("ip", "-j", f"-{family.number}", "route", "show", "table", "main", "proto", installed_by)
        providers: dict[IPNetwork, tuple[str, ...]] = {}
        for route in json.loads(self._say(host, *words) or "[]"):
            hops = [ip_address(hop["gateway"]) for hop in route.get("nexthops", [route]) if "gateway" in hop]
            names = {self._provider_of[hop] for hop in hops if hop in self._provider_of}
            if names:
                everything = "0.0.0.0/0" if family is Family.IPV4 else "::/0"
                prefix = ip_network(everything if route["dst"] == "default" else route["dst"])
                providers[prefix] = tuple(sorted(names))
        return HostTable(host, family, providers)

    def _inbound(self) -> dict[IPNetwork, tuple[str, tuple[str, ...]]]:
        names = {f"provider{provider.id}": provider.name for provider in played(self.twin.inventory)}
        found = {}
        for route in parse_routes(
            self._say(INTERNET_NODE, "birdc", "show route all where source = RTS_BGP"), details=True
        ):
            name = names.get(route.protocol.partition("_")[0])
            if route.best and name is not None and route.bgp is not None:
                found[ip_network(route.prefix)] = (name, route.bgp.as_path)
        return found

    @cached_property
    def _provider_of(self) -> dict[IPAddress, str]:
        return {
            addresses.neighbor: circuit.provider
            for circuit in self.twin.inventory.circuits
            for addresses in (circuit.ipv4, circuit.ipv6)
            if addresses is not None
        }

    def _say(self, node: str, *argv: str) -> str:
        done = exec_in(node, argv, self.twin.settings)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise DeviceError(f"'{' '.join(argv)}' failed: {said}", where=f"the twin's {node}")
        return done.stdout.decode(errors="replace")


def sessions_of(intents: Iterable[Intent], twin: Twin) -> tuple[WatchedSession, ...]:
    """Every session between the twin's nodes, once each, with both ends; a switch's end comes first."""
    names = {circuit.id: circuit.name for circuit in twin.inventory.circuits}
    ends: dict[str, dict[SessionEnd, None]] = {}
    for intent in intents:
        for device in sorted((d for d in intent.devices if d.name in twin.devices), key=lambda d: d.role != "switch"):
            for session in device.sessions:
                own, family = (device.name, session.name), session.family
                if session.circuit is not None:
                    label = f"{device.name} - {names.get(session.circuit, session.peer)} {family.value}"
                    theirs = (session.peer, f"circuit{session.circuit}_{family.number}")
                    ends.setdefault(label, {}).update({own: None, theirs: None})
                else:
                    pair = (device.name, session.peer) if device.role == "switch" else (session.peer, device.name)
                    ends.setdefault(f"{' - '.join(pair)} {family.value}", {})[own] = None
    return tuple(WatchedSession(label, tuple(found)) for label, found in ends.items())
