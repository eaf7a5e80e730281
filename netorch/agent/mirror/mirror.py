"""The host's agent: follows the feeds of its switches, and keeps in the kernel what they tell.

Only its own settings say which addresses it takes from whom. An entry changes to another MAC; it is taken away only when the
settings have it no more.
"""

from __future__ import annotations

from netorch.agent.clock import now, uptime
from netorch.agent.mirror import wire
from netorch.agent.mirror.entries import Entry
from netorch.agent.mirror.figures import mirror_metrics
from netorch.agent.mirror.follow import FeedLink
from netorch.agent.mirror.keeper import Keeper
from netorch.agent.mirror.kernel import UP, HostKernel, is_own
from netorch.agent.mirror.service import PKI, Service
from netorch.agent.mirror.settings import MirrorSettings, parse_mirror
from netorch.agent.mirror.trust import client_context
from netorch.agent.mirror.wire import Told
from netorch.io.netlink.events import (
    BUFFER_BYTES,
    AddressEvent,
    EventSocket,
    LinkEvent,
    NeighbourEvent,
    RouteEvent,
)
from netorch.model.conventions import KERNEL_PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

    from netorch.agent.mirror.entries import Key
    from netorch.agent.mirror.service import Metric
    from netorch.agent.mirror.wire import News
    from netorch.io.netlink.events import Event
    from netorch.model.types import Mac

_CHECK_EVERY_S = 60.0
_LINK_PAUSE_S = 0.01
_LOST_PAUSE_S = 0.05
_REPAIR_PAUSE_S = 0.05
"""What somebody deletes over and over is put back at once, then once a second; each half of an entry for itself."""


