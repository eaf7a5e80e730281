"""One run of netorch: the inventory, the plugins and the ways into the world, and work on many devices at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Callable, Iterable, Mapping, Protocol, TypeVar

from netorch.api import Plugin
from netorch.app.hooks import call_hook
from netorch.errors import InternalError, NetorchError
from netorch.intent import derive_intent
from netorch.model.facts import DeviceFacts
from netorch.model.intent import Intent
from netorch.model.inventory import Inventory
from netorch.model.overlay import Overlay
from netorch.model.request import Answer, ApplyRequest, DecideRequest, FactsRequest, PingAnswer, PingRequest
from netorch.ports import Clock, Progress, Secrets
from netorch.render import TemplateSource

T = TypeVar("T")


class Device(Protocol):
    """The agent of one device, wherever it runs. Every method raises a NetorchError that names the device."""

    def facts(self, request: FactsRequest) -> DeviceFacts: ...

    def apply(self, request: ApplyRequest) -> Answer: ...

    def confirm(self, request: DecideRequest) -> Answer: ...

    def revert(self, request: DecideRequest) -> Answer: ...

    def ping(self, request: PingRequest) -> PingAnswer: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Controller:
    """Everything that a use case needs. ``devices`` gives the client of a device; the same one for the same name."""

    inventory: Inventory
    plugins: tuple[Plugin, ...]
    devices: Callable[[str], Device]
    secrets: Secrets
    templates: TemplateSource
    clock: Clock
    progress: Progress
    author: str
    workers: int = 32

    def intent(self, overlay: Overlay) -> Intent:
        """The intent of the inventory, amended by every plugin in the inventory's order."""
        intent = derive_intent(self.inventory)
        for plugin in self.plugins:
            intent = call_hook(plugin, plugin.amend, intent, overlay)
        return intent

    def each(self, names: Iterable[str], work: Callable[[str], T]) -> tuple[dict[str, T], dict[str, NetorchError]]:
        """``work`` on every device at once: results and failures by name. One device's failure never stops the others."""
        results: dict[str, T] = {}
        failures: dict[str, NetorchError] = {}
        names = tuple(names)
        if not names:
            return results, failures
        with ThreadPoolExecutor(max_workers=min(self.workers, len(names))) as executor:
            futures = {executor.submit(work, name): name for name in names}
            try:
                for future in as_completed(futures):
                    name = futures[future]
                    try:
                        results[name] = future.result()
                    except NetorchError as error:
                        failures[name] = error
                    except Exception as error:  # noqa: BLE001 - one device's failure becomes its result
                        failures[name] = InternalError(f"{type(error).__name__}: {error}", where=name)
            except BaseException:  # interrupted: what is under way ends, nothing more begins
                executor.shutdown(wait=False, cancel_futures=True)
                raise
        self.progress.idle()
        return _ordered(results, names), _ordered(failures, names)


def _ordered(found: Mapping[str, T], names: tuple[str, ...]) -> dict[str, T]:
    return {name: found[name] for name in names if name in found}
