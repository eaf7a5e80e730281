"""What a device reports of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from netorch.model.announced import SessionAnnouncements
from netorch.model.certificate import CertificateFacts
from netorch.model.items import Item
from netorch.model.overlay import OverlayEntry
from netorch.model.sources import OriginFacts, ValidatorFacts
from netorch.model.state import Protocol
from netorch.model.types import Family, IPAddress, Mac


@dataclass(frozen=True)
class LineChange:
    """A line that somebody typed into a running daemon (``sign`` ``-``: loading its file takes it away), or took away there
    (``+``: loading puts it back). ``line`` begins with the lines that it stands in; secrets are cut off."""

    sign: str
    line: Tuple[str, ...]


@dataclass(frozen=True)
class Obstacle:
    """Why a device would refuse another configuration of its daemon now, and what to do about it."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class OtherDaemon:
    """Another routing daemon than the inventory's, which runs: its name (``frr``), and its BGP sessions that are not closed."""

    name: str
    sessions: Tuple[str, ...] = ()


@dataclass(frozen=True)
class DaemonFacts:
    """The routing daemon. Stamps are those of the configuration that is live, and of the file on disk; None where there
    is none. ``protocols`` is () when the daemon does not run. ``live_lines`` is what runs otherwise than in the file; None where
    the daemon does not tell what it runs. ``obstacle`` None: nothing keeps netorch from configuring it. ``other`` is looked for
    while the daemon does not run. ``started_without`` says in words what its files ask for, and takes effect only when it is
    started anew.
    """

    name: str
    version: Optional[str]
    running: bool
    live_stamp: Optional[str]
    disk_stamp: Optional[str]
    last_reconfiguration: Optional[str] = None
    protocols: Tuple[Protocol, ...] = ()
    live_lines: Optional[Tuple[LineChange, ...]] = None
    obstacle: Optional[Obstacle] = None
    other: Optional[OtherDaemon] = None
    started_without: Tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFact:
    """A file that netorch owns or is about to: ``text`` is None when it does not exist."""

    path: str
    sha256: Optional[str]
    mode: Optional[int]
    text: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class Neighbour:
    """An ARP or ND entry as the kernel has it; ``state`` in the kernel's words, lower case (``reachable``, ``failed``)."""

    family: Family
    interface: str
    address: IPAddress
    mac: Optional[Mac]
    state: str
    protocol: int = 0


@dataclass(frozen=True)
class Link:
    """An interface and its counters since it came up. ``mac_follows_ports``: a bridge without a MAC that somebody set, whose
    own is one of its ports' and changes when ports come and go. ``vlan``: the VLAN that it is of the interface ``vlan_on``."""

    name: str
    mac: Optional[Mac]
    up: bool
    carrier: bool
    alias: str
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int
    mac_follows_ports: bool = False
    vlan: Optional[int] = None
    vlan_on: str = ""


@dataclass(frozen=True)
class RouteCount:
    """How many routes one kernel table holds."""

    family: Family
    table: int
    routes: int


@dataclass(frozen=True)
class MirrorFeed:
    """A host's connection to one switch's feed, ``age_s`` after it came up or was lost; ``error`` says why it is down."""

    switch: str
    interface: str
    up: bool
    age_s: Optional[float] = None
    address: Optional[str] = None
    error: str = ""
    messages: int = 0
    resyncs: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class MirrorEntry:
    """A provider's address as an agent has it. ``state``: on a switch the kernel's word; on a host ``mirrored``, ``kept`` (its
    switch cannot tell, what is there stays), ``held_down``, ``refused`` or ``unresolved``. The kernel has had this MAC for
    ``age_s``."""

    address: IPAddress
    interface: str
    provider: str
    circuit: int
    mac: Optional[Mac]
    state: str
    switch: str = ""
    reason: str = ""
    age_s: Optional[float] = None
    changes: int = 0


@dataclass(frozen=True)
class MirrorSubscriber:
    """A host that a switch's agent tells of changes."""

    host: str
    address: str
    age_s: Optional[float] = None
    sent: int = 0


