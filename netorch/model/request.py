"""What controller and agent say to each other: JSON documents of these shapes on standard input and output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from netorch.model.announced import AnnouncedQuery
from netorch.model.certificate import CertificateFacts
from netorch.model.facts import ConfirmedFile, DeviceFacts
from netorch.model.items import Item
from netorch.model.plan import Check, CheckResult, Operation
from netorch.model.rejected import RejectedAnswer
from netorch.model.trace import InsideAnswer, TraceAnswer, TrafficAnswer
from netorch.model.types import IPAddress


@dataclass(frozen=True)
class FactsRequest:
    """``files`` are paths whose content is wanted, ``sysctls`` names whose values are, ``aliases`` interfaces.
    ``wants`` holds the costly parts: ``neighbours``, ``links``, ``route_counts``, ``certificate``, ``protocols`` (each in
    full; without it a protocol has its name, table, state, since, info and BGP state only), ``announced`` (what the query
    ``announced`` asks).
    """

    device: str
    daemon: str
    files: Tuple[str, ...] = ()
    sysctls: Tuple[str, ...] = ()
    aliases: Tuple[str, ...] = ()
    wants: Tuple[str, ...] = ()
    announced: Optional[AnnouncedQuery] = None


@dataclass(frozen=True)
class ApplyRequest:
    """One transaction. ``facts`` says how ``base`` was taken, so that the agent can take it again before it changes
    anything; ``sha256`` holds the hash of each file's text in the order of ``operations``. The device keeps its last
    ``keep_generations``, this one included."""

    id: str
    facts: FactsRequest
    base: str
    generation: int
    operations: Tuple[Operation, ...]
    sha256: Tuple[str, ...]
    check: Check
    confirm_timeout_s: float
    author: str
    reason: str = ""
    commit: str = ""
    keep_generations: int = 10


@dataclass(frozen=True)
class DecideRequest:
    """Confirm or revert the pending change ``id``."""

    id: str
    author: str


@dataclass(frozen=True)
class GenerationRequest:
    """What the generation ``number`` holds."""

    number: int


@dataclass(frozen=True)
class PingRequest:
    """ICMP echo from this device to ``destination`` with each of ``marks`` at the same time, from ``source`` (None: as
    the kernel chooses); ``count`` packets per mark, ``interval_s`` apart, each waited for ``timeout_s``.
    """

    destination: IPAddress
    marks: Tuple[int, ...]
    source: Optional[IPAddress] = None
    count: int = 5
    interval_s: float = 0.2
    timeout_s: float = 2.0


@dataclass(frozen=True)
class PingSeries:
    """The echoes of one mark: round-trip times in the order sent, None for what was lost; ``error`` is the kernel's,
    such as ``Network is unreachable``, when nothing could be sent.
    """

    mark: int
    rtts_ms: Tuple[Optional[float], ...]
    error: str = ""


@dataclass(frozen=True)
class PingAnswer:
    """One series for each mark of the request, in its order."""

    series: Tuple[PingSeries, ...]


@dataclass(frozen=True)
class PingWay:
    """Packets to ``destination`` with ``mark``, from ``source`` (None: as the kernel chooses)."""

    destination: IPAddress
    mark: int
    source: Optional[IPAddress] = None


@dataclass(frozen=True)
class PingWatch:
    """``count`` packets (0: until the connection ends) by each of ``ways`` at the same time, ``interval_s`` apart, each waited
    for ``timeout_s``: ICMP echo, or a connection to ``tcp_port``. What becomes of them is told in batches while it goes on."""

    ways: Tuple[PingWay, ...]
    count: int
    interval_s: float
    timeout_s: float = 2.0
    tcp_port: Optional[int] = None


@dataclass(frozen=True)
class PingBatch:
    """What has become known since the last one; ways by their place in the PingWatch, times in milliseconds since its start.

    ``samples`` are (way, sent, round-trip time; None for what was lost). ``changes`` are (way, time, reason): from then on
    nothing is sent by that way, for that reason of the kernel's; "": packets are sent again."""

    at_ms: float
    samples: Tuple[Tuple[int, float, Optional[float]], ...] = ()
    changes: Tuple[Tuple[int, float, str], ...] = ()


@dataclass(frozen=True)
class ExecRequest:
    """Run ``command``, words without a shell, with ``mark`` on all of its sockets: that of ``provider``."""

    provider: str
    mark: int
    command: Tuple[str, ...]


@dataclass(frozen=True)
class Generation:
    """A confirmed change that the device keeps. ``confirmed`` is seconds since the epoch; ``operations`` and ``files`` count
    and name what it changed."""

    number: int
    id: str
    author: str
    confirmed: float
    reason: str = ""
    commit: str = ""
    operations: int = 0
    files: Tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredGeneration:
    """A generation with all that the device held once it was confirmed: files with their texts, and kernel items. The overlay,
    and the sessions that it closes, are no part of it.
    """

    generation: Generation
    items: Tuple[Item, ...] = ()


@dataclass(frozen=True)
class Proof:
    """What was read back of a change once it was confirmed: the stamp that is live (None where the change loaded nothing, or
    none can be read), and its files as they are on disk, in the order of the change; ``sha256`` "" for one that is not there.
    """

    live_stamp: Optional[str] = None
    files: Tuple[ConfirmedFile, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The agent's answer. ``outcome``: ``facts``, ``ping``, ``trace``, ``inside``, ``traffic``, ``rejected``, ``exec``
    (with its exit ``status``), ``history`` (newest first), ``generation`` (in ``stored``), ``csr`` (a certificate signing request
    as PEM; "" where the device cannot make a key, and ``message`` why), ``certified``, ``recovered``, ``pending`` (applied,
    checks passed, waits for its confirmation), ``confirmed`` (with its ``proof``), ``reverted``, ``refused`` (nothing changed),
    ``outdated`` (nothing changed: it is not what the change was planned from), ``locked`` (nothing changed: someone else is at
    work), ``failed``, or ``unknown`` (the device finds out by itself);
    ``message`` says why, in the daemon's own words where it has any. ``notes`` are remarks on what was done.
    """

    outcome: str
    message: str = ""
    hint: str = ""
    generation: int = 0
    facts: Optional[DeviceFacts] = None
    ping: Optional[PingAnswer] = None
    checked: Optional[CheckResult] = None
    history: Tuple[Generation, ...] = ()
    stored: Optional[StoredGeneration] = None
    notes: Tuple[str, ...] = ()
    proof: Optional[Proof] = None
    csr: str = ""
    certificate: Optional[CertificateFacts] = None
    trace: Optional[TraceAnswer] = None
    traffic: Optional[TrafficAnswer] = None
    inside: Optional[InsideAnswer] = None
    rejected: Optional[RejectedAnswer] = None
    status: int = 0
