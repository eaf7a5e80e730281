"""``netorch ping``: destinations through every provider at once, from one or several hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Thread

from netorch.app.controller import Controller
from netorch.app.gather import gather_world
from netorch.app.ping_figures import Sample
from netorch.app.ping_tracks import ProviderState, Track
from netorch.app.provider_states import provider_states
from netorch.errors import NetorchError, UsageError
from netorch.model.curve import Curve
from netorch.model.intent import DeviceIntent
from netorch.model.overlay import Overlay
from netorch.model.request import PingBatch, PingWatch, PingWay
from netorch.model.types import Family, IPAddress, family_of

LOOK_INTERVAL_S = 10.0
"""How often switches are asked which providers are drained or down."""

LAST_LOOK_S = 5.0

SETTLED_S = 3.0
"""Within this time it is known of every packet what became of it: shorter ago only answers are known, and losses are not."""

MOST_PER_SECOND = 2000
"""Packets that one host sends: this is a measurement, not a load test."""


@dataclass(frozen=True)
class PingJob:
    """What to send: ``count`` packets (0: until stopped) through each provider; to ``tcp_port`` where there is one."""

    destinations: tuple[IPAddress, ...]
    count: int
    interval_s: float
    timeout_s: float = 2.0
    tcp_port: int | None = None


@dataclass
class Pings:
    """Everything that is known so far; filled by several threads, each under ``lock``. ``warnings`` are in words."""

    tracks: dict[str, list[Track]]
    failures: dict[str, NetorchError] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    lock: Lock = field(default_factory=Lock)

    @property
    def all(self) -> list[Track]:
        """The tracks host by host, destinations in the order asked, providers in that of their tables."""
        return [track for tracks in self.tracks.values() for track in tracks]


class _Stopped(Exception):
    """The operator has seen enough."""


def prepare(controller: Controller, job: PingJob, hosts: Iterable[str]) -> Pings:
    """Tracks without packets. Raises UsageError where there is nothing to ping from, or too much."""
    intent = controller.intent(Overlay())
    devices = [intent.device(name) for name in hosts]
    if not devices:
        raise UsageError("no host to ping from", hint="--pop takes a POP that has hosts, --from a host of it")
    protocol = "icmp" if job.tcp_port is None else f"tcp/{job.tcp_port}"
    tracks = {
        device.name: [
            Track(device.pop, device.name, table.provider, table.number, destination, protocol)
            for destination in job.destinations
            for table in device.tables
        ]
        for device in devices
    }
    rate = max(map(len, tracks.values())) / job.interval_s
    if rate > MOST_PER_SECOND:
        raise UsageError(
            f"{rate:.0f} packets per second from a host: at most {MOST_PER_SECOND}",
            hint="a longer --interval, or fewer destinations",
        )
    return Pings(tracks)


def send_pings(controller: Controller, job: PingJob, pings: Pings, *, stop: Event) -> None:
    """Fill ``pings`` until all is sent and answered or lost, or ``stop`` is set.

    Each packet leaves from the host's first service address of the destination's family.
    """
    intent = controller.intent(Overlay())
    look = _Look(controller, pings)
    look.start()

    def send(name: str) -> None:
        controller.progress.step(name, f"pinging through {len(intent.device(name).tables)} providers")
        receiver = _Receiver(controller, pings, pings.tracks[name], stop=stop, changed=look.again)
        try:
            controller.devices(name).watch_pings(_request(job, intent.device(name), pings.tracks[name]), receiver.take)
        except _Stopped:
            controller.devices(name).close()
        except NetorchError as error:
            pings.failures[name] = error  # now: others may go on for days
            raise

    try:
        _, failures = controller.each(pings.tracks, send)
    finally:
        look.finish()
    pings.failures.update(failures)
    now_s = controller.clock.now()
    for track in pings.all:
        track.mark_spell(now_s, since_s=now_s)


def _request(job: PingJob, device: DeviceIntent, tracks: Sequence[Track]) -> PingWatch:
    ways = (PingWay(track.destination, track.mark, _source(device, family_of(track.destination))) for track in tracks)
    return PingWatch(tuple(ways), job.count, job.interval_s, job.timeout_s, job.tcp_port)


def _source(device: DeviceIntent, family: Family) -> IPAddress | None:
    return next((address for address in device.service if family_of(address) is family), None)


class _Receiver:
    """Puts what one host tells into its tracks. Times are this machine's: the first batch comes when the host begins."""

    def __init__(
        self,
        controller: Controller,
        pings: Pings,
        tracks: Sequence[Track],
        *,
        stop: Event,
        changed: Callable[[], None],
    ) -> None:
        self._clock, self._pings, self._tracks = controller.clock, pings, tracks
        self._stop, self._changed = stop, changed
        self._began_s: float | None = None

    def take(self, batch: PingBatch) -> None:
        """Raises _Stopped once that is wanted."""
        now_s = self._clock.now()
        if self._began_s is None:
            self._began_s = now_s - batch.at_ms / 1000.0
        with self._pings.lock:
            for way, sent_ms, rtt_ms in batch.samples:
                self._tracks[way].add(Sample(self._began_s + sent_ms / 1000.0, rtt_ms))
            for way, at_ms, reason in batch.changes:
                self._tracks[way].reason = reason
                self._tracks[way].mark_spell(now_s, since_s=self._began_s + at_ms / 1000.0)
            for track in self._tracks:
                track.mark_spell(now_s, since_s=self._began_s if not track.spells else now_s)
        if batch.changes:
            self._changed()
        if self._stop.is_set():
            raise _Stopped


