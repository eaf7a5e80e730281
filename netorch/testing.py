"""Fakes of the ports, and a small network, for tests of netorch and of plugins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Union

from netorch.api import (
    ChangeOverlay,
    CountRoutes,
    Curve,
    DaemonFacts,
    Deploy,
    DeviceFacts,
    Facts,
    Gather,
    Intent,
    Inventory,
    Item,
    Link,
    MeasureTraffic,
    Neighbour,
    Overlay,
    OverlayEntry,
    Plugin,
    Probe,
    ProbeResult,
    Protocol,
    Step,
    Verb,
    VerbContext,
    Wait,
)
from netorch.errors import NetorchError, TransportError, Unreachable
from netorch.intent import derive_intent
from netorch.inventory import load_inventory
from netorch.model.overlay import merge_overlays
from netorch.ports import Reply

Answer = Callable[[str, bytes], Reply]
"""What a fake device does: (command, standard input) -> Reply. It may raise TransportError or TimedOut."""


@dataclass(frozen=True)
class Call:
    """One command that a FakeTransport was asked to run."""

    command: str
    stdin: bytes
    timeout_s: float


@dataclass
class FakeTransport:
    """A connection whose commands ``answer`` replies to; ``calls`` keeps them in order."""

    answer: Answer
    calls: list[Call] = field(default_factory=list)
    closed: bool = False

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        doing: str = "",
        on_output: Optional[Callable[[bytes], None]] = None,
    ) -> Reply:
        """The reply of ``answer``; TransportError once the connection is closed."""
        if self.closed:
            raise TransportError("the connection is closed")
        self.calls.append(Call(command, stdin, timeout_s))
        reply = self.answer(command, stdin)
        if on_output is None:
            return reply
        on_output(reply.stdout)
        return replace(reply, stdout=b"")

    def close(self) -> None:
        """End the connection."""
        self.closed = True


class FakeConnector:
    """Devices by name: an answer each, or the error that connecting raises. Devices not named are unreachable.

    ``opened`` holds every connection as (device, transport), in order.
    """

    def __init__(self, devices: Mapping[str, Union[Answer, TransportError]]) -> None:
        self.devices = dict(devices)
        self.opened: list[tuple[str, FakeTransport]] = []

    def connect(self, device: str, *, timeout_s: float) -> FakeTransport:
        """A new connection to ``device``."""
        behaviour = self.devices.get(device, Unreachable(f"no answer within {timeout_s:g} s", where=device))
        if isinstance(behaviour, TransportError):
            raise behaviour
        transport = FakeTransport(behaviour)
        self.opened.append((device, transport))
        return transport


class FakeClock:
    """A clock that moves only when somebody waits. ``on_wait`` is called after each step, to let things happen."""

    def __init__(self, now: float = 1_700_000_000.0, on_wait: Optional[Callable[[float], None]] = None) -> None:
        self._now = now
        self._monotonic = 0.0
        self._on_wait = on_wait

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the fake was made."""
        return self._monotonic

    def wait(self, seconds: float) -> None:
        """Step ``seconds`` forward at once."""
        self._now += seconds
        self._monotonic += seconds
        if self._on_wait is not None:
            self._on_wait(seconds)


class FakeSecrets:
    """Secrets by reference."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def resolve(self, reference: str) -> str:
        """The secret, or NetorchError when there is none."""
        if reference not in self._secrets:
            raise NetorchError("the secret is missing", where=reference)
        return self._secrets[reference]


class RecordingProgress:
    """Keeps what it is told: ``steps`` as (device, text), ``outcomes`` as {device: (outcome, detail)}."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self.outcomes: dict[str, tuple[str, Optional[str]]] = {}

    def step(self, device: str, text: str) -> None:
        """Keep a step."""
        self.steps.append((device, text))

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """Nothing to keep."""

    def done(self, device: str, outcome: str, detail: Optional[str] = None) -> None:
        """Keep an outcome."""
        self.outcomes[device] = (outcome, detail)

    def curves(self, text: str, curves: Sequence[Curve]) -> None:
        """Keep the text of what is waited for."""
        self.steps.append(("", text))

    def idle(self) -> None:
        """Nothing to keep."""


