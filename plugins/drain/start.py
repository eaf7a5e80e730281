"""``netorch drain``: ask neighbours to leave, wait until they have, close."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    ChangeOverlay,
    Deploy,
    Facts,
    Gather,
    NetorchError,
    Overlay,
    Report,
    Steps,
    UsageError,
    VerbContext,
    Wait,
    newest,
)

from .entries import at_stage, new_entry
from .quiet import (
    MEASURE_S,
    WINDOW_S,
    History,
    Port,
    Watch,
    best_routes,
    is_quiet,
    measured,
    ports,
    rate,
    until_quiet,
)
from .refuse import refuse_dangerous
from .scope import CLOSED, KINDS, Line, Scope, all_scopes, covered, drains, resolve

_JUDGED = frozenset({"last", "capacity", "empty"})
"""Guards of a deploy that a drain has answered by its own before it begins."""


@dataclass(frozen=True)
class Drain:
    """What one run of the verb is about."""

    scopes: Tuple[Scope, ...]
    lines: Tuple[Line, ...]
    ports: Tuple[Port, ...]
    switches: Tuple[str, ...]
    reason: str
    until: Optional[float]
    wait_s: float
    keep_session: bool

    @property
    def name(self) -> str:
        """``provider northtel in pop1, pop2``."""
        pops = ", ".join(scope.pop for scope in self.scopes)
        return f"{self.scopes[0].kind} {self.scopes[0].name} in {pops}"


def drain(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Drain a provider, circuit or switch, in every POP where it has circuits unless one is named."""
    words = tuple(arguments["name"] or ())
    if not words or (len(words) == 1 and words[0] in KINDS):
        yield _candidates(context, words)
        return
    known = [scope for kind in KINDS for scope in all_scopes(context.inventory, kind)]
    scopes = resolve(words, arguments["pop"], known)
    keep_session = bool(arguments["keep_session"])
    pending = tuple(scope for scope in scopes if not _is_drained(context.overlay, scope, keep_session=keep_session))
    if not pending:
        yield Report(text=f"{'; '.join(map(str, scopes))}: already drained", changed=False)
        return
    task = _task(context, arguments, pending)
    yield from _run(context, task, arguments)


def _candidates(context: VerbContext, words: Sequence[str]) -> Report:
    in_force = {scope: entry for entry, scope in drains(context.overlay)}
    rows = tuple(
        {
            "kind": scope.kind,
            "name": scope.name,
            "pop": scope.pop,
            "sessions": len(covered([scope], context.intent)),
            "drain": in_force[scope].data.get("stage") if scope in in_force else None,
        }
        for kind in (words or KINDS)
        for scope in all_scopes(context.inventory, kind)
    )
    return Report(text="name one of these to drain it", rows=rows, changed=False)


def _is_drained(overlay: Overlay, scope: Scope, *, keep_session: bool) -> bool:
    entry = overlay.find(scope.entry_id)
    if entry is None or entry.removed:
        return False
    return entry.data.get("stage") == CLOSED or (keep_session and bool(entry.data.get("keep_session")))


def _task(context: VerbContext, arguments: Mapping[str, Any], scopes: Tuple[Scope, ...]) -> Drain:
    lasts_s = arguments["for"]
    if lasts_s is not None and lasts_s <= 0:
        raise UsageError(f"--for {lasts_s:g}s: expected a duration above zero", hint="--for 2h")
    lines = covered(scopes, context.intent)
    pops = tuple(dict.fromkeys(scope.pop for scope in scopes))
    return Drain(
        scopes=scopes,
        lines=lines,
        ports=ports(scopes, context.inventory, lines),
        switches=tuple(switch.name for pop in pops for switch in context.intent.in_pop(pop, "switch")),
        reason=arguments["reason"] or "",
        until=context.now + lasts_s if lasts_s is not None else None,
        wait_s=arguments["wait"],
        keep_session=bool(arguments["keep_session"]),
    )


