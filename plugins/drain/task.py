"""One drain of one POP, step by step: ask everybody to leave, wait until they have, close."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Generator, List, Mapping, Optional, Tuple

from netorch.api import (
    ChangeOverlay,
    Deploy,
    Facts,
    Gather,
    GuardRefused,
    NetorchError,
    OverlayEntry,
    Report,
    Step,
    VerbContext,
    Wait,
    merge_overlays,
    newest,
    rate_text,
)

from .entries import at_stage, new_entry
from .load import LOAD_PERCENT, refuse_overload
from .quiet import (
    History,
    Limits,
    Port,
    Watch,
    best_routes,
    bits,
    course,
    curves,
    is_quiet,
    limits_of,
    noisy,
    ports,
    rate,
    until_measured,
    until_quiet,
)
from .refuse import affected_pops, refuse_dangerous, refuse_last_of_all
from .scope import CLOSED, GRACEFUL, HOST, JUDGED, POP, PROVIDER, SWITCH, Line, Scope, concerned, keepers, typed

PREPEND = 4

COLUMNS = ("device", "interface", "circuit", "rate_before_bps", "rate_after_bps", "quiet", "waited_s")

OPTIONAL = ("waited_s", "interface")

Rows = Tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Wish:
    """What the command line wants of a drain; ``until`` in seconds since the epoch, counted from its beginning for all of the
    ``turns``, POPs that are drained one after the other."""

    reason: str
    until: Optional[float]
    wait_s: float
    keep_session: bool
    arguments: Mapping[str, Any]
    turns: int = 1


@dataclass(frozen=True)
class Task:
    """One drain: the sessions that have to be seen (``lines``), the ports that are to fall quiet, and the devices that change."""

    context: VerbContext
    scope: Scope
    wish: Wish
    lines: Tuple[Line, ...]
    ports: Tuple[Port, ...]
    devices: Tuple[str, ...]

    @property
    def sessions(self) -> Tuple[Line, ...]:
        """Those with providers that are closed."""
        return tuple(line for line in self.lines if line.session.kind == "provider")

    @property
    def limits(self) -> Limits:
        """When a port is quiet."""
        return limits_of(self.context.settings)

    def why(self, stage: str) -> str:
        """What the history of devices says of a step."""
        return f"drain {self.scope}: {stage}" + (f" ({self.wish.reason})" if self.wish.reason else "")


def new_task(context: VerbContext, scope: Scope, wish: Wish) -> Task:
    """The drain of ``scope``."""
    return Task(
        context,
        scope,
        wish,
        concerned([scope], context.intent),
        ports(scope, context.inventory, context.intent),
        keepers([scope], context.intent),
    )


def measured_devices(task: Task) -> Tuple[str, ...]:
    """Everything that is looked at before: the switches that take the traffic, and the ports that are to fall quiet."""
    intent = task.context.intent
    switches = [
        switch.name for pop in affected_pops(task.scope, task.context) for switch in intent.in_pop(pop, "switch")
    ]
    return tuple(dict.fromkeys((*switches, *(port.device for port in task.ports))))


def refuse(task: Task, facts: Facts) -> None:
    """GuardRefused for what is too dangerous; NetorchError where nobody could see what the drain does."""
    _beside_others(task, facts)(task.context)
    _within_reach(task, facts)


def _beside_others(task: Task, facts: Facts) -> Callable[[VerbContext], None]:
    """Whether the drain may still be with what others have drained by then: two who begin at the same moment must not take away
    from each other what each of them counts on."""

    def judge(now: VerbContext) -> None:
        refuse_dangerous(task.scope, task.sessions, context=now, facts=facts, arguments=task.wish.arguments)

    return judge


def _before_closing(task: Task, devices: Tuple[str, ...]) -> Generator[Step, Any, Callable[[VerbContext], None]]:
    """The same once more, as things are after the wait: what was to take over may have gone meanwhile."""
    facts: Facts = yield Gather(devices, wants=("protocols",))

    def judge(now: VerbContext) -> None:
        # Where POPs take each other's traffic, the other one's switches know of its drains.
        overlay = merge_overlays([now.overlay.entries, *(device.overlay for device in facts.values())])
        now = replace(now, overlay=overlay)
        try:
            if not task.wish.arguments["allow_last"]:
                refuse_last_of_all(task.scope, task.sessions, context=now, facts=facts)
        except GuardRefused as refused:
            refused.message = f"{refused.message}; it stays the last choice, nothing is closed"
            refused.hint = f"{refused.hint}; {_back(task.scope)} takes it back"
            raise

    return judge


def _back(scope: Scope) -> str:
    return typed("undrain", (scope.kind, scope.name), scope.pop if scope.kind == PROVIDER else None)


def run(task: Task, there: Facts) -> Generator[Step, Any, Tuple[str, Rows]]:
    """Drain it. Returns what there is to say at its end, and a row for each port. ``there`` are devices that answer: nobody waits
    again and again for one that does not."""
    context, wish = task.context, task.wish
    before = until_measured(task.limits)
    devices = tuple(name for name in measured_devices(task) if name in there)
    yield Wait(devices, until=before, what="the rate of today is measured", timeout_s=4 * task.limits.measure_s)
    facts = newest(before.history)
    refuse(task, facts)
    if not wish.arguments["allow_capacity"]:
        percent = float(context.settings.get("load_percent", LOAD_PERCENT))
        worst = refuse_overload(task.scope, task.sessions, context=context, history=before.history, percent=percent)
        if worst:
            yield Report(text=f"{task.scope}: {worst}")
    task, away = _within_reach(task, facts)
    former = {port.name: rate(before.history, port, task.limits.measure_s) for port in task.ports}

    entry = new_entry(context, task.scope, reason=wish.reason, until=wish.until, keep_session=wish.keep_session)
    task = _as_kept(task, entry)
    yield ChangeOverlay((entry,))
    judge = _beside_others(task, facts)
    yield Deploy(task.devices, why=task.why("graceful shutdown"), allow=JUDGED, goes_on=True, judge=judge)
    yield Report(text=_graceful_text(task))

    entry, history = yield from _wait(task, entry, former)
    rows = _rows(task, before=facts, after=history, former=former)
    yield Report(text="\n".join(_words(row, task.limits) for row in rows))

    if not wish.keep_session:
        judge = yield from _before_closing(task, devices)
        yield ChangeOverlay((at_stage(entry, CLOSED),))
        yield Deploy(task.devices, why=task.why("sessions closed"), allow=JUDGED, goes_on=True, judge=judge)
    return f"{task.scope}: drained, {_closed_text(task)}{_left_open(away)}", rows


def _as_kept(task: Task, entry: OverlayEntry) -> Task:
    """``task`` with the reason and the end of a drain that was begun before."""
    left_s = task.wish.wait_s if entry.until is None else (entry.until - task.context.now) / 2 / task.wish.turns
    return replace(task, wish=replace(task.wish, reason=entry.reason, wait_s=min(task.wish.wait_s, left_s)))


def _wait(
    task: Task, entry: OverlayEntry, former: Mapping[str, Optional[float]]
) -> Generator[Step, Any, Tuple[OverlayEntry, History]]:
    """Wait until the ports are quiet. After half of the time, who goes on sending although the community asks it not to is told a
    longer path as well: that much every neighbour understands."""
    prepend = int(task.context.settings.get("prepend", PREPEND))
    rest_s = task.wish.wait_s
    history: History = ()
    if prepend and rest_s and task.sessions:
        watch = until_quiet(task.ports, former, limits=task.limits)
        yield _watch(task, watch, former, timeout_s=rest_s / 2)
        history, rest_s = watch.history, rest_s / 2
        late = noisy(history, task.ports, former, limits=task.limits)
        if not late:
            return entry, history
        coming = _coming_in(history, late, task.limits)
        if coming:
            entry = at_stage(entry, GRACEFUL, prepend=prepend)
            yield ChangeOverlay((entry,))
            yield Deploy(task.devices, why=task.why("longer paths"), allow=JUDGED, goes_on=True)
            names = ", ".join(port.name for port in coming)
            yield Report(text=f"{names}: still sent to; our AS number is put in front {prepend} more times")
    watch = until_quiet(task.ports, former, limits=task.limits, seen=history)
    yield _watch(task, watch, former, timeout_s=rest_s)
    return entry, (*history, *watch.history)


def _coming_in(history: History, late: Tuple[Port, ...], limits: Limits) -> Tuple[Port, ...]:
    """Those of ``late`` that a provider goes on sending on."""
    rates = [
        (port, rate(history, replace(port, only_in=True), limits.quiet_s)) for port in late if port.circuit is not None
    ]
    return tuple(port for port, now in rates if now is not None and now > port.control)


def _watch(task: Task, until: Watch, former: Mapping[str, Optional[float]], *, timeout_s: float) -> Wait:
    names = ", ".join(port.name for port in task.ports[:4])
    more = f" and {len(task.ports) - 4} more" if len(task.ports) > 4 else ""
    what = f"{names}{more} are below {task.limits.percent:g} % of the former rate"
    devices = tuple(dict.fromkeys(port.device for port in task.ports))
    return Wait(devices, until=until, what=what, timeout_s=timeout_s, curves=curves(task.ports, former))


def _within_reach(task: Task, facts: Facts) -> Tuple[Task, Tuple[str, ...]]:
    """What can be done now, and the switches with sessions of it that cannot be asked. They learn of the drain from the others of
    their POP, by the next deploy or run that reaches them."""
    if task.scope.kind == HOST and task.scope.name not in facts:
        raise NetorchError(
            f"{task.scope}: it cannot be reached",
            hint="what it announces is its own to say; bring it back, or close its sessions",
        )
    holders = dict.fromkeys(line.device.name for line in task.lines)
    away = tuple(name for name in holders if name not in facts)
    if away and len(away) == len(holders):
        raise NetorchError(
            f"{task.scope}: no switch that holds its sessions can be reached: {', '.join(away)}",
            hint="what a drain does must be seen; bring the switch back, or close the line at the provider",
        )
    lines = tuple(line for line in task.lines if line.device.name not in away)
    return replace(task, lines=lines, ports=tuple(port for port in task.ports if port.device in facts)), away


def _graceful_text(task: Task) -> str:
    scope = task.scope
    if scope.kind == HOST:
        host = task.context.intent.device(scope.name)
        own = ", ".join(map(str, host.service))
        told = f"{scope}: told to the switches as the last choice"
        return f"{told}; flows to {own} itself go on until the last step" if own else told
    if scope.kind == POP:
        return f"{scope}: announced with graceful shutdown (RFC 8326); what leaves goes on by its usual ways"
    text = f"{scope}: announced with graceful shutdown (RFC 8326), its routes are the last choice"
    return f"{text}, hosts leave its uplinks" if scope.kind == SWITCH else text


def _closed_text(task: Task) -> str:
    if task.scope.kind == HOST:
        return "its own addresses are announced still" if task.wish.keep_session else "it announces nothing any more"
    return "its sessions stay open" if task.wish.keep_session else "its sessions are closed"


def _left_open(away: Tuple[str, ...]) -> str:
    if not away:
        return ""
    return f"; on {', '.join(away)} they are as they were, until netorch run or a deploy reaches it"


def _rows(task: Task, *, before: Facts, after: History, former: Mapping[str, Optional[float]]) -> Rows:
    """What became of each port; rates in bit/s, best routes as the switch prefers them; ``curve_bps`` the rate at each look, a
    second or so apart."""
    rows: List[Dict[str, Any]] = []
    for port in task.ports:
        circuit = port.circuit
        lines = [line for line in task.lines if circuit is not None and line.session.circuit == circuit.id]
        then, now = former.get(port.name), rate(after, port, task.limits.quiet_s)
        rows.append(
            {
                "circuit": circuit.name if circuit is not None else None,
                "provider": circuit.provider if circuit is not None else None,
                "pop": port.scope.pop,
                "device": port.device,
                "switch": circuit.switch if circuit is not None else None,
                "interface": port.interface,
                "rate_before_bps": bits(then),
                "rate_after_bps": bits(now),
                "quiet": is_quiet(now, then, port, limits=task.limits),
                "waited_s": round(after[-1][0] - after[0][0], 1) if after else 0.0,
                "curve_bps": list(course(after, port)),
                "best_routes_before": best_routes(before, lines),
                "best_routes_after": best_routes(newest(after), lines),
            }
        )
    return tuple(rows)


def _words(row: Mapping[str, Any], limits: Limits) -> str:
    quiet = "quiet" if row["quiet"] else "not quiet when the time was up"
    if row["rate_after_bps"] is None:
        quiet = f"not known to be quiet, since that takes {limits.quiet_s:g} s to tell"
    name = (
        f"{row['circuit']} ({row['switch']} {row['interface']})"
        if row["circuit"]
        else f"{row['device']} {row['interface']}"
    )
    return f"{name}: {quiet}: {_shown(row['rate_before_bps'])} before, {_shown(row['rate_after_bps'])} now"


def _shown(bits_per_s: Optional[int]) -> str:
    return "unknown" if bits_per_s is None else rate_text(bits_per_s)