class _Quiet:
    """Progress that nobody sees."""

    def step(self, device: str, text: str) -> None:
        """Nothing."""

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """Nothing."""

    def curves(self, text: str, curves: Sequence[Curve]) -> None:
        """Nothing."""

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """Nothing."""

    def idle(self) -> None:
        """Nothing."""


class _Look:
    """Asks the POPs' switches again and again, beside the pings, which providers are drained or down."""

    def __init__(self, controller: Controller, pings: Pings) -> None:
        self._controller = replace(controller, progress=_Quiet())
        self._pings = pings
        self._wake = Event()
        self._is_ended = False
        self._is_known = False
        self._thread = Thread(target=self._work, name="providers", daemon=True)

    def start(self) -> None:
        """Begin; a first answer is there once ``finish`` has returned."""
        self._thread.start()

    def again(self) -> None:
        """Now: something has changed."""
        self._wake.set()

    def finish(self) -> None:
        """No more of it; what is being asked is waited for, but not without end."""
        self._is_ended = True
        self._wake.set()
        self._thread.join(LAST_LOOK_S)
        if self._thread.is_alive() and not self._is_known:
            self._pings.warnings = ("which providers are drained or down is not known: their switches do not answer",)

    def _work(self) -> None:
        pops = {track.pop for track in self._pings.all}
        switches = [
            device.name
            for device in self._controller.intent(Overlay()).devices
            if device.pop in pops and device.role == "switch"
        ]
        while True:
            self._wake.clear()
            self._look(switches)
            if self._is_ended or (self._wake.wait(LOOK_INTERVAL_S) and self._is_ended):
                return

    def _look(self, switches: Sequence[str]) -> None:
        try:
            world = gather_world(self._controller, switches)
        except NetorchError as error:
            self._pings.warnings = (f"which providers are drained or down is not known: {error}",)
            return
        states = provider_states(world)
        self._is_known = True
        now_s = self._controller.clock.now()
        with self._pings.lock:
            self._pings.warnings = tuple(
                f"{name} could not be asked which providers are drained or down: {error.message}"
                for name, error in world.failures.items()
            )
            for track in self._pings.all:
                track.provider_state = states.get(
                    (track.pop, track.provider, family_of(track.destination)), ProviderState()
                )
                if track.spells:
                    since_s = min(now_s, track.provider_state.since_s or now_s)
                    track.mark_spell(now_s, since_s=max(since_s, track.spells[-1].start_s))