class FakeNetwork:
    """Performs the steps of a plugin's verbs. ``report(seconds, overlay)`` are the facts of all devices at that time of
    ``clock``, while they hold that overlay; ``probe`` answers probes, ``measure`` what hosts are asked about a prefix.
    """

    def __init__(
        self,
        report: Callable[[float, Overlay], Facts],
        *,
        overlay: Optional[Overlay] = None,
        probe: Callable[[Probe], ProbeResult] = lambda step: ProbeResult(step.count, ()),
        measure: Callable[[Union[CountRoutes, MeasureTraffic]], Mapping[str, Any]] = lambda step: {},
    ) -> None:
        self.overlay = overlay or Overlay()
        self.clock = FakeClock()
        self._report = report
        self._probe = probe
        self._measure = measure
        self._changes: tuple[OverlayEntry, ...] = ()
        self._context: Optional[VerbContext] = None

    def run(self, plugin: Plugin, verb: str, context: VerbContext, **arguments: Any) -> tuple[Step, ...]:
        """Run ``verb`` to its end. Returns its steps in order; ``overlay`` is then what the devices hold."""
        chosen = next(one for one in plugin.verbs if one.name == verb)
        self._context = context
        steps = chosen.run(context, {**_defaults(chosen), **arguments})
        taken: list[Step] = []
        result: Any = None
        while True:
            try:
                taken.append(steps.send(result))
            except StopIteration:
                return tuple(taken)
            result = self._perform(taken[-1])

    def _perform(self, step: Step) -> Any:
        if isinstance(step, ChangeOverlay):
            self._changes = (*self._changes, *step.entries)
            return merge_overlays([self.overlay.entries, self._changes])
        if isinstance(step, Deploy):
            self._let_judge(step)
            self.overlay = merge_overlays([self.overlay.entries, self._changes])
            there = self._gather(step.devices)
            return tuple(name for name in step.devices if name not in there)
        if isinstance(step, Gather):
            return self._gather(step.devices)
        if isinstance(step, Wait):
            return self._wait(step)
        if isinstance(step, (CountRoutes, MeasureTraffic)):
            self.clock.wait(step.window_s if isinstance(step, MeasureTraffic) else 0.0)
            return self._measure(step)
        return self._probe(step) if isinstance(step, Probe) else None

    def _let_judge(self, step: Deploy) -> None:
        if self._context is not None:
            intent = self._context.intended(self.overlay.entries)
            step.judge(replace(self._context, overlay=self.overlay, intent=intent))

    def _gather(self, devices: tuple[str, ...]) -> Facts:
        facts = self._report(self.clock.monotonic(), self.overlay)
        return {name: facts[name] for name in devices if name in facts}

    def _wait(self, step: Wait) -> bool:
        history: tuple[tuple[float, Facts], ...] = ()
        deadline = self.clock.monotonic() + step.timeout_s
        while True:
            history = (*history, (self.clock.monotonic(), self._gather(step.devices)))
            if step.until(history):
                return True
            if self.clock.monotonic() >= deadline:
                return False
            self.clock.wait(step.interval_s)


def _defaults(verb: Verb) -> dict[str, Any]:
    absent: dict[str, Any] = {a.name.replace("-", "_"): () if a.many else None for a in verb.arguments}
    for option in verb.options:
        default = False if option.kind == "flag" else () if option.many else option.default
        absent[option.name.replace("-", "_")] = default
    return absent


SMALL_NETWORK = {
    "network.yml": """
        name: small
        asn: 64500
        own_prefixes: [192.0.2.0/24, 2001:db8:1::/48]
        defaults: {daemon: bird, version: 2.0.12}
        plugins: []
    """,
    "providers.yml": """
        providers:
          - {name: northtel, id: 1, asn: 64496, relation: transit}
          - {name: meadow, id: 3, asn: 64498, relation: peer}
    """,
    "pops/pop1.yml": """
        name: pop1
        switches:
          - name: sw1
            ssh: {address: 198.18.1.1}
            fabric: {interface: br0, ipv4: 10.1.1.1/24, ipv6: "fd00:1:1::1/64"}
            ports: [swp1, swp2, swp11]
        hosts:
          - name: h1
            ssh: {address: 198.18.1.11}
            service: [192.0.2.11, "2001:db8:1::11"]
            uplinks: [{interface: eth0, switch: sw1, port: swp11, ipv4: 10.1.1.11/24, ipv6: "fd00:1:1::11/64"}]
        circuits:
          - id: 1
            name: northtel-a
            provider: northtel
            switch: sw1
            port: swp1
            ipv4: {local: 203.0.113.2/30, neighbor: 203.0.113.1}
            ipv6: {local: "2001:db8:c:1::2/64", neighbor: "2001:db8:c:1::1"}
          - {id: 2, name: meadow-a, provider: meadow, switch: sw1, port: swp2,
             ipv4: {local: 203.0.113.6/30, neighbor: 203.0.113.5}}
        prefixes:
          - {prefix: 192.0.2.0/24, originators: [h1]}
          - {prefix: "2001:db8:1::/48", originators: [h1]}
    """,
}
"""An inventory by file: one POP with a switch, a host and two providers, both families on the first circuit."""


def small_inventory() -> Inventory:
    """SMALL_NETWORK, read."""
    return load_inventory(SMALL_NETWORK, folder="/inventory")


def small_intent() -> Intent:
    """The intent of SMALL_NETWORK, before any plugin amended it: devices ``sw1.pop1`` and ``h1.pop1``."""
    return derive_intent(small_inventory())


def fake_facts(
    device: str,
    *,
    items: Iterable[Item] = (),
    neighbours: Iterable[Neighbour] = (),
    links: Iterable[Link] = (),
    protocols: Iterable[Protocol] = (),
) -> DeviceFacts:
    """What a device reports whose daemon runs the configuration that it was given."""
    daemon = DaemonFacts("bird", "2.0.12", True, "stamp", "stamp", protocols=tuple(protocols))
    return DeviceFacts(
        device, "1", "base", 1, daemon, items=tuple(items), neighbours=tuple(neighbours), links=tuple(links)
    )


def fake_context(
    plugin: Plugin,
    inventory: Inventory,
    *,
    overlay: Optional[Overlay] = None,
    settings: Optional[Mapping[str, Any]] = None,
) -> VerbContext:
    """What a verb of ``plugin`` starts from when the devices hold ``overlay``; typed by ``ann`` in November 2023."""
    held = overlay or Overlay()
    own = dict(settings or {})
    plain = derive_intent(inventory)
    plain = replace(plain, settings={**plain.settings, plugin.name: own})

    def intended(entries: tuple[OverlayEntry, ...]) -> Intent:
        return plugin.amend(plain, merge_overlays([held.entries, entries]))

    return VerbContext(inventory, intended(()), held, 1_700_000_000.0, author="ann", settings=own, intended=intended)
