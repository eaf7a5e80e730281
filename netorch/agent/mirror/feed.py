"""The switch's agent: watches the kernel's neighbours, keeps those of the providers fresh, and tells hosts what it sees."""

from __future__ import annotations

import errno
from contextlib import suppress

from netorch.agent.clock import now, uptime
from netorch.agent.mirror import wire
from netorch.agent.mirror.pace import Pace
from netorch.agent.mirror.server import Server
from netorch.agent.mirror.service import PKI, Service
from netorch.agent.mirror.settings import FeedSettings, parse_feed
from netorch.agent.mirror.table import ABSENT, Table
from netorch.agent.mirror.trust import server_context
from netorch.io.netlink.events import BUFFER_BYTES, EventSocket, LinkEvent, NeighbourEvent, dump_neighbours
from netorch.io.netlink.links import read_links
from netorch.io.netlink.neighbour_writer import NeighbourWriter
from netorch.io.netlink.route_socket import RouteSocket
from netorch.model.types import Mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, Iterable, List, Optional

    from netorch.agent.mirror.server import Channel
    from netorch.agent.mirror.service import Metric
    from netorch.agent.mirror.table import Known
    from netorch.agent.mirror.wire import Told
    from netorch.io.netlink.events import Event

_DUMP_EVERY_S = 60.0
_DUMP_TRIES = 5
_PROBES_AT_ONCE = 50
_PROBE_PAUSE_S = 0.15
_DELTAS_PER_S, _DELTAS_AT_ONCE = 1000.0, 200.0
_DELTA_PAUSE_S = 0.005
_LOST_PAUSE_S = 0.05
_REFUSAL_PAUSE_S = 600.0
_REFUSALS = 1000
_CONFIRMED = frozenset({"reachable", "stale", "delay"})
_LOST = frozenset({ABSENT, "failed", "none"})


