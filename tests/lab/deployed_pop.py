"""The example's first POP as netorch deployed it: what its devices hold, and what they ought to."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from netorch.lab import announcements, exec_in, expected_prefixes, log_files, provider_interface, set_service
from netorch.model.inventory import Circuit, Host, Inventory
from netorch.model.types import Family, IPNetwork, Mac
from tests.lab.capture import Capture, capture
from tests.lab.labs import Lab
from tests.lab.operator_shell import Said, Shell
from tests.waiting import wait_until

POP = "pop1"
SWITCHES = ("sw1.pop1", "sw2.pop1")
HOSTS = ("h1.pop1", "h2.pop1", "h3.pop1")
PROVIDERS = ("northtel", "southnet", "meadow")
SERVICE_PREFIX = {Family.IPV4: "192.0.2.0/24", Family.IPV6: "2001:db8:1::/48"}
TRAFFIC = "arp or icmp or icmp6 or tcp port 80"

COMPLETE_TIMEOUT_S = 30.0

Hops = dict[IPNetwork, frozenset[str]]

# Connects from a service address with a mark; prints what the Internet's responder says of the way in.
_TCP = """
import socket, sys
source, target, mark = sys.argv[1:]
family = socket.AF_INET6 if ":" in target else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM) as s:
    s.settimeout(20)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark))
    s.bind((source, 0))
    s.connect((target, 80))
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(s.makefile().read().split()[-1])
"""


@dataclass(frozen=True)
class Way:
    """From one host through one provider, in one family."""

    host: str
    provider: str
    family: Family


@dataclass
class FirstDeploy:
    """A fresh POP, its first deploy, and the first traffic, with captures of all of it.

    ``reached`` tells for each way whether a marked ping to an address that only this provider announces was answered;
    ``entered`` through which provider a marked TCP connection to an address that all announce came into the Internet.
    Captures are by node and interface.
    """

    lab: Lab
    netorch: Shell
    before: Said
    deploy: Said
    captures: dict[tuple[str, str], Capture]
    reached: dict[Way, bool] = field(default_factory=dict)
    entered: dict[Way, str] = field(default_factory=dict)

    @functools.cached_property
    def main_tables(self) -> dict[Family, Hops]:
        """What every host's main table is to hold of the providers' routes."""
        return {family: expected_main_table(self.lab.inventory, family) for family in Family}


# ---- the scenario ------------------------------------------------------------------------------------------------


def first_deploy(lab: Lab, folder: Path) -> FirstDeploy:
    """Deploy POP1 while no switch knows a provider's MAC address, and send traffic over every way."""
    netorch = Shell(lab.settings.state.parent)
    for provider in PROVIDERS:
        set_service(provider, "bird", lab.settings, running=False)
        # Its kernel still probes what it talked to, and would make itself known to the switch.
        lab.run(provider, "ip", "neigh", "flush", "all")
    for switch in SWITCHES:
        lab.run(switch, "ip", "neigh", "flush", "dev", "br0")
    before = netorch("plan", POP, "--diff", "--detailed-exitcode", code=None)
    with captured(lab, folder) as captures:
        deploy = _deploy_while_providers_start(lab, netorch)
        story = FirstDeploy(lab, netorch, before, deploy, captures)
        if deploy.code == 0:
            wait_until_complete(story)
            _send_traffic(story)
    return story


def _deploy_while_providers_start(lab: Lab, netorch: Shell) -> Said:
    process = netorch.start("deploy", POP, "--yes", "--diff")
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith("later: "):
            break
    for provider in PROVIDERS:
        set_service(provider, "bird", lab.settings, running=True)
    return netorch.finish(process, timeout_s=120, already=seen)


@contextmanager
def captured(lab: Lab, folder: Path) -> Iterator[dict[tuple[str, str], Capture]]:
    """Every provider's port and every host's uplink while the block runs, by node and interface."""
    places = [(circuit.provider, provider_interface(circuit)) for circuit in circuits(lab.inventory)]
    places += [(host, uplink.interface) for host in HOSTS for uplink in host_of(lab.inventory, host).uplinks]
    with ExitStack() as stack:
        yield {
            place: stack.enter_context(capture(*place, lab.settings, folder=folder, only=TRAFFIC)) for place in places
        }