@dataclass(frozen=True)
class AgentFacts:
    """A mirror agent that is meant to run here: ``feed`` on a switch, ``mirror`` on a host. ``alive``: it wrote its status
    within the last seconds. ``agent`` is the version that it runs, "" where it never said; ``problem`` what is wrong with its
    settings or certificates."""

    service: str
    alive: bool
    agent: str = ""
    age_s: Optional[float] = None
    running_s: Optional[float] = None
    problem: str = ""
    memory_bytes: Optional[int] = None
    cpu_s: Optional[float] = None
    counters: Mapping[str, int] = field(default_factory=dict)
    feeds: Tuple[MirrorFeed, ...] = ()
    entries: Tuple[MirrorEntry, ...] = ()
    subscribers: Tuple[MirrorSubscriber, ...] = ()

    def feed(self, switch: str) -> Optional[MirrorFeed]:
        """The connection to ``switch``."""
        return next((feed for feed in self.feeds if feed.switch == switch), None)

    def entry(self, interface: str, address: IPAddress) -> Optional[MirrorEntry]:
        """The entry of ``address`` on ``interface``."""
        return next((e for e in self.entries if (e.interface, e.address) == (interface, address)), None)


@dataclass(frozen=True)
class Pending:
    """A change that waits for its confirmation. ``remaining_s`` is what was left when the facts were taken. ``replaced``: the
    daemon runs another configuration than the one that waits, since somebody reloaded or restarted it."""

    id: str
    author: str
    since: float
    remaining_s: float
    replaced: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Undone:
    """A change that did not stay: who began it, when it was undone (seconds since the epoch), and why."""

    id: str
    author: str
    time: float
    reason: str


@dataclass(frozen=True)
class ConfirmedFile:
    """A file as its generation has it; ``stamp`` None for one that carries none."""

    path: str
    sha256: str
    stamp: Optional[str] = None


@dataclass(frozen=True)
class Confirmed:
    """What the last confirmed generation holds: what the device ought to have, as far as the device itself knows. ``items``
    are those of the kernel. ``author`` and ``reason`` are those of its change."""

    files: Tuple[ConfirmedFile, ...] = ()
    items: Tuple[Item, ...] = ()
    author: str = ""
    reason: str = ""

    def file(self, path: str) -> Optional[ConfirmedFile]:
        """The file ``path`` of the generation."""
        return next((file for file in self.files if file.path == path), None)


@dataclass(frozen=True)
class DeviceFacts:
    """Everything that a device reported in one go.

    ``items`` are the kernel items, overlay entries and closed sessions that netorch owns there, plus the present values
    of the sysctls and aliases that were asked for. ``base`` digests the owned state: a plan made from these facts is
    applied only while it is still the same (counters do not count). ``confirmed`` None: no generation has been confirmed.
    ``undone`` None: nothing was since that one. ``certificate`` None: it has none, or was not asked. ``links_at_s``: when the
    counters of ``links`` were read, in seconds of the device's own, which never step; None where they were not. ``announced``
    None: what it announces was not asked.
    """

    device: str
    agent: str
    base: str
    generation: int
    daemon: DaemonFacts
    files: Tuple[FileFact, ...] = ()
    items: Tuple[Item, ...] = ()
    overlay: Tuple[OverlayEntry, ...] = ()
    neighbours: Tuple[Neighbour, ...] = ()
    links: Tuple[Link, ...] = ()
    route_counts: Tuple[RouteCount, ...] = ()
    pending: Optional[Pending] = None
    confirmed: Optional[Confirmed] = None
    undone: Optional[Undone] = None
    agents: Tuple[AgentFacts, ...] = ()
    certificate: Optional[CertificateFacts] = None
    links_at_s: Optional[float] = None
    validators: Tuple[ValidatorFacts, ...] = ()
    origins: Tuple[OriginFacts, ...] = ()
    announced: Optional[Tuple[SessionAnnouncements, ...]] = None

    def announced_by(self, session: str) -> Optional[SessionAnnouncements]:
        """What the neighbour of ``session`` hears; None where the device does not tell."""
        return next((found for found in self.announced or () if found.session == session), None)

    def agent_of(self, service: str) -> Optional[AgentFacts]:
        """The mirror agent ``service``; None where none is meant to run."""
        return next((agent for agent in self.agents if agent.service == service), None)

    def protocol(self, name: str) -> Optional[Protocol]:
        """The daemon's protocol called ``name``."""
        return next((protocol for protocol in self.daemon.protocols if protocol.name == name), None)

    def validator(self, address: IPAddress, port: int) -> Optional[ValidatorFacts]:
        """The validator that listens there."""
        return next((one for one in self.validators if (one.address, one.port) == (address, port)), None)

    def link(self, name: str) -> Optional[Link]:
        """The interface called ``name``."""
        return next((link for link in self.links if link.name == name), None)