class Mirror(Service):
    """``netorch-agent mirror``."""

    name = "mirror"
    buffer_bytes = BUFFER_BYTES

    def __init__(self) -> None:
        super().__init__()
        self.context: Optional[ssl.SSLContext] = None
        self.counters = dict.fromkeys(("changes", "resyncs", "rejected", "repaired", "held_down"), 0)
        self._settings: Optional[MirrorSettings] = None
        self._entries: Dict[Key, Entry] = {}
        self._by_switch: Dict[str, Dict[str, Entry]] = {}
        self._links: Dict[str, FeedLink] = {}
        self._own: FrozenSet[Mac] = frozenset()
        self._told_own: Dict[str, FrozenSet[Mac]] = {}
        self._kernel: HostKernel
        self._events: Optional[EventSocket] = None
        self._before: Dict[str, Any] = {}
        self._checked = float("-inf")
        self._keeper = Keeper(self)
        self._repaired: Dict[Tuple[Key, bool], float] = {}
        self._is_check_due = False
        self._is_link_due = False
        self._uplinks: Dict[str, str] = {}

    # ---- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._kernel = HostKernel()
        self._before = self.status.read()
        self._watch_kernel()

    def load_settings(self, data: bytes) -> None:
        settings = parse_mirror(data)
        self._kernel.read()
        self._settings, self.metrics_path = settings, settings.metrics
        self._uplinks = {feed.interface: self._uplinks.get(feed.interface, UP) for feed in settings.feeds}
        old = self._entries
        self._entries, self._by_switch = {}, {}
        for feed in settings.feeds:
            for hop in feed.next_hops:
                entry = old.get((feed.interface, hop.address)) or Entry(feed, hop, settings.hold_down)
                if entry.feed.switch != feed.switch:
                    entry.lose()
                entry.configure(feed, hop, settings.hold_down)
                self._entries[entry.key] = entry
                self._by_switch.setdefault(feed.switch, {})[hop.address] = entry
        self._repaired = {half: at for half, at in self._repaired.items() if half[0] in self._entries}
        self._drop_others()
        self._compare()
        self._follow(settings)
        self.touch()

    def load_trust(self, *, is_cut: bool) -> None:
        self.context = client_context(PKI)
        if is_cut:
            for link in self._links.values():
                link.cut("whom the authority trusts has changed")
        for link in self._links.values():
            link.hurry()

    def each_second(self) -> None:
        for link in self._links.values():
            link.check()
        if self._events is None:
            self._watch_kernel()
            self._is_check_due = True
        if self._is_check_due or uptime() - self._checked > _CHECK_EVERY_S:
            self._check()
        self._look_again()
        if self._settings is not None and self._keeper.is_due:
            self._keeper.keep([item for entry in self._entries.values() for item in entry.items()])

    def stop(self) -> None:
        for link in self._links.values():
            link.stop()

    def _follow(self, settings: MirrorSettings) -> None:
        """A connection to each feed of the settings, and to no other."""
        wanted = {feed.switch: feed for feed in settings.feeds}
        for switch, link in list(self._links.items()):
            feed = wanted.get(switch)
            if feed is None or (feed.addresses, feed.port) != (link.feed.addresses, link.feed.port):
                del self._links[switch]
                link.stop()
                self.lost(link)
                self._told_own.pop(switch, None)
            elif feed != link.feed:
                link.feed = feed
                link.cut("its settings have changed")
        for switch, feed in wanted.items():
            if switch not in self._links:
                self._links[switch] = FeedLink(feed, self)
                self._links[switch].start()

    def _drop_others(self) -> None:
        """Take away what is netorch's and in no settings any more."""
        for key in sorted({*self._kernel.neighbours, *self._kernel.reachable} - set(self._entries)):
            try:
                self._kernel.drop(key)
            except OSError as exc:
                self.say(f"{key[1]} on {key[0]} cannot be removed: {exc.strerror}")
            else:
                self.say(f"{key[1]} on {key[0]} is removed: the settings have it no more")

    # ---- what feeds tell ----------------------------------------------------------------------------------------

    def greeting(self) -> bytes:
        """This host's hello."""
        assert self._settings is not None
        return wire.hello(self._settings.host, self._kernel.own_macs())

    def hear(self, link: FeedLink, news: News) -> None:
        """A feed tells something: what the settings expect of it is taken over."""
        mine = self._by_switch.get(link.feed.switch, {})
        present, wall = uptime(), now()
        for told in news.told:
            entry = mine.get(told.address)
            if entry is None:
                link.reject()
                self.say(f"{link.feed.switch} tells {told.address}, which is not expected of it")
                continue
            self._hear(entry, told, present, wall)
        if news.is_whole:
            for address in mine.keys() - {told.address for told in news.told}:
                self._hear(mine[address], Told(address, None, "absent"), present, wall)
        if news.own is not None:
            self._told_own[link.feed.switch] = news.own
            self._own_may_have_changed()
        self.touch()

    def _hear(self, entry: Entry, told: Told, present: float, wall: float) -> None:
        before, holds = entry.mac, entry.holds
        if entry.hear(told, self._own, now=present, wall=wall):
            self._change(entry, before)
        elif entry.holds != holds:
            self.count("held_down")
            self.say(f"{told.address} is held down: {entry.describe(present)[1]}")

    def _change(self, entry: Entry, before: Optional[str]) -> None:
        self.count("changes")
        self._put(entry)
        self.say(
            f"{entry.hop.address} ({entry.hop.provider}) is at {entry.mac}{f', was at {before}' if before else ''}"
        )

    def lost(self, link: FeedLink) -> None:
        """A feed is lost: its entries stay."""
        for entry in self._by_switch.get(link.feed.switch, {}).values():
            entry.lose()
        self.touch()

    def _own_may_have_changed(self) -> None:
        own = self._kernel.own_macs().union(*self._told_own.values())
        if own != self._own:
            self._own = own
            self._look_again()

    def _look_again(self) -> None:
        """Holds may have ended, refusals may have lost their reason."""
        present, wall = uptime(), now()
        for entry in self._entries.values():
            before = entry.mac
            if entry.look_again(self._own, now=present, wall=wall):
                self._change(entry, before)
                self.touch()

    # ---- the kernel ---------------------------------------------------------------------------------------------

    def _put(self, entry: Entry) -> None:
        """Let the kernel have it; what it says against that is told with the entry."""
        assert entry.mac is not None
        failure = ""
        try:
            self._kernel.put(entry.key, mac=entry.mac, local=entry.hop.local)
        except OSError as exc:
            failure = exc.strerror or str(exc)
        if failure != entry.failure:
            entry.failure = failure
            self.touch()
            if failure:
                self.say(f"{entry.hop.address} on {entry.feed.interface}: {failure}")

    def _watch_kernel(self) -> None:
        if self._events is not None:
            self.loop.remove_reader(self._events)
            self._events.close()
            self._events = None
        self._events = EventSocket(
            neighbours=True,
            links=True,
            addresses=True,
            routes_of=KERNEL_PROTOCOL,
            but_of=self._kernel.ports,
            buffer_bytes=self.buffer_bytes,
        )
        self.loop.add_reader(self._events, self._read)

    def _read(self) -> None:
        assert self._events is not None
        try:
            events = self._events.read()
        except OSError as exc:
            self.say(f"the kernel's events were lost ({exc.strerror}): everything is read anew")
            self.loop.call_later(_LOST_PAUSE_S, self.guarded, "kernel", self._start_over)
            return
        self._take(events)

    def _start_over(self) -> None:
        self._watch_kernel()
        self._check()

    def _take(self, events: Iterable[Event]) -> None:
        hurt: Set[Tuple[Key, bool]] = set()
        for event in events:
            if isinstance(event, LinkEvent):
                self._take_link(event)
            else:
                key = self._key_of(event)
                if key is not None and key in self._entries and not self._is_right(event, key):
                    hurt.add((key, isinstance(event, NeighbourEvent)))
        for half in hurt:
            self._repair(half)

    def _take_link(self, event: LinkEvent) -> None:
        names = {self._kernel.names.get(event.index), event.name}
        is_changed = self._kernel.take_link(event)
        self._tell_uplinks()
        if not is_changed:
            return
        self._is_check_due = self._is_check_due or not names.isdisjoint(self._uplinks)
        if not self._is_link_due:
            self._is_link_due = True
            self.loop.call_later(_LINK_PAUSE_S, self.guarded, "kernel", self._after_link)

    def _tell_uplinks(self) -> None:
        """A line in the log for each uplink that is not as it was."""
        for name, before in self._uplinks.items():
            state = self._kernel.state_of(name)
            if state != before:
                self._uplinks[name] = state
                self.say(f"uplink {name} {state}")

    def _key_of(self, event: Event) -> Optional[Key]:
        if isinstance(event, NeighbourEvent):
            return (self._kernel.names.get(event.index, ""), event.address)
        if isinstance(event, AddressEvent) and event.peer is not None:
            return (self._kernel.names.get(event.index, ""), event.peer)
        if isinstance(event, RouteEvent) and event.prefix is not None and event.index is not None:
            return (self._kernel.names.get(event.index, ""), event.prefix.partition("/")[0])
        return None

    def _is_right(self, event: Event, key: Key) -> bool:
        """Note what somebody else has done to an entry; whether it is still as it is to be."""
        entry = self._entries[key]
        if isinstance(event, NeighbourEvent):
            self._kernel.neighbours.pop(key, None)
            if is_own(event) and event.mac is not None:
                self._kernel.neighbours[key] = event.mac
                if entry.is_held and event.mac != entry.mac:
                    self._release(entry)
                self._adopt(entry, event.mac)
                return self._kernel.neighbours[key] == entry.mac
        elif isinstance(event, (AddressEvent, RouteEvent)):
            local = event.local if isinstance(event, AddressEvent) else ""
            there = self._kernel.reachable.setdefault(key, set())
            if not event.is_gone:
                if event.protocol == KERNEL_PROTOCOL:
                    there.add(local)
                return True
            there.discard(local)
        return False

    def _adopt(self, entry: Entry, mac: str) -> None:
        """While no switch tells anything, a deploy knows better than this agent."""
        if entry.mac != mac and not entry.is_followed and entry.adopt(mac, now()):
            self.touch()

    def _release(self, entry: Entry) -> None:
        """A deploy put another MAC in place of one that is held down: it wants the newest (``netorch arp sync --force``)."""
        before = entry.mac
        is_taken = entry.release(self._own, now=uptime(), wall=now())
        self.say(f"{entry.hop.address} is held down no more: a deploy wants its newest MAC")
        if is_taken:
            self._change(entry, before)
        self.touch()

    def _repair(self, half: Tuple[Key, bool]) -> None:
        """Put back what somebody deleted or changed: the neighbour, or what makes its address reachable."""
        entry = self._entries[half[0]]
        interface = self._kernel.interfaces.get(entry.feed.interface)
        if entry.mac is None or interface is None or not interface.up:
            return
        if uptime() - self._repaired.get(half, float("-inf")) < _REPAIR_PAUSE_S:
            self._is_check_due = True
            return
        self._repaired[half] = uptime()
        self.count("repaired")
        self._put(entry)
        self.say(f"{entry.hop.address} on {entry.feed.interface} was changed by somebody else: put back")
        self.touch()

    def _after_link(self) -> None:
        """An interface went up or down, changed its own MAC, came or went: an uplink's entries may have gone with it."""
        self._is_link_due = False
        if self._is_check_due:
            self._check()
        for link in self._links.values():
            link.greet_again()
        self._own_may_have_changed()

    def _check(self) -> None:
        """Compare everything with the kernel, and put right what differs."""
        self._is_check_due = True  # until it has been done: where it fails it is tried again in a second
        self._kernel.read()
        self._compare()
        self._checked, self._is_check_due = uptime(), False

    def _compare(self) -> None:
        before = {(one.get("interface"), one.get("address")): one for one in self._before.pop("entries", ())}
        for key, entry in self._entries.items():
            mac = self._kernel.neighbours.get(key)
            if mac is not None:
                self._adopt(entry, mac)
                if key in before and before[key].get("mac") == mac:
                    entry.since, entry.changes = before[key].get("since"), int(before[key].get("changes", 0))
            if entry.mac is None:
                continue
            reached = {"" if ":" in entry.hop.address else entry.hop.local}
            interface = self._kernel.interfaces.get(entry.feed.interface)
            if interface is None or not interface.up:
                entry.failure = f"{entry.feed.interface} is {'not there' if interface is None else 'down'}"
            elif mac != entry.mac or self._kernel.reachable.get(key) != reached or entry.failure:
                self.count("repaired")
                self._put(entry)
        self._tell_uplinks()
        self._own_may_have_changed()

    # ---- status -------------------------------------------------------------------------------------------------

    def describe(self) -> Dict[str, Any]:
        present = uptime()
        return {
            "feeds": [link.as_json() for _, link in sorted(self._links.items())],
            "entries": [entry.as_json(present) for entry in self._entries.values()],
        }

    def metrics(self) -> List[Metric]:
        return mirror_metrics(self._links.values(), self._entries.values())