def _run(context: VerbContext, task: Drain, arguments: Mapping[str, Any]) -> Steps:
    facts: Facts = yield Gather(task.switches, wants=("links", "protocols"))
    for scope in task.scopes:
        refuse_dangerous(scope, task.lines, context=context, facts=facts, arguments=arguments)
    task, away = _within_reach(task, facts)
    before = Watch(measured)
    yield _watch(task, before, what="the rate of today is measured", timeout_s=4 * MEASURE_S)
    former = {port.circuit.name: rate(before.history, port, MEASURE_S) for port in task.ports}

    entries = tuple(
        new_entry(context, scope, reason=task.reason, until=task.until, keep_session=task.keep_session)
        for scope in task.scopes
    )
    yield ChangeOverlay(entries)
    yield Deploy(task.switches, why=_why(task, "graceful shutdown"), allow=_JUDGED, goes_on=True)
    yield Report(text=f"{task.name}: announced with graceful shutdown (RFC 8326), its routes are the last choice")

    after = until_quiet(task.ports, former)
    names = ", ".join(port.circuit.name for port in task.ports)
    yield _watch(task, after, what=f"{names} are below 1 % of the former rate", timeout_s=task.wait_s)
    rows = _rows(task, before=facts, after=after.history, former=former)
    yield Report(text="\n".join(_words(row) for row in rows))

    if not task.keep_session:
        yield ChangeOverlay(tuple(at_stage(entry, CLOSED) for entry in entries))
        yield Deploy(task.switches, why=_why(task, "sessions closed"), allow=_JUDGED, goes_on=True)
    sessions = "its sessions stay open" if task.keep_session else "its sessions are closed"
    yield Report(text=f"{task.name}: drained, {sessions}{_left_open(away)}", rows=rows, changed=True)


def _within_reach(task: Drain, facts: Facts) -> Tuple[Drain, Tuple[str, ...]]:
    """What can be done now, and the switches with sessions of it that cannot be asked. They learn of the drain from the others of
    their POP, by the next deploy or run that reaches them."""
    holders = dict.fromkeys(line.device.name for line in task.lines)
    away = tuple(name for name in holders if name not in facts)
    if away and len(away) == len(holders):
        raise NetorchError(
            f"{task.name}: no switch that holds its sessions can be reached: {', '.join(away)}",
            hint="what a drain does must be seen; bring the switch back, or close the line at the provider",
        )
    lines = tuple(line for line in task.lines if line.device.name not in away)
    return replace(task, lines=lines, ports=tuple(port for port in task.ports if port.circuit.switch not in away)), away


def _left_open(away: Sequence[str]) -> str:
    if not away:
        return ""
    return f"; on {', '.join(away)} they are as they were, until netorch run or a deploy reaches it"


def _why(task: Drain, stage: str) -> str:
    return f"drain {task.name}: {stage}" + (f" ({task.reason})" if task.reason else "")


def _watch(task: Drain, until: Watch, *, what: str, timeout_s: float) -> Wait:
    switches = tuple(dict.fromkeys(port.circuit.switch for port in task.ports))
    return Wait(switches, until=until, what=what, timeout_s=timeout_s, wants=("links", "protocols"))


def _rows(
    task: Drain, *, before: Facts, after: History, former: Mapping[str, Optional[float]]
) -> Tuple[Mapping[str, Any], ...]:
    """What became of each port; rates in bit/s, best routes as the switch prefers them."""
    rows: List[Dict[str, Any]] = []
    for port in task.ports:
        lines = [line for line in task.lines if line.session.circuit == port.circuit.id]
        then, now = former.get(port.circuit.name), rate(after, port, WINDOW_S)
        rows.append(
            {
                "circuit": port.circuit.name,
                "provider": port.circuit.provider,
                "pop": port.scope.pop,
                "switch": port.circuit.switch,
                "interface": port.circuit.port,
                "rate_before_bps": _bits(then),
                "rate_after_bps": _bits(now),
                "quiet": is_quiet(now, then, port),
                "best_routes_before": best_routes(before, lines),
                "best_routes_after": best_routes(newest(after), lines),
            }
        )
    return tuple(rows)


def _words(row: Mapping[str, Any]) -> str:
    quiet = "quiet" if row["quiet"] else "not quiet when the time was up"
    if row["rate_after_bps"] is None:
        quiet = f"not known to be quiet, since that takes {WINDOW_S:g} s to tell"
    rates = f"{_shown(row['rate_before_bps'])} before, {_shown(row['rate_after_bps'])} now"
    return f"{row['circuit']} ({row['switch']} {row['interface']}): {quiet}: {rates}"


def _bits(octets_per_s: Optional[float]) -> Optional[int]:
    return None if octets_per_s is None else round(octets_per_s * 8)


def _shown(bits_per_s: Optional[int]) -> str:
    if bits_per_s is None:
        return "unknown"
    amount, units = float(bits_per_s), ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g} {units[0]}"
