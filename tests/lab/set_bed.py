"""A switch, a host and a router of every release of BIRD, each with a neighbour of its own that says the same all the time."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

from netorch.agent.bird import stamp_of
from netorch.agent.bird_daemon import BirdControl
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import RELEASES, Capabilities
from netorch.model.intent import DeviceIntent, Session
from netorch.model.types import Family
from netorch.render import TemplateSource, render_for, seal
from tests.golden.write import underlay_inventory
from tests.lab.labs import own_network
from tests.lab.lone_bird import start_bird
from tests.unit.inventory_texts import example, load
from tests.waiting import wait_until

SESSIONS = {
    "switch": ("northtel_1_v4", "northtel_1_v6", "h1_v4", "h1_v6"),
    "host": ("sw1_v4", "sw1_v6"),
    "router": ("r2_to2_v4", "r2_to2_v6"),
}
"""What each device is left of its sessions; all of them lead to its neighbour."""
NODES = {
    f"{role}-{can.release}": (role, can)
    for can in RELEASES
    for role in SESSIONS
    if can.daemon == "bird" and can.has_templates_for(role)
}
TEMPLATES = TemplateSource(read_templates())

_FAR = """log stderr all;
router id 198.51.100.250;
protocol device {{ }}
{sessions}
"""
_SESSION = """
{family} table t_{name};
protocol static s_{name} {{
    {family} {{ table t_{name}; }};
{routes}
}}
protocol bgp {name} {{
    local {neighbor} as {peer_asn};
    neighbor {local} as {asn};
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
    {family} {{ table t_{name}; import all; export where source = RTS_STATIC; next hop self; }};
}}
"""


def device_of(role: str) -> DeviceIntent:
    """The device of that role before anything is changed, without BFD."""
    intent = derive_intent(underlay_inventory() if role == "router" else load(example()))
    device = intent.device({"switch": "sw1.pop1", "host": "h1.pop1", "router": "r1.bgp"}[role])
    sessions = {session.name: replace(session, bfd=False) for session in device.sessions}
    return replace(device, sessions=tuple(sessions[name] for name in SESSIONS[role]))


@dataclass(frozen=True)
class Node:
    """A device of one release in the network namespace ``name``, its neighbour in NAME-far; ``folder`` has their files."""

    name: str
    folder: Path
    device: DeviceIntent
    can: Capabilities

    @property
    def far(self) -> str:
        """Its neighbour."""
        return f"{self.name}-far"

    def text(self, device: DeviceIntent) -> str:
        """The configuration of ``device``, as this node's release gets it."""
        (file,) = render_for(self.can, device, templates=TEMPLATES)
        return seal(file.text, lambda _: "no secrets here", daemon="bird")

    def load(self, device: DeviceIntent) -> None:
        """Let BIRD run the configuration of ``device``, with nothing but ``configure``."""
        text = self.text(device)
        (self.folder / f"{self.name}.conf").write_text(text)
        with self.control(self.name) as control:
            control.reload()
            assert control.live_stamp() == stamp_of(text), "the daemon runs something else"

    def control(self, name: str) -> BirdControl:
        """A connection to a BIRD's socket."""
        return BirdControl(path=str(self.folder / f"{name}.ctl"))

    def accepted(self, session: str) -> set[str]:
        """Prefixes that the device has taken of its neighbour."""
        return self._shown(self.name, f"protocol {session}")

    def first_choice(self, session: str) -> set[str]:
        """Those of them that nothing comes before."""
        return self._shown(self.name, f"where bgp_local_pref = 4294967295 protocol {session}")

    def heard(self, session: str) -> set[str]:
        """Prefixes that the neighbour has taken of the device."""
        return self._shown(self.far, f"table t_{session} protocol {session}")

    def installed(self, session: str) -> set[str]:
        """Prefixes that the device's kernel has of BIRD, of the session's family."""
        self._wake()
        number = session[-1]
        command = ["ip", "-n", self.name, "-j", f"-{number}", "route", "show", "proto", "bird"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {str(ip_network(route["dst"])) for route in json.loads(done.stdout or "[]")}

    def is_up(self) -> bool:
        """Whether all of its sessions are."""
        with self.control(self.name) as control:
            shown = "\n".join(control.ask("show protocols").lines)
        return shown.count("Established") == len(self.device.sessions)

    def _wake(self) -> None:
        """A BIRD that nobody asks anything puts some of its work off for 3 s, such as to send its routes anew."""
        for name in (self.name, self.far):
            with self.control(name) as control:
                control.ask("show status")

    def _shown(self, name: str, query: str) -> set[str]:
        self._wake()
        with self.control(name) as control:
            shown = "\n".join(control.ask(f"show route {query}").lines)
        return set(re.findall(r"^(\S+/\d+) ", shown, re.MULTILINE))


@contextmanager
def set_bed(folder: Path, announced: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, Node]]:
    """Every node by its name, with its sessions up. ``announced`` is what neighbours say over each session, as static routes of
    theirs without ``route`` and ``blackhole``: a prefix, and what is done to it."""
    nodes = {name: Node(name, folder, device_of(role), can) for name, (role, can) in NODES.items()}
    with ExitStack() as stack:
        stack.enter_context(own_network())
        for node in nodes.values():
            _wire(node, stack)
            (folder / f"{node.name}.conf").write_text(node.text(node.device))
            (folder / f"{node.far}.conf").write_text(_far(node, announced))
            for name, version in ((node.far, "2.0.12"), (node.name, node.can.release)):
                process = stack.enter_context(start_bird(name, folder, name, version=version))
                stack.callback(process.kill)
        wait_until(lambda: all(node.is_up() for node in nodes.values()), timeout_s=60, what="every session is up")
        yield nodes


def _far(node: Node, announced: Mapping[str, tuple[str, ...]]) -> str:
    def said(session: Session) -> str:
        lines = (line.partition(" ") for line in announced.get(session.name, ()))
        return "\n".join(f"    route {prefix} blackhole {{ {more} }};" for prefix, _, more in lines)

    sessions = [
        _SESSION.format(
            family=one.family.value,
            name=one.name,
            routes=said(one),
            neighbor=one.neighbor,
            local=one.local,
            peer_asn=one.peer_asn,
            asn=node.device.asn,
        )
        for one in node.device.sessions
    ]
    return _FAR.format(sessions="".join(sessions))


def _wire(node: Node, stack: ExitStack) -> None:
    interface = node.device.sessions[0].interface
    for name in (node.name, node.far):
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "delete", name)
        quiet = "net.ipv6.conf.default.accept_dad=0"  # duplicate detection would cost a second per address
        _ip("netns", "exec", name, "sysctl", "-qw", quiet)
    _ip("link", "add", interface, "netns", node.name, "type", "veth", "peer", "name", "far", "netns", node.far)
    for name, device in ((node.name, "lo"), (node.name, interface), (node.far, "far")):
        _ip("-n", name, "link", "set", device, "up")
    for session in node.device.sessions:
        length = 24 if session.family is Family.IPV4 else 64
        for name, address, device in ((node.name, session.local, interface), (node.far, session.neighbor, "far")):
            _ip("-n", name, "address", "replace", f"{address}/{length}", "dev", device)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
