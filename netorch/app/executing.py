"""``netorch exec``: any program on a host, through one provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from netorch.app.controller import Controller
from netorch.app.explaining import host_named, mark_of
from netorch.app.gather import gather_world
from netorch.app.ping_tracks import OK
from netorch.app.provider_states import provider_states
from netorch.model.request import ExecRequest
from netorch.model.types import Family

ENDLESS_S = 400 * 86400.0


@dataclass(frozen=True)
class Streams:
    """Where the program's output goes: ``out`` and ``err`` are its own, ``note`` is told what the operator ought to know."""

    out: Callable[[bytes], None]
    err: Callable[[bytes], None]
    note: Callable[[str], None]


@dataclass
class Inbox:
    """What the program gets while it runs; filled from any thread."""

    _lines: SimpleQueue[bytes | None] = field(default_factory=SimpleQueue)

    def feed(self, data: bytes) -> None:
        """Something for its standard input."""
        self._put({"in": base64.b64encode(data).decode()})

    def end(self) -> None:
        """Its standard input has ended."""
        self._put({"end": True})

    def signal(self, number: int) -> None:
        """A signal for it and all that it started."""
        self._put({"signal": number})

    def close(self) -> None:
        """Nothing more comes: it has ended."""
        self._lines.put(None)

    def lines(self) -> Iterator[bytes]:
        """Each line when it is there."""
        while (line := self._lines.get()) is not None:
            yield line

    def _put(self, document: dict[str, Any]) -> None:
        self._lines.put(json.dumps(document).encode() + b"\n")


def execute(
    controller: Controller, host: str, provider: str, command: Sequence[str], *, inbox: Inbox, streams: Streams
) -> int:
    """Run ``command`` on ``host`` with every socket of it marked for ``provider``; its exit status.

    Raises DeviceError where the host cannot do that, or has no route through the provider.
    """
    device = host_named(controller, host)
    mark = mark_of(device, provider)
    for words, families in _troubles(controller, host, provider).items():
        named = " and ".join(families)
        streams.note(f"{provider} is {words} for {named}: what it has no route for leaves by other providers")

    def take(document: dict[str, Any]) -> None:
        if "note" in document:
            streams.note(str(document["note"]))
        for name, sink in (("out", streams.out), ("err", streams.err)):
            if name in document:
                sink(base64.b64decode(document[name]))

    request = ExecRequest(provider, mark, tuple(command))
    try:
        return controller.devices(host).execute(request, sent=inbox.lines(), take=take, timeout_s=ENDLESS_S)
    finally:
        inbox.close()


def _troubles(controller: Controller, host: str, provider: str) -> dict[str, list[str]]:
    """That the provider is drained or down, as its POP's switches say, with the families that it is true of."""
    world = gather_world(controller, [host])
    states = provider_states(world)
    pop = world.intent.device(host).pop
    found: dict[str, list[str]] = {}
    for family, name in ((Family.IPV4, "IPv4"), (Family.IPV6, "IPv6")):
        state = states.get((pop, provider, family))
        if state is not None and state.state != OK:
            words = f"{state.state} ({state.note})" if state.note else state.state
            found.setdefault(words, []).append(name)
    return found
