"""By which way packets leave hosts: what netorch concludes from rules and daemons' routes, beside what the kernels say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from netorch.app.controller import Controller
from netorch.errors import NetorchError, ParseError
from netorch.model.conventions import MAIN_TABLE
from netorch.model.intent import DeviceIntent, NextHop, ProviderTable
from netorch.model.state import Route
from netorch.model.text import counted
from netorch.model.trace import (
    DaemonAnswer,
    KernelHop,
    KernelRoute,
    TraceAnswer,
    TraceFinding,
    TraceQuery,
    TraceRequest,
)
from netorch.model.types import Family, IPAddress, family_of
from netorch.parse.frr import read_bgp_routes
from netorch.parse.routes import parse_routes
from netorch.plan.egress import UNICAST, Decision, Table, decide, disagreement, exported

_DEFAULT = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}
MOST_AT_ONCE = 2000
"""Destinations that a host is asked for in one go."""


@dataclass(frozen=True)
class Known:
    """What a host's daemon knows of one destination. ``paths`` are the daemon's by kernel table; ``wider`` those to wider
    prefixes, of a daemon that has no table for each provider. ``problem``: why it says nothing."""

    paths: dict[int, tuple[Route, ...]]
    wider: tuple[tuple[Route, ...], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Way:
    """Of packets from ``host`` to ``destination`` with ``mark`` (0: none). ``disagreement`` is where the kernel does something
    else, "" for nowhere."""

    host: str
    destination: IPAddress
    mark: int
    decision: Decision
    known: Known
    finding: TraceFinding
    disagreement: str


def find_ways(
    controller: Controller,
    devices: Iterable[DeviceIntent],
    destinations: Sequence[IPAddress],
    *,
    send: bool = False,
) -> tuple[dict[str, tuple[Way, ...]], dict[str, NetorchError]]:
    """Ways from each of ``devices``, hosts, to each of ``destinations``: without a mark and with that of every provider. By host,
    and the hosts that could not be asked. ``send``: a packet is sent by each."""
    by_name = {device.name: device for device in devices}

    def ask(name: str) -> tuple[Way, ...]:
        controller.progress.step(name, f"asking for the ways to {counted(len(destinations), 'destination')}")
        found: list[Way] = []
        for start in range(0, len(destinations), MOST_AT_ONCE):
            part = destinations[start : start + MOST_AT_ONCE]
            answer = controller.devices(name).trace(_request(by_name[name], part, send=send))
            found += _ways(by_name[name], part, answer)
        return tuple(found)

    return controller.each(by_name, ask)


def _request(device: DeviceIntent, destinations: Iterable[IPAddress], *, send: bool) -> TraceRequest:
    queries = []
    for destination in destinations:
        names = tuple(_daemon_tables(device, family_of(destination)))
        queries.append(TraceQuery(destination, 0, names))
        queries += (TraceQuery(destination, table.number) for table in device.tables)
    return TraceRequest(
        daemon=device.daemon,
        queries=tuple(queries),
        send=send,
        wider=send and device.daemon == "frr",
        source_ipv4=source_of(device, Family.IPV4),
        source_ipv6=source_of(device, Family.IPV6),
    )


def source_of(device: DeviceIntent, family: Family) -> IPAddress | None:
    """The address that the host's own packets carry."""
    return next((address for address in device.service if family_of(address) is family), None)


def _daemon_tables(device: DeviceIntent, family: Family) -> dict[str, int]:
    """The daemon's tables by its names, with the kernel table that each ends up in."""
    if device.daemon == "frr":
        return {"": MAIN_TABLE}
    tables = {f"table{table.number}_{family.value}": table.number for table in device.tables}
    return {f"master{family.number}": MAIN_TABLE, **tables}


def _ways(device: DeviceIntent, destinations: Iterable[IPAddress], answer: TraceAnswer) -> list[Way]:
    findings = iter(answer.findings)
    found: list[Way] = []
    for destination in destinations:
        family = family_of(destination)
        first = next(findings)
        known = _known(device, family, first)
        tables = _tables(device, destination, known, answer.others)
        marks = (0, *(table.number for table in device.tables))
        for mark in marks:
            finding = first if mark == 0 else next(findings)
            decision = decide(
                destination,
                mark,
                rules=answer.rules,
                tables=tables,
                own=own_addresses(device),
                hops_of=_hops_of(device),
            )
            wrong = known.problem or disagreement(decision, finding.kernel)
            found.append(Way(device.name, destination, mark, decision, known, finding, wrong))
    return found


