"""What a transaction needs of a routing daemon, whichever it is.

A further daemon is a module that has a ``Daemon`` and a ``Control``, and a line in ``daemon_of``. Two ways of making a
configuration live are provided for, see ``Daemon.replaces_file``: loading it from beside the file that it will replace
(BIRD, which can take it back by itself), and replacing the file first (a daemon that loads from its own place only).
"""

from __future__ import annotations

from netorch.agent.outcome import Refused, Stop
from netorch.model.conventions import CONFIGURATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Protocol, Sequence, Tuple

    from netorch.model.announced import Announcement
    from netorch.model.types import IPNetwork

    PrefixCounts = Tuple[int, int]
else:
    Protocol = object  # nobody asks at run time, and importing typing takes longer than a call on a device


VERSION_TIMEOUT_S = 10.0


class DaemonAbsent(Stop):
    """The daemon does not run: nothing of it."""


class DaemonSilent(Stop):
    """The daemon runs but does not answer, or stopped in the middle of an answer, or lacks a part of it that netorch needs."""


class DaemonRefused(Stop):
    """The daemon answered with an error, or does not have live what it was given."""


class ShortProtocol:
    """A protocol instance in short, as ``model.state.Protocol`` has it. ``bgp_state`` None: it is no BGP session.

    ``error`` is the last error, "" for none. ``is_closed`` is true of a BGP session that is down by the configuration's or
    somebody's will; one that merely fails, or that the daemon took down itself, is not closed.
    """

    __slots__ = ("bgp_state", "error", "info", "is_closed", "name", "protocol", "since", "state", "table")

    def __init__(
        self,
        name: str,
        protocol: str,
        *,
        table: Optional[str],
        state: str,
        since: Optional[str],
        info: Optional[str],
        bgp_state: Optional[str],
        error: str,
        is_closed: bool,
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.table = table
        self.state = state
        self.since = since
        self.info = info
        self.bgp_state = bgp_state
        self.error = error
        self.is_closed = is_closed


def short_neighbours(neighbours: Iterable[Any]) -> List[ShortProtocol]:
    """Neighbours of RIP and OSPF, each a ``model.state.Protocol``, in short. None of them can be closed."""
    return [
        ShortProtocol(
            one.name,
            one.protocol,
            table=None,
            state=one.state or "start",
            since=None,
            info=one.info,
            bgp_state=None,
            error="",
            is_closed=False,
        )
        for one in neighbours
    ]


class Control(Protocol):
    """A connection to a running daemon; a context manager. Every call has a deadline of its own.

    Any method may raise DaemonSilent and DaemonRefused. ``version`` is what runs.
    """

    version: str

    def __enter__(self) -> Control: ...

    def __exit__(self, *_: object) -> None: ...

    def live_stamp(self) -> Optional[str]:
        """The stamp of the configuration that is live; None where it has none."""

    def live_lines(self, live: Optional[str]) -> Optional[List[Dict[str, Any]]]:
        """What runs otherwise than in the file that it was loaded from, since somebody typed it: the JSON of
        ``facts.LineChange``, without secrets. None from a daemon that does not tell what it runs. ``live`` is what
        ``live_stamp`` has just said."""

    def last_reconfiguration(self) -> Optional[str]:
        """When the live configuration was loaded, in the router's local time; None where the daemon does not know."""

    def short_protocols(self) -> List[ShortProtocol]:
        """Every protocol instance in short, and neighbours of RIP and OSPF as if they were some: ``ospf_v4:eth0``."""

    def full_protocols(self) -> List[Dict[str, Any]]:
        """The same as the JSON of ``model.state.Protocol``."""

    def count_prefixes(self) -> Dict[str, Dict[str, PrefixCounts]]:
        """How many prefixes each session has accepted, and how many it announces, by its name and family (``ipv4``, ``ipv6``)."""

    def validators(self, origins: Sequence[Tuple[str, int]]) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
        """The validators that it asks, each the JSON of ``model.sources.ValidatorFacts``, and what they say of ``origins``,
        prefixes with the AS number that announces them, each the JSON of ``OriginFacts``."""

    def announced(self, session: str, family: str, *, asn: int, own: Tuple[IPNetwork, ...]) -> Tuple[Announcement, ...]:
        """What an Established session announces of ``family`` (``ipv4``) inside ``own``, our AS number being ``asn``.

        Raises ParseError and DeviceError for an answer that is of no release known.
        """

    def load(self, path: str, *, stamp: str, undo_after_s: float) -> None:
        """Make the configuration ``path`` live, and wait until it is: what is live afterwards has ``stamp``.

        A daemon that can take it back by itself does so after ``undo_after_s`` unless it is confirmed.
        """

    def confirm(self, *, stamp: str) -> str:
        """Make the loaded configuration stay; why it cannot, "" where it does."""

    def reload(self) -> None:
        """Make the file on disk live, and wait until it is."""

    def shut_down(self) -> None:
        """Let the daemon end."""

    def undo(self, *, candidate: Optional[str], before: Optional[str], reload: bool) -> List[str]:
        """Make live again what was before the change; remarks on how it went.

        ``candidate`` and ``before`` are stamps, ``candidate`` None for a change that loaded nothing. The file on disk is the last
        good one by now. ``reload``: it had been changed by somebody else meanwhile, so only the file is known to be good.
        """

    def close_session(self, session: str, message: str) -> None:
        """Close a session and tell its neighbour why; nothing for one that is not there or is closed."""

    def open_session(self, session: str) -> None:
        """Let a session start that was closed by hand; nothing for one that is not there or is open."""

    def read_kernel(self) -> None:
        """Let the daemon notice at once what was changed in the kernel's addresses and routes."""

    def kernel_writers(self) -> Dict[str, str]:
        """What of the daemon writes routes into the kernel, by name, with since when it runs: one that starts anew may take
        some seconds until the kernel's table is right again."""


def said_of_version(program: str) -> str:
    """What a program prints of its version; "" where it cannot be started, or gives no answer."""
    import subprocess

    command = [program, "--version"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (run.stdout + run.stderr).strip()  # BIRD says it on standard error


class Daemon(Protocol):
    """A routing daemon on this device.

    ``name`` is the inventory's (``bird``), ``title`` what people call it, ``unit`` its systemd unit, ``path`` its main
    configuration. ``replaces_file`` tells that a candidate is put in that place before it is live (and the last good one put back
    there before it is made live again); otherwise it is loaded from beside it, and the file replaced upon confirmation.
    ``placed_first`` are files of its own that say which of its programs run: they are put in place before the configuration is
    loaded, and ``renew`` and ``match_programs`` are called; the latter also when they have been put back. ``start_timeout_s``
    is how long it may take to come up with its configuration.
    """

    name: str
    title: str
    unit: str
    path: str
    replaces_file: bool
    placed_first: Tuple[str, ...]
    start_timeout_s: float

    def stamp_of(self, text: str) -> Optional[str]:
        """The stamp that a configuration carries."""

    def installed_version(self) -> Optional[str]:
        """The version that is installed, for a daemon that does not run; None for none, or one that does not tell it."""

    def refuse_manager(self) -> None:
        """Raise Refused where somebody else is in charge of its files: a switch's own manager."""

    def validate(self, candidate: str, *, path: str, text: str) -> None:
        """Let a process of its own read the file ``candidate``, which holds ``text`` and will be ``path``.

        Raises Refused with the daemon's complaint, in which no secret is shown.
        """

    def speaks(self) -> bool:
        """Whether any of its programs runs that has routes from others, whatever the inventory says is here."""

    def match_programs(self) -> None:
        """Have those of its programs run that its files ask for, and no others, unless none runs; DaemonSilent."""

    def renew(self) -> Tuple[str, ...]:
        """Start anew what was not started as its files ask for, where nobody's traffic hangs on it; then what
        ``started_without`` says. DaemonSilent."""

    def started_without(self) -> Tuple[str, ...]:
        """In words, what its files ask for, and takes effect only when a program that runs is started anew."""

    def connect(self) -> Control:
        """A connection; DaemonAbsent, DaemonSilent."""


def daemon_of(name: str) -> Daemon:
    """The daemon called ``name`` in the inventory."""
    if name == "bird":
        from netorch.agent.bird_daemon import BirdDaemon

        return BirdDaemon()
    if name == "frr":
        from netorch.agent.frr_daemon import FrrDaemon

        return FrrDaemon()
    raise Refused(f"this agent cannot work with the daemon {name!r}", hint="supported: bird, frr")


def other_speaker(daemon: Daemon) -> Optional[Daemon]:
    """Another routing daemon than ``daemon`` that speaks here."""
    others = (daemon_of(name) for name in CONFIGURATIONS if name != daemon.name)
    return next((other for other in others if other.speaks()), None)


def refuse_beside(daemon: Daemon, other: Optional[Daemon]) -> None:
    """Raise Refused where ``daemon`` is about to be started and the ``other_speaker`` is there: both would want one port, and
    write the same routes."""
    if other is not None:
        hint = f"end it first: systemctl disable --now {other.unit}; its sessions close, so drain the device before"
        raise Refused(f"{other.title} runs here: expected no other routing daemon beside {daemon.title}", hint=hint)


def no_longer_live(title: str, live: Optional[str], *, wanted: str) -> str:
    """That the change is not live any more, in words."""
    found = f"({live or 'no stamp'}, expected {wanted})"
    return (
        f"the live configuration is no longer the one that was applied {found}: somebody reloaded or restarted {title}"
    )


def restore_closed(control: Control, closed: Tuple[str, ...]) -> None:
    """Close exactly the sessions ``closed``; an open one is closed without a word to its neighbour."""
    for found in control.short_protocols():
        if found.is_closed and found.name not in closed:
            control.open_session(found.name)
        elif found.protocol == "BGP" and not found.is_closed and found.name in closed:
            control.close_session(found.name, "")