def _send_traffic(story: FirstDeploy) -> None:
    lab, ways = story.lab, [Way(*way) for way in itertools.product(HOSTS, PROVIDERS, Family)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        story.reached.update(zip(ways, pool.map(lambda way: is_answered(lab, way), ways), strict=True))
        entered = pool.map(lambda way: entered_by(lab, way, behind_all(lab.inventory, way.family)), ways)
        story.entered.update(zip(ways, entered, strict=True))


def is_answered(lab: Lab, way: Way) -> bool:
    """Whether a marked ping to an address that the provider alone announces is answered."""
    # Meadow loses a packet in twenty: one of ten is enough.
    argv = ("ping", "-n", "-q", "-c", "10", "-i", "0.05", "-W", "2", "-m", mark(lab.inventory, way.provider))
    source, target = service(lab.inventory, way.host, way.family), only_behind(lab.inventory, way.provider, way.family)
    return exec_in(way.host, (*argv, "-I", source, target), lab.settings).returncode == 0


def entered_by(lab: Lab, way: Way, target: str) -> str:
    """Through which provider a marked TCP connection to ``target`` comes into the Internet."""
    source = service(lab.inventory, way.host, way.family)
    return lab.run(way.host, "python3", "-c", _TCP, source, target, mark(lab.inventory, way.provider)).strip()


# ---- what the inventory says -------------------------------------------------------------------------------------


def circuits(inventory: Inventory, provider: str = "") -> tuple[Circuit, ...]:
    """The POP's circuits, of one provider or of all."""
    return tuple(
        circuit
        for circuit in next(pop for pop in inventory.pops if pop.name == POP).circuits
        if provider in ("", circuit.provider)
    )


def host_of(inventory: Inventory, name: str) -> Host:
    """The host called ``name``."""
    return next(device for device in inventory.devices if isinstance(device, Host) and device.name == name)


def service(inventory: Inventory, host: str, family: Family) -> str:
    """The host's service address."""
    return next(str(a) for a in host_of(inventory, host).service if a.version == family.number)


def mark(inventory: Inventory, provider: str) -> str:
    """The packet mark of a provider, which is also its kernel table's number."""
    return str(1000 + inventory.provider(provider).id)


def neighbors(inventory: Inventory, provider: str, family: Family) -> frozenset[str]:
    """The provider's addresses on its circuits of this POP: the next hops of its routes."""
    found = (circuit.addresses(family) for circuit in circuits(inventory, provider))
    return frozenset(str(addresses.neighbor) for addresses in found if addresses is not None)


def only_behind(inventory: Inventory, provider: str, family: Family) -> str:
    """An address that no other provider announces."""
    others = (expected_prefixes(inventory, other, family)[0] for other in PROVIDERS if other != provider)
    prefixes = expected_prefixes(inventory, provider, family)[0].difference(*others)
    return str(min(prefixes, key=int_of).network_address + 7)


def behind_all(inventory: Inventory, family: Family) -> str:
    """An address that every provider announces."""
    prefixes = frozenset.intersection(*(expected_prefixes(inventory, p, family)[0] for p in PROVIDERS))
    return str(min(prefixes, key=int_of).network_address + 7)


def int_of(prefix: IPNetwork) -> int:
    """For a stable choice among prefixes."""
    return int(prefix.network_address)


def expected_provider_table(inventory: Inventory, provider: str, family: Family) -> Hops:
    """Every acceptable prefix of the provider, over all its circuits."""
    hops = neighbors(inventory, provider, family)
    return dict.fromkeys(expected_prefixes(inventory, provider, family)[0], hops)


def expected_main_table(inventory: Inventory, family: Family, *, providers: tuple[str, ...] = PROVIDERS) -> Hops:
    """What these providers announce and policy accepts, over all circuits of those with the best preference and then
    the shortest path."""
    best: dict[IPNetwork, tuple[int, int]] = {}
    hops: dict[IPNetwork, frozenset[str]] = {}
    for name in providers:
        provider = inventory.provider(name)
        preference = inventory.policy.local_preference[provider.relation]
        gateways = neighbors(inventory, name, family)
        for announcement in announcements(inventory, name, family):
            if announcement.flaw:
                continue
            prefix, rank = announcement.prefix, (-preference, len(announcement.path))
            if prefix not in best or rank < best[prefix]:
                best[prefix], hops[prefix] = rank, gateways
            elif rank == best[prefix]:
                hops[prefix] |= gateways
    return hops


# ---- what devices hold -------------------------------------------------------------------------------------------


def kernel_routes(lab: Lab, node: str, family: Family, table: str, *, proto: str = "") -> Hops:
    """The next hops of every route in a kernel table, by prefix; {} while the table does not exist."""
    narrowed = ("proto", proto) if proto else ()
    argv = ("ip", "-j", f"-{family.number}", "route", "show", "table", table, *narrowed)
    done = exec_in(node, argv, lab.settings)
    if b"FIB table does not exist" in done.stderr:
        return {}
    assert done.returncode == 0, done.stderr
    everything = "0.0.0.0/0" if family is Family.IPV4 else "::/0"
    return {
        ip_network(everything if route["dst"] == "default" else route["dst"]): frozenset(
            hop["gateway"] for hop in route.get("nexthops", [route]) if "gateway" in hop
        )
        for route in json.loads(done.stdout or b"[]")
    }


def wait_until_complete(pop: FirstDeploy) -> None:
    """Return once every host's tables have as many routes as they are going to have."""
    script = "for f in 4 6; do for t in main 1001 1002 1003; do"
    script += " ip -o -$f route show table $t proto bird 2>/dev/null | wc -l; done; done"
    lab, wanted = pop.lab, []
    for family in Family:
        wanted.append(len(pop.main_tables[family]) + len(HOSTS) - 1)
        wanted += [len(expected_prefixes(lab.inventory, provider, family)[0]) for provider in PROVIDERS]
    for host in HOSTS:
        counts: list[int] = []

        def is_complete(host: str = host, counts: list[int] = counts) -> bool:
            counts[:] = map(int, lab.run(host, "sh", "-c", script).split())
            return counts == wanted

        try:
            wait_until(is_complete, timeout_s=COMPLETE_TIMEOUT_S, what="complete tables")
        except Exception as error:
            raise AssertionError(f"{host} has {counts} routes, expected {wanted}") from error


def bgp_states(lab: Lab, node: str) -> dict[str, str]:
    """BGP sessions of ``node``: the last column of ``show protocols``, by name."""
    words = (line.split() for line in lab.run(node, "birdc", "show", "protocols").splitlines())
    return {word[0]: " ".join(word[6:]) for word in words if len(word) > 1 and word[1] == "BGP"}


def announced_to(lab: Lab, circuit: Circuit, family: Family) -> list[str]:
    """The prefixes that the provider has from us on ``circuit``."""
    shown = lab.run(circuit.provider, "birdc", "show", "route", "protocol", f"circuit{circuit.id}_{family.number}")
    return [line.split()[0] for line in shown.splitlines() if "/" in line.split(" ")[0]]


def mac(lab: Lab, node: str, interface: str) -> Mac:
    """The MAC address of an interface."""
    return Mac(lab.run(node, "cat", f"/sys/class/net/{interface}/address").strip())


def provider_macs(lab: Lab) -> dict[str, Mac]:
    """The MAC address behind every provider's address in the POP."""
    return {
        str(addresses.neighbor): mac(lab, circuit.provider, provider_interface(circuit))
        for circuit in circuits(lab.inventory)
        for addresses in (circuit.ipv4, circuit.ipv6)
        if addresses is not None
    }


def host_macs(lab: Lab) -> frozenset[Mac]:
    """The MAC addresses of every host's uplinks."""
    return frozenset(
        mac(lab, host, uplink.interface) for host in HOSTS for uplink in host_of(lab.inventory, host).uplinks
    )


def reconfigurations(lab: Lab, node: str) -> tuple[int, str]:
    """How often BIRD says that it loaded a configuration: in its log, and the time of the last one."""
    log = next(path for path in log_files(node, lab.settings) if path.name == "bird.log")
    status = lab.run(node, "birdc", "show", "status")
    last = next(line for line in status.splitlines() if line.startswith("Last reconfiguration"))
    return log.read_text(encoding="utf-8", errors="replace").count("Reconfigur"), last


def established(lab: Lab, node: str) -> bool:
    """Whether every session of ``node`` is up."""
    return set(bgp_states(lab, node).values()) == {"Established"}
