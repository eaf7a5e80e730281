"""Everything that a plugin may use; the only module of netorch that plugins import.

A plugin is a value, ``PLUGIN = Plugin(...)``: pure functions that look at the intent and the facts, and verbs that tell
the core what to do, step by step. The core gathers facts, executes operations and prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Generator, Mapping, Optional, Tuple, Union

from netorch.errors import GuardRefused, NetorchError, PluginError, UsageError
from netorch.model.announced import Announcement, SessionAnnouncements, own_path
from netorch.model.communities import WELL_KNOWN
from netorch.model.curve import Curve
from netorch.model.facts import (
    AgentFacts,
    DaemonFacts,
    DeviceFacts,
    FileFact,
    Link,
    MirrorEntry,
    MirrorFeed,
    Neighbour,
    RouteCount,
)
from netorch.model.intent import (
    CIRCUIT_COMMUNITY,
    PROVIDER_COMMUNITY,
    DeviceIntent,
    ExportPolicy,
    ImportPolicy,
    Intent,
    Interface,
    NextHop,
    PrefixExport,
    ProviderTable,
    Session,
    StaticHop,
    StaticRoute,
    Steer,
    provider_ids,
)
from netorch.model.inventory import Action, Circuit, Host, Inventory, Pop, Provider, Switch, WrongSetting
from netorch.model.items import (
    AddressItem,
    AliasItem,
    ClosedSessionItem,
    FileItem,
    Item,
    NeighbourItem,
    OverlayItem,
    PeerItem,
    RouteItem,
    RuleItem,
    ServiceItem,
    SysctlItem,
)
from netorch.model.measures import CountRoutes, MeasureTraffic, RoutesInside
from netorch.model.overlay import Overlay, OverlayEntry, behind, merge_overlays
from netorch.model.sources import OriginFacts, ValidatorFacts
from netorch.model.state import Channel, Protocol
from netorch.model.text import counted, did_you_mean, one_line, rate_text, utc_text
from netorch.model.types import (
    Family,
    IPAddress,
    IPInterface,
    IPNetwork,
    Mac,
    family_of,
    is_inside,
    read_address,
    read_network,
)
from netorch.plan.mirror import (
    MirrorSides,
    Sighting,
    compare_sides,
    held_items,
    is_followed,
    mirror_items,
    own_macs_by_pop,
    sighting_in,
    uplink_is_down,
)
from netorch.plan.traffic import CircuitTraffic, circuit_traffic

__all__ = [
    "CIRCUIT_COMMUNITY",
    "PROVIDER_COMMUNITY",
    "WELL_KNOWN",
    "Action",
    "AddressItem",
    "AgentFacts",
    "AliasItem",
    "Announcement",
    "Argument",
    "Ask",
    "ChangeOverlay",
    "Channel",
    "Circuit",
    "CircuitTraffic",
    "ClosedSessionItem",
    "CountRoutes",
    "Curve",
    "DaemonFacts",
    "Deploy",
    "DeviceFacts",
    "DeviceIntent",
    "ExportPolicy",
    "Facts",
    "Family",
    "FileFact",
    "FileItem",
    "Gather",
    "GuardRefused",
    "Host",
    "IPAddress",
    "IPInterface",
    "IPNetwork",
    "ImportPolicy",
    "InputFile",
    "Intent",
    "Interface",
    "Inventory",
    "Item",
    "Link",
    "Mac",
    "MeasureTraffic",
    "MirrorEntry",
    "MirrorFeed",
    "MirrorSides",
    "Neighbour",
    "NeighbourItem",
    "NetorchError",
    "NextHop",
    "Option",
    "OriginFacts",
    "Overlay",
    "OverlayEntry",
    "OverlayItem",
    "PeerItem",
    "Plugin",
    "PluginError",
    "Pop",
    "PrefixExport",
    "Probe",
    "ProbeResult",
    "Protocol",
    "Provider",
    "ProviderTable",
    "Report",
    "RouteCount",
    "RouteItem",
    "RoutesInside",
    "RuleItem",
    "ServiceItem",
    "Session",
    "SessionAnnouncements",
    "Sighting",
    "StaticHop",
    "StaticRoute",
    "Steer",
    "Step",
    "Steps",
    "Switch",
    "SysctlItem",
    "UsageError",
    "ValidatorFacts",
    "Verb",
    "VerbContext",
    "Wait",
    "WrongSetting",
    "behind",
    "circuit_traffic",
    "compare_sides",
    "counted",
    "did_you_mean",
    "family_of",
    "held_items",
    "is_followed",
    "is_inside",
    "merge_overlays",
    "mirror_items",
    "newest",
    "one_line",
    "own_macs_by_pop",
    "own_path",
    "provider_ids",
    "rate_text",
    "read_address",
    "read_network",
    "sighting_in",
    "uplink_is_down",
    "utc_text",
]

Facts = Mapping[str, DeviceFacts]
"""Facts by full device name; devices that could not be reached are missing."""


@dataclass(frozen=True)
class Argument:
    """A positional argument of a verb. ``many`` takes any number, at least one where it is ``required``; only the last
    may. ``kind``: ``text``, or ``targets``: TARGET expressions, which the core resolves, so that the verb is handed the
    full names of the devices (``Tuple[str, ...]``) in the inventory's order.

    A verb finds its arguments and options by name, with ``_`` for ``-``. Absent ones are None, () where ``many``.
    """

    name: str
    help: str = ""
    required: bool = True
    many: bool = False
    kind: str = "text"


@dataclass(frozen=True)
class Option:
    """An option of a verb, ``--NAME``. ``kind``: ``text``, ``int``, ``duration`` (``90s``, ``2h``: float seconds),
    ``flag`` (False unless given), ``file``: a path, or ``-`` for standard input, which the core reads, so that the verb is
    handed an ``InputFile``.
    """

    name: str
    help: str = ""
    kind: str = "text"
    default: Any = None
    many: bool = False


@dataclass(frozen=True)
class InputFile:
    """What stood in a file that the user named; ``name`` is for messages."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class VerbContext:
    """What a verb knows when it starts. ``now`` is seconds since the epoch, ``author`` who typed the command. ``unread`` are the
    devices that keep the overlay and could not be asked: what they alone know is missing. ``intended(entries)`` is the intent as
    all plugins would amend it if these entries held, too.

    In ``overlay``, and ``intent``, whatever is past its time has ended, as the next deploy has it. ``held`` is the overlay as
    each device has it until then, by device, and ``present()`` the intent of that (None: the same); verbs that tell what is in
    force look there.
    """

    inventory: Inventory
    intent: Intent
    overlay: Overlay
    now: float
    author: str
    settings: Mapping[str, Any]
    intended: Callable[[Tuple[OverlayEntry, ...]], Intent]
    unread: Tuple[str, ...] = ()
    held: Mapping[str, Tuple[OverlayEntry, ...]] = field(default_factory=dict)
    present: Optional[Callable[[], Intent]] = None


