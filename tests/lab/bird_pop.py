"""The example's first POP from rendered configuration alone: real BIRDs in namespaces, the mirror made by hand.

It proves templates and intent without transport, agent or lab. Two hosts of three are booted. Providers are BIRDs with a
configuration of their own, one link per circuit.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from netorch.intent import derive_intent, desired_items
from netorch.io.template_files import read_templates
from netorch.model.conventions import KERNEL_PROTOCOL
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.inventory import Circuit, Inventory
from netorch.model.items import AddressItem, RuleItem, SysctlItem
from netorch.model.types import Family
from netorch.render import TemplateSource, render_device, seal
from tests.lab.provider_bird import provider_configuration
from tests.unit.inventory_texts import example, load
from tests.waiting import wait_until

PASSWORD = "example of a password"
SWITCHES = ("sw1.pop1", "sw2.pop1")
HOSTS = ("h1.pop1", "h2.pop1")
PROVIDERS = ("northtel", "southnet", "meadow")
BOOT_TIMEOUT_S = 60.0


@dataclass
class Pop:
    """The running POP. Namespaces have the names of devices and providers."""

    folder: Path
    inventory: Inventory
    intent: Intent
    templates: TemplateSource = field(default_factory=lambda: TemplateSource(read_templates()))
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    password: str = PASSWORD

    # ---- commands ------------------------------------------------------------------------------------------------

    def run(self, node: str, *command: str) -> str:
        """Standard output of ``command`` in the namespace of ``node``; it must succeed."""
        done = subprocess.run(
            ["ip", "netns", "exec", node, *command], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{node}: {' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def birdc(self, node: str, command: str) -> str:
        """What BIRD of ``node`` answers to ``command``."""
        return self.run(node, "birdc", "-s", str(self.folder / f"{node}.ctl"), *command.split())

    def routes(self, node: str, family: Family, table: str = "main") -> dict[str, dict[str, Any]]:
        """BIRD's routes in a kernel table, by destination."""
        shown = self.run(node, "ip", "-j", f"-{family.number}", "route", "show", "table", table, "proto", "bird")
        return {route["dst"]: route for route in json.loads(shown or "[]")}

    def bird_routes(self, node: str, query: str) -> list[str]:
        """Prefixes that BIRD shows for ``show route QUERY``, each once."""
        shown = self.birdc(node, f"show route {query}")
        return sorted(set(re.findall(r"^(\S+/\d+) ", shown, re.MULTILINE)))

    def protocols(self, node: str) -> dict[str, tuple[str, str]]:
        """(state, since) of every protocol of ``node``."""
        lines = (line.split() for line in self.birdc(node, "show protocols").splitlines()[2:])
        return {words[0]: (words[3], " ".join(words[4:6])) for words in lines}

    def log(self, node: str) -> str:
        """What BIRD of ``node`` wrote to standard error so far."""
        return (self.folder / f"{node}.log").read_text()

    # ---- configuration -------------------------------------------------------------------------------------------

    def sealed(self, device: DeviceIntent) -> str:
        """The configuration that ``device`` would get."""
        (file,) = render_device(device, self.templates)
        return seal(file.text, lambda _: self.password, daemon="bird")

    def write(self, device: DeviceIntent) -> Path:
        """Write the configuration of ``device``."""
        path = self.folder / f"{device.name}.conf"
        path.write_text(self.sealed(device))
        return path

    def configure(self, device: DeviceIntent) -> str:
        """Load the configuration of ``device`` into its running daemon."""
        return self.birdc(device.name, f'configure "{self.write(device)}"')

    def listens(self, node: str) -> bool:
        """Whether the daemon of ``node`` can be asked."""
        return (self.folder / f"{node}.ctl").exists()

    def start(self, node: str) -> None:
        """Start BIRD with the configuration that was written."""
        control, log = self.folder / f"{node}.ctl", self.folder / f"{node}.log"
        command = [
            "bird",
            "-f",
            "-c",
            f"{self.folder}/{node}.conf",
            "-s",
            str(control),
            "-P",
            f"{self.folder}/{node}.pid",
        ]
        with log.open("ab") as out:
            self.daemons[node] = subprocess.Popen(["ip", "netns", "exec", node, *command], stderr=out, stdout=out)

    def stop(self, node: str) -> None:
        """End BIRD of ``node`` as a crash would: no farewell to its neighbours."""
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait(10)

    def stop_all(self) -> None:
        """End every daemon that still runs."""
        for node in tuple(self.daemons):
            self.stop(node)

    def all_up(self) -> bool:
        """Whether every enabled session of the booted devices is established."""
        return all(self.is_up(name) for name in (*SWITCHES, *HOSTS))

    def is_up(self, name: str) -> bool:
        """Whether every enabled session of the device, to a node that was booted, is established."""
        protocols = self.protocols(name)
        booted = {*SWITCHES, *HOSTS, *PROVIDERS}
        sessions = (s for s in self.intent.device(name).sessions if s.enabled and s.peer in booted)
        return all(protocols[session.name][0] == "up" for session in sessions)


PopT = TypeVar("PopT", bound=Pop)


