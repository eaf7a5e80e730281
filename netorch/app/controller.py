"""One run of netorch: the inventory, the plugins and the ways into the world, and work on many devices at once."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from threading import Condition
from typing import Any, Callable, Iterable, Mapping, Protocol, TypeVar

from netorch.api import Plugin
from netorch.app.audit import Audit
from netorch.app.hooks import call_hook
from netorch.app.redaction import secret_redactor
from netorch.errors import InternalError, NetorchError, TimedOut, Unreachable
from netorch.intent import derive_intent
from netorch.model.certificate import CertifyRequest, CsrRequest
from netorch.model.facts import DeviceFacts
from netorch.model.intent import Intent
from netorch.model.inventory import Inventory
from netorch.model.overlay import Overlay
from netorch.model.rejected import RejectedAnswer, RejectedRequest
from netorch.model.request import (
    Answer,
    ApplyRequest,
    DecideRequest,
    ExecRequest,
    FactsRequest,
    Generation,
    PingAnswer,
    PingBatch,
    PingRequest,
    PingWatch,
    StoredGeneration,
)
from netorch.model.trace import InsideAnswer, InsideRequest, TraceAnswer, TraceRequest, TrafficAnswer, TrafficRequest
from netorch.ports import Clock, Progress, Secrets
from netorch.render import TemplateSource

T = TypeVar("T")

INTERRUPTED = "interrupted: nothing more begins"
KEPT_INTENTS = 2
"""Those of a run: without an overlay, and with the one that is in force."""


class Device(Protocol):
    """The agent of one device, wherever it runs. Every method raises a NetorchError that names the device."""

    def facts(self, request: FactsRequest) -> DeviceFacts: ...

    def apply(self, request: ApplyRequest) -> Answer: ...

    def confirm(self, request: DecideRequest) -> Answer: ...

    def revert(self, request: DecideRequest) -> Answer: ...

    def history(self) -> tuple[Generation, ...]: ...

    def generation(self, number: int) -> StoredGeneration: ...

    def ping(self, request: PingRequest) -> PingAnswer: ...

    def watch_pings(self, request: PingWatch, tell: Callable[[PingBatch], None]) -> None: ...

    def execute(
        self, request: ExecRequest, *, sent: Iterable[bytes], take: Callable[[dict[str, Any]], None], timeout_s: float
    ) -> int: ...

    def trace(self, request: TraceRequest) -> TraceAnswer: ...

    def inside(self, request: InsideRequest) -> InsideAnswer: ...

    def traffic(self, request: TrafficRequest) -> TrafficAnswer: ...

    def rejected(self, request: RejectedRequest) -> RejectedAnswer: ...

    def certificate_request(self, request: CsrRequest) -> Answer: ...

    def certify(self, request: CertifyRequest) -> Answer: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Silence:
    """That a device could not be reached, which counts until ``until`` (of the clock's monotonic time)."""

    error: Unreachable
    until: float


@dataclass(frozen=True)
class Controller:
    """Everything that a use case needs. ``devices`` gives the client of a device; the same one for the same name. Without
    ``audit`` nothing is put on record, as in a rehearsal. After ``ends_at`` (of the clock's monotonic time) nothing is waited
    for. ``executors`` makes what work on many devices is handed to, for so many ``workers``. ``silences`` tell, by name, which
    devices let the command wait in vain."""

    inventory: Inventory
    plugins: tuple[Plugin, ...]
    devices: Callable[[str], Device]
    secrets: Secrets
    templates: TemplateSource
    clock: Clock
    progress: Progress
    author: str
    audit: Audit | None = None
    workers: int = 32
    ends_at: float | None = None
    executors: Callable[[int], Executor] = ThreadPoolExecutor
    silences: dict[str, Silence] = field(init=False, default_factory=dict, repr=False, compare=False)
    _intents: list[tuple[Overlay, Intent]] = field(init=False, default_factory=list, repr=False, compare=False)

    @cached_property
    def redact(self) -> Callable[[str], str]:
        """Masks every secret that the inventory refers to."""
        return secret_redactor(self.inventory, self.secrets)

    def is_time_up(self) -> bool:
        """Whether nothing more may begin."""
        return self.ends_at is not None and self.clock.monotonic() >= self.ends_at

    def intent(self, overlay: Overlay) -> Intent:
        """The intent of the inventory, amended by every plugin in the inventory's order."""
        for known, intent in self._intents:
            if known == overlay:
                return intent
        intent = self._derived
        for plugin in self.plugins:
            intent = call_hook(plugin, plugin.amend, intent, overlay)
        self._intents.append((overlay, intent))
        del self._intents[:-KEPT_INTENTS]
        return intent

    @cached_property
    def _derived(self) -> Intent:
        return derive_intent(self.inventory)

    def each(self, names: Iterable[str], work: Callable[[str], T]) -> tuple[dict[str, T], dict[str, NetorchError]]:
        """``work`` on every device at once: results and failures by name. One device's failure never stops the others."""
        results: dict[str, T] = {}
        failures: dict[str, NetorchError] = {}
        names = tuple(names)
        if not names:
            return results, failures
        executor = self.executors(min(self.workers, len(names)))
        under_way = _UnderWay()
        futures: dict[Future[T], str] = {}
        left_s = None if self.ends_at is None else max(0.0, self.ends_at - self.clock.monotonic())
        try:
            for name in names:
                futures[executor.submit(under_way.run, work, name)] = name
            for future in as_completed(futures, timeout=left_s):
                name = futures[future]
                try:
                    results[name] = future.result()
                except NetorchError as error:
                    failures[name] = error
                except Exception as error:  # noqa: BLE001 - one device's failure becomes its result
                    failures[name] = InternalError(f"{type(error).__name__}: {error}", where=name)
                self.progress.advance(name, finished=len(results) + len(failures), total=len(names))
            executor.shutdown()
        except TimeoutError:
            self._leave(executor, tuple(name for name in names if name not in results | failures), failures)
        except BaseException:
            self._wind_up(executor, under_way)
            raise
        self.progress.idle()
        return _ordered(results, names), _ordered(failures, names)

    def _wind_up(self, executor: Executor, under_way: _UnderWay) -> None:
        """Interrupted: what is under way ends, nothing more begins. Whoever interrupts again does not wait for it either."""
        executor.shutdown(wait=False, cancel_futures=True)
        try:
            self.progress.step("", f"{INTERRUPTED}; what is under way ends first, unless you interrupt again")
            under_way.wait()
        except KeyboardInterrupt:
            for name in under_way.names():
                self.devices(name).close()
            under_way.wait()  # each ends with the error of its connection
            raise
        finally:
            self.progress.idle()

    def _leave(self, executor: Executor, names: tuple[str, ...], failures: dict[str, NetorchError]) -> None:
        """The time is up: whoever has not answered is cut off."""
        executor.shutdown(wait=False, cancel_futures=True)
        for name in names:
            failures[name] = TimedOut("the time of this run was up before it answered", where=name)
            self.devices(name).close()


class _UnderWay:
    """The devices that are worked on at this moment; known also where the main thread was interrupted in the middle of handing
    work in."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._changed = Condition()

    def run(self, work: Callable[[str], T], name: str) -> T:
        """Do the work, as a device that is under way."""
        with self._changed:
            self._names.add(name)
        try:
            return work(name)
        finally:
            with self._changed:
                self._names.discard(name)
                self._changed.notify_all()

    def names(self) -> tuple[str, ...]:
        """Whoever is not done."""
        with self._changed:
            return tuple(self._names)

    def wait(self) -> None:
        """Return when nobody is under way any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._names)


def _ordered(found: Mapping[str, T], names: tuple[str, ...]) -> dict[str, T]:
    return {name: found[name] for name in names if name in found}