def _allow_everything(context: VerbContext) -> None:
    """Nobody has anything against it."""


@dataclass(frozen=True)
class ChangeOverlay:
    """Step: these entries hold from now on. They are written by the next ``Deploy``. Result: the new Overlay."""

    entries: Tuple[OverlayEntry, ...]


@dataclass(frozen=True)
class Deploy:
    """Step: bring ``devices`` to the intent that follows from inventory and overlay. A failed device ends the verb with that
    error. With ``goes_on`` those that cannot be reached do not, as long as one of them can: they are told, and the command
    ends with exit code 3. Result: the names of these, () when all devices are there. ``only`` narrows it to the kinds of items
    of these plugins; ``allow`` are guards (docs/deploy.md) that the verb, or its user, has answered already. A device that
    cannot be reached again goes back after ``confirm_timeout_s``. ``settings`` are settings of plugins, by their names, that
    hold for what is planned here beside those of the inventory, such as an option of the verb.

    Where somebody else is at work on a device it waits for two minutes at most, and plans anew from what is there then.
    ``judge`` is asked before anything is changed, each time that it is planned, with the overlay and the intent that the devices
    hold at that moment: it raises GuardRefused where another's decision leaves no room for this one."""

    devices: Tuple[str, ...]
    why: str
    only: FrozenSet[str] = frozenset()
    allow: FrozenSet[str] = frozenset()
    goes_on: bool = False
    confirm_timeout_s: float = 60.0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    judge: Callable[[VerbContext], None] = _allow_everything


@dataclass(frozen=True)
class Gather:
    """Step: facts of ``devices`` now, with the costly parts in ``wants``. Result: ``Facts``."""

    devices: Tuple[str, ...]
    wants: Tuple[str, ...] = ("neighbours", "links", "protocols")


def _no_curves(history: Tuple[Tuple[float, Facts], ...]) -> Tuple[Curve, ...]:
    return ()


@dataclass(frozen=True)
class Wait:
    """Step: gather facts of ``devices`` every ``interval_s`` until ``until(history)`` or ``timeout_s`` is over.

    ``until`` sees every gathering so far, the newest last, each with its monotonic time in seconds. Result: whether it
    held. ``curves`` is what people see of the same history meanwhile: figures over time, live on a terminal.
    """

    devices: Tuple[str, ...]
    until: Callable[[Tuple[Tuple[float, Facts], ...]], bool]
    what: str
    timeout_s: float
    interval_s: float = 1.0
    wants: Tuple[str, ...] = ("links", "protocols")
    curves: Callable[[Tuple[Tuple[float, Facts], ...]], Tuple[Curve, ...]] = _no_curves


@dataclass(frozen=True)
class Probe:
    """Step: ping ``destination`` from ``host`` with ``mark``, ``count`` packets every ``interval_s``. Result:
    ProbeResult.
    """

    host: str
    destination: IPAddress
    mark: int
    count: int = 5
    interval_s: float = 0.2


@dataclass(frozen=True)
class ProbeResult:
    """Round-trip times of the packets that were answered, in the order sent."""

    sent: int
    rtts_ms: Tuple[float, ...]