class Feed(Service):
    """``netorch-agent feed``."""

    name = "feed"
    buffer_bytes = BUFFER_BYTES

    def __init__(self) -> None:
        super().__init__()
        self.counters = dict.fromkeys(("changes", "dumps", "lost_events", "probes", "sent", "refused_connections"), 0)
        self._settings: Optional[FeedSettings] = None
        self._table = Table()
        self._server = Server(self)
        self._events: Optional[EventSocket] = None
        self._writer: Optional[NeighbourWriter] = None
        self._names: Dict[int, str] = {}
        self._indices: Dict[str, int] = {}
        self._macs: Dict[int, str] = {}
        self._host_macs: Dict[str, FrozenSet[Mac]] = {}
        self._dumped = float("-inf")
        self._before: Dict[str, Any] = {}
        self._pace = Pace(_DELTAS_PER_S, _DELTAS_AT_ONCE)
        self._waiting: Dict[str, Told] = {}
        self._next_probe = 0
        self._refused: Dict[str, float] = {}

    # ---- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._before = self.status.read()
        self._probe()
        self._watch_kernel()

    def load_settings(self, data: bytes) -> None:
        settings = parse_feed(data)
        before, self._settings = self._settings, settings
        self.metrics_path = settings.metrics
        self._table.replace(settings.next_hops)
        self._host_macs = {host: macs for host, macs in self._host_macs.items() if host in settings.hosts}
        for subscriber in self._server.subscribers:
            if subscriber.channel is None or settings.hosts.get(subscriber.host) != subscriber.channel.addresses:
                subscriber.cut()
        self._look_at_everything()
        if before is None:
            self._table.restore(self._before.get("entries", ()))
        self._own_may_have_changed()
        self._listen()

    def load_trust(self, *, is_cut: bool) -> None:
        self._server.context = server_context(PKI)
        if is_cut:
            self._server.cut_all()

    def each_second(self) -> None:
        self.counters["sent"] += self._server.beat()
        for subscriber in self._server.subscribers:
            if subscriber.expires < now():
                subscriber.refuse("its certificate has expired")
        if "listen" in self.problems:
            self._listen()
        if self._events is None or uptime() - self._dumped > _DUMP_EVERY_S:
            self._look_at_everything()

    def stop(self) -> None:
        self._server.close()

    def _listen(self) -> None:
        if self._settings is not None:
            self.problem("listen", self._server.listen(self._settings.listen, self._settings.port))

    # ---- the kernel ---------------------------------------------------------------------------------------------

    def _watch_kernel(self) -> None:
        """A subscription, a new one where there was one."""
        if self._events is not None:
            self.loop.remove_reader(self._events)
            self._events.close()
            self._events = None
        self._events = EventSocket(neighbours=True, links=True, buffer_bytes=self.buffer_bytes)
        self.loop.add_reader(self._events, self._read)

    def _read(self) -> None:
        assert self._events is not None
        try:
            events = self._events.read()
        except OSError as exc:
            self._lost(exc)
            return
        self._tell(self._take(events))

    def _lost(self, exc: OSError) -> None:
        """Events are missing: only a dump tells what they were."""
        if exc.errno == errno.ENOBUFS:
            self.count("lost_events")
        self.say(f"the kernel's events were lost ({exc.strerror}): everything is read anew")
        self.guarded("kernel", self._start_over)

    def _start_over(self) -> None:
        self._watch_kernel()
        self._look_at_everything()

    def _look_at_everything(self) -> None:
        """A dump, compared with what is known; then what came meanwhile, so that nothing is told that is over already."""
        if self._events is None:
            self._watch_kernel()
        assert self._events is not None
        self._dumped = float("-inf")  # where this fails it is tried again in a second
        with RouteSocket() as kernel:
            links, entries = read_links(kernel, counters=False), _dump(kernel)
        self._names, self._indices, self._macs = {}, {}, {}
        for link in links:
            self._link(link.index, link.name, link.mac)
        self._dumped = uptime()
        self.count("dumps")
        found = {(self._names.get(entry.index, ""), entry.address): entry for entry in entries}
        for key, known in self._table.known.items():
            entry = found.get(key)
            if entry is None:
                known.see(None, ABSENT, now())
            else:
                known.see(entry.mac, entry.state, now())
        try:
            self._take(self._events.read(limit=100_000))
        except OSError as exc:
            self.loop.call_later(_LOST_PAUSE_S, self._lost, exc)
        self._own_may_have_changed()
        self._send(self._table.judge_all())

    def _take(self, events: Iterable[Event]) -> List[Known]:
        """Note what ``events`` say; the next hops that they are about."""
        seen: Dict[int, Known] = {}
        links = False
        for event in events:
            if isinstance(event, NeighbourEvent):
                known = self._table.known.get((self._names.get(event.index, ""), event.address))
                if known is not None:
                    known.see(*((None, ABSENT) if event.is_gone else (event.mac, event.state)), now())
                    seen[id(known)] = known
            elif isinstance(event, LinkEvent):
                links = True
                self._link(event.index, event.name, None if event.is_gone else event.mac, is_gone=event.is_gone)
        if links:
            self._own_may_have_changed()
        return list(seen.values())

    def _link(self, index: int, name: str, mac: Optional[str], *, is_gone: bool = False) -> None:
        old = self._names.pop(index, None)
        if old is not None and self._indices.get(old) == index:
            del self._indices[old]
        self._macs.pop(index, None)
        if not is_gone:
            self._names[index], self._indices[name] = name, index
            if mac is not None:
                self._macs[index] = mac

    # ---- probing ------------------------------------------------------------------------------------------------

    def _probe(self) -> None:
        """Ask the next of the providers' routers whether they are there. A swapped one does not speak up by itself."""
        settings = self._settings
        known = list(self._table.known.values())
        parts = max(1, -(-len(known) // _PROBES_AT_ONCE))
        interval_s = settings.probe_s if settings is not None else 1.0
        self.loop.call_later(max(interval_s / parts, _PROBE_PAUSE_S), self._probe)
        start = self._next_probe if self._next_probe < len(known) else 0
        self._next_probe = start + _PROBES_AT_ONCE
        self.guarded("probe", lambda: self._probe_some(known[start : start + _PROBES_AT_ONCE]))

    def _probe_some(self, some: Iterable[Known]) -> None:
        if self._writer is None:
            self._writer = NeighbourWriter()
        for known in some:
            index = self._indices.get(known.hop.interface)
            if index is None:
                continue
            # One that was deleted, or changed its state, since the last event: the next round has it.
            with suppress(OSError):
                if known.state in _CONFIRMED and known.mac is not None and not known.mac.is_unicast:
                    # A bridge takes a probe of a multicast MAC everywhere: the router's answer would confirm it for ever.
                    self._writer.fail(index, known.hop.address)
                    self._writer.resolve(index, known.hop.address)
                    self.count("probes")
                elif known.state in _CONFIRMED:
                    self._writer.probe(index, known.hop.address)
                    self.count("probes")
                elif known.state in _LOST:
                    self._writer.resolve(index, known.hop.address)
                    self.count("probes")

    # ---- telling ------------------------------------------------------------------------------------------------

    def _tell(self, some: List[Known]) -> None:
        if some:
            self._send(self._table.judge(some))

    def _send(self, told: List[Told]) -> None:
        """Send it now; in a storm put several changes of one address together."""
        if not told:
            return
        self.count("changes", len(told))
        if self._waiting or not self._pace.allows(uptime()):
            if not self._waiting:
                self.loop.call_later(_DELTA_PAUSE_S, self._send_waiting)
            self._waiting.update((one.address, one) for one in told)
        else:
            self._send_now(told)
        self.touch()

    def _send_waiting(self) -> None:
        told, self._waiting = list(self._waiting.values()), {}
        self._send_now(told)

    def _send_now(self, told: List[Told]) -> None:
        for channel in tuple(self._server.channels.values()):
            self.counters["sent"] += channel.tell(told)
        for one in told[:10]:
            self.say(f"{one.address} is at {one.mac or one.refusal or f'no MAC ({one.state})'}")

    def _own_may_have_changed(self) -> None:
        """The switch's own MACs, and those that its hosts say are theirs."""
        own = frozenset(mac for mac in map(Mac, self._macs.values()) if mac.is_unicast).union(*self._host_macs.values())
        if own != self._table.own:
            self._table.own = own
            for channel in tuple(self._server.channels.values()):
                self.counters["sent"] += channel.tell_own(own)
            self._send(self._table.judge_all())

    # ---- what subscribers ask -----------------------------------------------------------------------------------

    def addresses_of(self, host: str) -> Optional[FrozenSet[str]]:
        """What ``host`` may know; None for one that this switch does not serve."""
        return self._settings.hosts.get(host) if self._settings is not None else None

    def first_news(self, channel: Channel) -> bytes:
        """The snapshot for a new subscriber."""
        assert self._settings is not None
        self.count("sent")
        told = self._table.told(channel.addresses)
        return wire.snapshot(channel.sequence, self._settings.switch, own=self._table.own, told=told)

    def has_macs(self, host: str, macs: FrozenSet[Mac]) -> None:
        """``host`` says that these are its own."""
        self._host_macs[host] = frozenset(mac for mac in macs if mac.is_unicast)
        self._own_may_have_changed()

    def refused(self, words: str) -> None:
        """A connection was refused or ended. Whoever comes back every few seconds is named now and then only."""
        self.count("refused_connections")
        if uptime() - self._refused.get(words, float("-inf")) < _REFUSAL_PAUSE_S:
            return
        if len(self._refused) >= _REFUSALS:
            self._refused.clear()
        self._refused[words] = uptime()
        self.say(f"refused {words}")

    # ---- status -------------------------------------------------------------------------------------------------

    def describe(self) -> Dict[str, Any]:
        return {
            "entries": [known.as_json() for known in self._table.known.values()],
            "subscribers": [
                {"host": one.host, "address": one.address, "since": one.since, "sent": one.sent}
                for one in sorted(self._server.subscribers, key=lambda one: one.host)
            ],
        }

    def metrics(self) -> List[Metric]:
        labelled = [
            ({"address": known.hop.address, "interface": known.hop.interface, "provider": known.hop.provider}, known)
            for known in self._table.known.values()
        ]
        present = now()
        ages = [(labels, None if known.since is None else present - known.since) for labels, known in labelled]
        resolved = [(labels, float(known.told.mac is not None)) for labels, known in labelled]
        return [
            ("netorch_feed_subscribers", "gauge", "Hosts that listen.", [({}, float(len(self._server.subscribers)))]),
            ("netorch_feed_entry_resolved", "gauge", "Whether hosts are told a MAC.", [*resolved]),
            ("netorch_feed_entry_age_seconds", "gauge", "How long the MAC has been what it is.", [*ages]),
        ]


def _dump(kernel: RouteSocket) -> List[NeighbourEvent]:
    for left in reversed(range(_DUMP_TRIES)):
        try:
            return dump_neighbours(kernel)
        except OSError as exc:
            if exc.errno != errno.EINTR or not left:
                raise
    return []
