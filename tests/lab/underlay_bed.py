"""Three routers in a ring, each with a LAN, with any daemon on each: an underlay without a controller."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.intent import DeviceIntent
from netorch.model.inventory import Inventory, Router
from netorch.model.types import Family, IPAddress
from netorch.render import TemplateSource, render_for, seal
from tests.golden.write import underlay_inventory
from tests.lab.frr_node import FrrNode, frr_node
from tests.lab.labs import own_network
from tests.lab.lone_bird import start_bird

STRANGE = {Family.IPV4: "10.99.{}.1/24", Family.IPV6: "fd99:{}::1/64"}
"""What the LAN of each router, by its number, has beside the addresses of the inventory."""

FRR_DAEMONS = {"rip": ("ripd", "ripngd"), "ospf": ("ospfd", "ospf6d"), "bgp": ()}


@dataclass
class Bed:
    """The routers of one POP. ``releases`` gives daemon and version of each, ``folder`` has BIRD's files."""

    folder: Path
    inventory: Inventory
    devices: Mapping[str, DeviceIntent]
    releases: Mapping[str, tuple[str, str]]
    frr: dict[str, FrrNode] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The configuration of a router, as its daemon gets it."""
        can = capabilities_of(*self.releases[name])
        assert can is not None
        main = render_for(can, self.devices[name], templates=TemplateSource(read_templates()))[0]
        return seal(main.text, lambda _: "no secrets here", daemon=can.daemon)

    def run(self, name: str, *argv: str) -> str:
        """Standard output of ``argv`` in a router's network."""
        command = ["ip", "netns", "exec", name, *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name}: {argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def reaches(self, name: str, source: IPAddress, destination: IPAddress) -> bool:
        """Whether one ping from an address of a router is answered within two seconds."""
        ping = ["ping", "-n", "-c", "1", "-W", "2", "-I", str(source), str(destination)]
        done = subprocess.run(["ip", "netns", "exec", name, *ping], capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    def birdc(self, name: str, command: str) -> str:
        """What the BIRD of a router answers."""
        return self.run(name, "birdc", "-s", str(self.folder / f"{name}.ctl"), *command.split())

    def routes(self, name: str, family: Family) -> dict[str, set[str]]:
        """The interfaces that each prefix of the main table leads out of, of what a daemon has put there."""
        found: dict[str, set[str]] = {}
        for route in json.loads(self.run(name, "ip", "-j", f"-{family.number}", "route", "show", "table", "main")):
            if route.get("protocol") not in ("kernel", "boot"):
                hops = route.get("nexthops", [route])
                found.setdefault(route["dst"], set()).update(hop["dev"] for hop in hops)
        return found


def router(bed: Bed, name: str) -> Router:
    """A router as the inventory has it."""
    found = bed.inventory.device(name)
    assert isinstance(found, Router)
    return found


def changed(inventory: Inventory, releases: Mapping[str, tuple[str, str]], *, unnumbered: tuple[str, ...]) -> Inventory:
    """The inventory with daemon and version of ``releases``, and with the interfaces ``unnumbered`` without addresses."""

    def other(device: Router) -> Router:
        short = device.name.partition(".")[0]
        daemon, version = releases.get(device.name, (device.daemon, device.version))
        return replace(
            device,
            daemon=daemon,
            version=version,
            interfaces=tuple(
                replace(one, ipv4=None, ipv6=None) if f"{short}:{one.name}" in unnumbered else one
                for one in device.interfaces
            ),
        )

    return replace(
        inventory, pops=tuple(replace(pop, routers=tuple(map(other, pop.routers))) for pop in inventory.pops)
    )


@contextmanager
def underlay_bed(
    folder: Path, pop: str, releases: Mapping[str, tuple[str, str]], *, unnumbered: tuple[str, ...] = ()
) -> Iterator[Bed]:
    """The routers of ``pop``, each with its daemon, for the time of the block; nothing has been waited for but the daemons. The
    interfaces ``unnumbered`` (``r1:to3``) have no addresses."""
    inventory = changed(underlay_inventory(), releases, unnumbered=unnumbered)
    devices = {device.name: device for device in derive_intent(inventory).devices if device.pop == pop}
    bed = Bed(folder, inventory, devices, releases)
    with ExitStack() as stack:
        stack.enter_context(own_network())
        for name in devices:
            _make_node(bed, name)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        for name in devices:
            _connect(bed, name)
        for name in devices:
            _start(bed, name, stack)
        yield bed


def _make_node(bed: Bed, name: str) -> None:
    subprocess.run(["ip", "netns", "add", name], check=True)
    for interface in router(bed, name).interfaces:
        if interface.link is None:
            bed.run(name, "ip", "link", "add", interface.name, "type", "veth", "peer", "name", f"{interface.name}.far")
            bed.run(name, "ip", "link", "set", f"{interface.name}.far", "up")
    settings = ["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"]
    settings += [
        f"{key.replace('/', '.')}={value}" for key, value in bed.devices[name].sysctls if ".conf.to" not in key
    ]
    bed.run(name, "sysctl", "-qw", *(setting for setting in settings if ".lan0." not in setting))
    bed.run(name, "ip", "link", "set", "lo", "up")


def _connect(bed: Bed, name: str) -> None:
    for interface in router(bed, name).interfaces:
        link = interface.link
        if link is not None and (name, interface.name) < (link.router, link.interface):
            pair = ("type", "veth", "peer", "name", link.interface, "netns", link.router)
            bed.run(name, "ip", "link", "add", interface.name, *pair)
    for interface in router(bed, name).interfaces:
        for own in (interface.ipv4, interface.ipv6):
            if own is not None:
                bed.run(name, "ip", "address", "add", str(own), "dev", interface.name)
        bed.run(name, "ip", "link", "set", interface.name, "up")
    for address in STRANGE.values():
        bed.run(name, "ip", "address", "add", address.format(name[1]), "dev", "lan0")


def _start(bed: Bed, name: str, stack: ExitStack) -> None:
    daemon, version = bed.releases[name]
    text = bed.text(name)
    (bed.folder / f"{name}.conf").write_text(text)
    if daemon == "frr":
        bed.frr[name] = stack.enter_context(frr_node(name, version))
        underlay = bed.devices[name].underlay
        assert underlay is not None
        bed.frr[name].start(text, also=FRR_DAEMONS[underlay.protocol])
        return
    process = stack.enter_context(start_bird(name, bed.folder, name, version=version))
    stack.callback(process.kill)