@dataclass(frozen=True)
class Ask:
    """Step: ask whoever is at the terminal whether to go on; with ``--check`` nobody is asked. A verb yields it before it changes
    anything, and not at all where its user has said ``--yes``. The verb ends with an error where nobody agrees. Result: None."""

    question: str


@dataclass(frozen=True)
class Report:
    """Step: show this. ``rows`` (plain JSON values, all with the same keys) become a table or, with ``-o``, a document;
    ``text`` is a line for people. ``columns`` are those of the table where it is not to show them all; of a terminal that is too
    narrow for them those of ``optional`` are left out, from the first on. Result: None."""

    text: str = ""
    rows: Tuple[Mapping[str, Any], ...] = ()
    changed: Optional[bool] = None
    columns: Tuple[str, ...] = ()
    optional: Tuple[str, ...] = ()


Step = Union[ChangeOverlay, Deploy, Gather, Wait, Probe, CountRoutes, MeasureTraffic, Ask, Report]
Steps = Generator[Step, Any, None]


def _no_way_back(arguments: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True)
class Verb:
    """A command, ``netorch NAME``; a name of two words (``arp show``) makes a group.

    ``run`` yields steps and is sent each step's result; an error of a step is raised where it was yielded. ``plan`` of what
    it would do is shown with ``--check`` by the core: overlay changes and deploys are then planned, not executed. ``examples``
    are whole command lines for its ``--help``. ``back`` is the command that takes it back, told to whoever interrupts it; ""
    where there is none.
    """

    name: str
    help: str
    run: Callable[[VerbContext, Mapping[str, Any]], Steps]
    arguments: Tuple[Argument, ...] = ()
    options: Tuple[Option, ...] = ()
    examples: Tuple[str, ...] = ()
    back: Callable[[Mapping[str, Any]], str] = _no_way_back


def _amend_nothing(intent: Intent, overlay: Overlay) -> Intent:
    return intent


def _need_nothing(intent: Intent) -> Mapping[str, Tuple[str, ...]]:
    return {}


def _propose_nothing(intent: Intent, facts: Facts) -> Mapping[str, Tuple[Item, ...]]:
    return {}


def _end_nothing(overlay: Overlay, now: float) -> Tuple[OverlayEntry, ...]:
    return ()


def _refuse_nothing(settings: Mapping[str, Any]) -> Tuple[WrongSetting, ...]:
    return ()


def _find_nothing(intent: Intent, before: Facts, after: Facts) -> Mapping[str, Tuple[str, ...]]:
    return {}


def _say_version(entry: OverlayEntry) -> str:
    return f"version {entry.version}, {'ended' if entry.removed else 'in force'}"


def _await_nothing(intent: Intent, facts: Facts) -> Mapping[str, Tuple[str, ...]]:
    return {}


@dataclass(frozen=True)
class Plugin:
    """A plugin.

    ``amend`` changes the intent (a drain closes sessions), ``needs`` names costly facts per device that ``propose``
    wants, and by their paths the files that it yields; ``propose`` yields items per device beyond those that follow from
    the intent. All hooks are pure; ``propose`` must give the same items for the same input and must name an item that is
    to stay, even if the facts of today say nothing of it. ``later`` says in words what ``propose`` cannot yet know from
    these facts, per device; () when nothing is missing. The deploy waits for it, gathers facts again and applies what is
    then proposed as a step of its own. ``check`` looks at a POP before and after a deploy, and names what is wrong now,
    per device: such a deploy has failed. ``kinds`` are the classes of items that ``propose`` yields; a deploy of this
    plugin alone touches no other.
    ``lapse`` names entries of the plugin whose time is up at ``now``, in their next version: whoever plans finds them so. Two
    controllers must come to the same entries.
    ``settings`` are the keys that the plugin knows under ``settings`` in the inventory; any other is refused. ``mistakes`` finds
    what is wrong with the values of those that are given: ``netorch validate`` tells all of it, nothing else begins with it.
    ``tell`` says in a few words what an entry of the plugin's means, to whoever interrupts a verb.
    """

    name: str
    help: str
    amend: Callable[[Intent, Overlay], Intent] = _amend_nothing
    needs: Callable[[Intent], Mapping[str, Tuple[str, ...]]] = _need_nothing
    propose: Callable[[Intent, Facts], Mapping[str, Tuple[Item, ...]]] = _propose_nothing
    later: Callable[[Intent, Facts], Mapping[str, Tuple[str, ...]]] = _await_nothing
    check: Callable[[Intent, Facts, Facts], Mapping[str, Tuple[str, ...]]] = _find_nothing
    lapse: Callable[[Overlay, float], Tuple[OverlayEntry, ...]] = _end_nothing
    tell: Callable[[OverlayEntry], str] = _say_version
    kinds: Tuple[type, ...] = ()
    settings: Tuple[str, ...] = ()
    mistakes: Callable[[Mapping[str, Any]], Tuple[WrongSetting, ...]] = _refuse_nothing
    verbs: Tuple[Verb, ...] = ()


def newest(history: Tuple[Tuple[float, Facts], ...]) -> Dict[str, DeviceFacts]:
    """The latest gathering of a ``Wait``, by device; {} before the first."""
    return dict(history[-1][1]) if history else {}