def own_addresses(device: DeviceIntent) -> frozenset[IPAddress]:
    """The host's own addresses, as far as the inventory has them."""
    return frozenset((*device.service, *(hop.local.ip for hop in device.next_hops)))


def _known(device: DeviceIntent, family: Family, finding: TraceFinding) -> Known:
    numbers = _daemon_tables(device, family)
    paths: dict[int, tuple[Route, ...]] = {}
    problems = []
    for said in finding.daemon:
        try:
            paths[numbers[said.table]] = _read(device.daemon, said)
        except ParseError as error:
            problems.append(f"{device.daemon} cannot be understood: {error}")
        if said.error:
            problems.append(f"{device.daemon} does not say: {said.error}")
    wider = tuple(_read(device.daemon, DaemonAnswer("", text)) for text in finding.wider)
    return Known(paths, wider, problems[0] if problems else "")


def _read(daemon: str, said: DaemonAnswer) -> tuple[Route, ...]:
    if said.error:
        return ()
    return read_bgp_routes(said.text) if daemon == "frr" else parse_routes(said.text, details=True)


def _tables(
    device: DeviceIntent, destination: IPAddress, known: Known, others: tuple[KernelRoute, ...]
) -> dict[int, Table]:
    family = family_of(destination)
    found: dict[int, Table] = {}
    if device.daemon == "frr":
        found[MAIN_TABLE] = Table(known.paths.get(MAIN_TABLE, ()), (*others, *_own_routes(device, family)))
        for table in device.tables:
            found[table.number] = Table((), _transit_default(device, table, family))
        return found
    for number, paths in known.paths.items():
        mine, static_routes = exported(paths, f"own_routes_{family.value}")
        found[number] = Table(mine, (*others, *static_routes) if number == MAIN_TABLE else ())
    return found


def _own_routes(device: DeviceIntent, family: Family) -> tuple[KernelRoute, ...]:
    """Static routes of the intent, which FRR's bgpd does not know of."""
    types = {"unicast": UNICAST, "blackhole": 6, "unreachable": 7}
    return tuple(
        KernelRoute(
            route.prefix,
            MAIN_TABLE,
            types[route.type],
            0,
            tuple(KernelHop(hop.address, hop.interface or _interface_to(device, hop.address)) for hop in route.hops),
        )
        for route in device.routes
        if family_of(route.prefix) is family
    )


def _transit_default(device: DeviceIntent, table: ProviderTable, family: Family) -> tuple[KernelRoute, ...]:
    """A host with FRR has one route in the table of a transit provider, and none in that of a peer (docs/frr.md)."""
    hops = [hop for hop in device.next_hops if (hop.provider, hop.family) == (table.provider, family)]
    if not table.transit or not hops:
        return ()
    leads = tuple(KernelHop(hop.address, hop.interface) for hop in hops)
    return (KernelRoute(_DEFAULT[family], table.number, UNICAST, 0, leads),)


def _hops_of(device: DeviceIntent) -> Callable[[Route], Iterable[KernelHop]]:
    def hops_of(path: Route) -> Iterable[KernelHop]:
        if path.next_hops:
            return tuple(KernelHop(hop.address, hop.interface) for hop in path.next_hops)
        addresses = path.bgp.next_hops[:1] if path.bgp else ()
        return tuple(KernelHop(address, _interface_to(device, address)) for address in addresses)

    return hops_of


def _interface_to(device: DeviceIntent, address: IPAddress | None) -> str:
    """The uplink behind which ``address`` is; "" for none."""
    if address is None:
        return ""
    hop = next_hop_at(device, address)
    if hop is not None:
        return hop.interface
    return next((hop.interface for hop in device.next_hops if address in hop.local.network), "")


def next_hop_at(device: DeviceIntent, address: IPAddress | None) -> NextHop | None:
    """The provider's router that ``address`` is; None for anybody else."""
    return next((hop for hop in device.next_hops if hop.address == address), None)


def next_hop_of(device: DeviceIntent, path: Route) -> NextHop | None:
    """The provider's router that a path leads to."""
    for address in (*(path.bgp.next_hops if path.bgp else ()), *(hop.address for hop in path.next_hops)):
        hop = next_hop_at(device, address)
        if hop is not None:
            return hop
    return None