def _batch(node: str, lines: list[str]) -> None:
    done = subprocess.run(
        ["ip", "-n", node, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{node}: {done.stderr}"


def _cable(a: str, a_name: str, b: str, b_name: str) -> None:
    subprocess.run(
        ["ip", "link", "add", a_name, "netns", a, "type", "veth", "peer", "name", b_name, "netns", b], check=True
    )
    _batch(a, [f"link set {a_name} up"])
    _batch(b, [f"link set {b_name} up"])


def _namespaces() -> None:
    for node in (*SWITCHES, *HOSTS, *PROVIDERS):
        subprocess.run(["ip", "netns", "add", node], check=True)
        quiet = "net.ipv6.conf.default.accept_dad=0"  # duplicate detection would cost a second per address
        subprocess.run(["ip", "netns", "exec", node, "sysctl", "-qw", quiet], check=True)
        _batch(node, ["link set lo up", "link add mgmt0 type bridge", "link set mgmt0 up"])


def circuits(inventory: Inventory, provider: str = "") -> list[Circuit]:
    """The first POP's circuits, those of ``provider`` where one is named."""
    return [circuit for circuit in inventory.pop("pop1").circuits if provider in ("", circuit.provider)]


def _wire(inventory: Inventory) -> None:
    pop = inventory.pop("pop1")
    for switch in pop.switches:
        _batch(switch.name, [f"link add {switch.fabric} type bridge", f"link set {switch.fabric} up"])
        _batch(
            switch.name,
            [f"addr add {address} dev {switch.fabric}" for address in (switch.fabric_ipv4, switch.fabric_ipv6)],
        )
    for circuit in pop.circuits:
        _cable(circuit.provider, f"c{circuit.id}", circuit.switch, circuit.port)
        _batch(circuit.switch, [f"link set {circuit.port} master br0"])
        for family in Family:
            addresses = circuit.addresses(family)
            assert addresses is not None
            _batch(circuit.switch, [f"addr add {addresses.local} dev br0"])
            length = addresses.local.network.prefixlen
            _batch(circuit.provider, [f"addr add {addresses.neighbor}/{length} dev c{circuit.id}"])
    for host in pop.hosts:
        if host.name in HOSTS:
            for uplink in host.uplinks:
                _cable(host.name, uplink.interface, uplink.switch, uplink.port)
                _batch(uplink.switch, [f"link set {uplink.port} master br0"])
                _batch(host.name, [f"addr add {a} dev {uplink.interface}" for a in (uplink.ipv4, uplink.ipv6)])
            # A management network with the host's default route, which is nobody's business here.
            _batch(host.name, ["addr add 198.18.1.99/24 dev mgmt0", "route add default via 198.18.1.1 dev mgmt0"])


def apply_items(device: DeviceIntent) -> None:
    """The kernel items of ``device``, by iproute2 and sysctl."""
    for item in desired_items(device):
        if isinstance(item, SysctlItem):
            done = subprocess.run(
                ["ip", "netns", "exec", device.name, "sysctl", "-qw", f"{item.name}={item.value}"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), f"{device.name}: {item}: {done.stderr}"
        elif isinstance(item, AddressItem):
            _batch(device.name, [f"addr add {item.address} dev {item.interface}"])
        elif isinstance(item, RuleItem):
            rule = f"rule add priority {item.priority} fwmark {item.mark} table {item.table} protocol {KERNEL_PROTOCOL}"
            subprocess.run(["ip", "-n", device.name, f"-{item.family.number}", *rule.split()], check=True)


def mirror(pop: Pop, host: str) -> None:
    """What the mirror does on a host, once and by hand."""
    lines = []
    for hop in pop.intent.device(host).next_hops:
        shown = pop.run(hop.provider, "cat", f"/sys/class/net/c{hop.circuit}/address").strip()
        lines.append(f"neigh replace {hop.address} lladdr {shown} nud permanent dev {hop.interface}")
        if hop.family is Family.IPV4:
            lines.append(f"addr add {hop.local.ip} peer {hop.address} dev {hop.interface}")
        else:
            lines.append(f"route add {hop.address}/128 dev {hop.interface} proto {KERNEL_PROTOCOL}")
    _batch(host, lines)


@contextlib.contextmanager
def booted_pop(
    folder: Path,
    *,
    amend: Callable[[Intent], Intent] = lambda intent: intent,
    mirrored: bool = True,
    make: Callable[[Path, Inventory, Intent], PopT] = Pop,  # type: ignore[assignment]
) -> Iterator[PopT]:
    """The POP with every session up and the mirror in place. Namespaces and daemons are gone afterwards."""
    inventory = load(example())
    pop = make(folder, inventory, amend(derive_intent(inventory)))
    try:
        _namespaces()
        _wire(inventory)
        for provider in PROVIDERS:
            addresses = ("20.%d.0.1/32", "2a00:%d::1/128")
            number = inventory.provider(provider).id
            _batch(provider, [f"addr add {address % number} dev lo" for address in addresses])
            (folder / f"{provider}.conf").write_text(provider_configuration(inventory, provider, pop.password))
            pop.start(provider)
        for name in (*SWITCHES, *HOSTS):
            apply_items(pop.intent.device(name))
            pop.write(pop.intent.device(name))
            pop.start(name)
        for node in (*SWITCHES, *HOSTS, *PROVIDERS):
            wait_until(lambda node=node: pop.listens(node), what=f"{node} listens")  # type: ignore[misc]
        if mirrored:
            for host in HOSTS:
                mirror(pop, host)
        wait_until(pop.all_up, timeout_s=BOOT_TIMEOUT_S, what="every session is up")
        yield pop
    finally:
        pop.stop_all()
        for node in (*SWITCHES, *HOSTS, *PROVIDERS):
            subprocess.run(["ip", "netns", "del", node], check=False, capture_output=True)
