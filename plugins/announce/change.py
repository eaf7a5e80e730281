"""``netorch announce`` and ``netorch withdraw``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Generator, List, Mapping, Optional, Tuple

from netorch.api import (
    Ask,
    ChangeOverlay,
    Deploy,
    Facts,
    Gather,
    NetorchError,
    OverlayEntry,
    PrefixExport,
    Report,
    Step,
    Steps,
    UsageError,
    VerbContext,
    Wait,
    counted,
    did_you_mean,
    newest,
    one_line,
    utc_text,
)

from .entries import REASON_BYTES, Place, Wish, ended, new_entry, wishes
from .hear import HEARD, LATER, UNKNOWN, Hearing, hearing_row, hears_now, lines, once_reached, rpki_states, will_hear
from .refuse import JUDGED, Change, refuse_invalid, refuse_last, refuse_long, refuse_many, takes_away
from .rest import bring_rest
from .scope import Scope, read_export, read_prefix, resolve

SHORTEST_S = 60.0
"""A change of devices takes seconds: what lasts no longer would be past its time before it is there."""

HEARD_WITHIN_S = 30.0
COLUMNS = ("provider", "circuit", "before", "after")


@dataclass(frozen=True)
class Task:
    """What one command is about: the entries that it makes, and what people are told of it."""

    scope: Scope
    entries: Tuple[OverlayEntry, ...]
    why: str
    until: Optional[float]

    @property
    def pops(self) -> Tuple[str, ...]:
        """Where it changes something."""
        return tuple(dict.fromkeys(str(entry.data["pop"]) for entry in self.entries))


def announce(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Make the named providers hear PREFIX with just what is asked."""
    if arguments["as_inventory"]:
        yield from _take_back(context, arguments)
        return
    scope = resolve(context, arguments["prefix"], pop=arguments["pop"], providers=arguments["to"])
    if scope.parts and not arguments["allow_long"]:
        refuse_long(context, scope)
    wanted = {place: _wish(context, scope, place, arguments=arguments) for place in scope.places}
    yield from _bring(context, scope, wanted, verb="announce", arguments=arguments)


def taken_back_by(arguments: Mapping[str, Any]) -> str:
    """The command that takes what the same words ask for back; none where they take back themselves."""
    if arguments.get("as_inventory"):
        return ""
    pop = f" --pop {arguments['pop']}" if arguments["pop"] else ""
    return f"netorch announce {arguments['prefix']}{pop} --as-inventory"


def _take_back(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """End what was changed about PREFIX, also of one that the inventory has no more."""
    more = [name for name in ("prepend", "community", "action", "for") if arguments[name]]
    if more:
        raise UsageError(f"--as-inventory and --{more[0]}: expected one of them", hint="netorch announce --help")
    scope = Scope(read_prefix(arguments["prefix"]), (), ())
    _refuse_unknown(context, arguments)
    held = [wish.place for _, wish in wishes(context.overlay) if wish.place.prefix == scope.prefix]
    named = [
        place
        for place in held
        if arguments["pop"] in (None, place.pop) and (not arguments["to"] or place.provider in arguments["to"])
    ]
    yield from _bring(
        context, scope, dict.fromkeys(named), verb="announce as the inventory has it", arguments=arguments
    )


def _refuse_unknown(context: VerbContext, arguments: Mapping[str, Any]) -> None:
    """UsageError for a POP or provider that is neither in the inventory nor in an entry."""
    places = [wish.place for _, wish in wishes(context.overlay)]
    pops = dict.fromkeys([*(pop.name for pop in context.inventory.pops), *(place.pop for place in places)])
    providers = dict.fromkeys([*(one.name for one in context.inventory.providers), *(p.provider for p in places)])
    pop = arguments["pop"]
    if pop is not None and pop not in pops:
        raise UsageError(f"no POP {pop!r}", hint=did_you_mean(pop, pops, otherwise="there are "))
    for name in arguments["to"]:
        if name not in providers:
            raise UsageError(f"no provider {name!r}", hint=did_you_mean(name, providers, otherwise="there are "))


def withdraw(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Keep PREFIX from the named providers."""
    scope = resolve(context, arguments["prefix"], pop=arguments["pop"], providers=arguments["from"])
    if scope.parts and arguments["for"] is not None:
        raise UsageError(
            f"--for: {scope.prefix} is announced because of this plugin alone, and would not come back by itself",
            hint="withdraw it, and announce it again",
        )
    wanted: Dict[Place, Optional[Wish]] = {
        place: None if scope.is_part(place) else Wish(place, PrefixExport(scope.prefix, withheld=True))
        for place in scope.places
    }
    yield from _bring(context, scope, wanted, verb="withdraw", arguments=arguments)


def _wish(context: VerbContext, scope: Scope, place: Place, *, arguments: Mapping[str, Any]) -> Optional[Wish]:
    """What the place is to hear; None where that is what the inventory says."""
    export = read_export(context, scope, place.provider, arguments)
    if export == PrefixExport(scope.prefix) and not scope.is_part(place):
        return None
    return Wish(place, export, tuple(arguments["action"]))


def _bring(
    context: VerbContext,
    scope: Scope,
    wanted: Mapping[Place, Optional[Wish]],
    *,
    verb: str,
    arguments: Mapping[str, Any],
) -> Steps:
    task = _task(context, scope, wanted, verb=verb, arguments=arguments)
    if not task.entries:
        yield from bring_rest(context, scope.prefix, wanted)
        return
    here = tuple(switch.name for pop in task.pops for switch in context.intent.in_pop(pop, "switch"))
    asn = context.intent.asn
    wants = ("protocols", "announced", "validators", f"origin {scope.prefix} {asn}")
    facts: Facts = yield Gather(here, wants=wants)
    changes = _changes(context, task, facts)
    elsewhere = tuple(one.name for one in context.intent.devices if one.role == "switch" and one.name not in here)
    takes = takes_away(changes)
    if elsewhere and takes:  # whether somebody else goes on to announce it
        there: Facts = yield Gather(elsewhere, wants=wants)
        facts = {**facts, **there}
    state = rpki_states(facts, asn).get(scope.prefix)
    rows = _rows(task, changes, state)
    yield Report(text=_preview(task, changes, state), rows=rows, columns=COLUMNS)
    _refuse(context, task, changes, facts=facts, state=state, arguments=arguments)
    if not arguments["yes"]:
        yield Ask(f"Change {counted(sum(before != after for _, before, after in changes), 'announcement')}?")

    def judge(now: VerbContext) -> None:
        # Somebody else may have drained a provider, or withheld it from another, a moment ago. Where this takes nothing from
        # anybody, what is gone since is theirs, and nobody has asked other POPs.
        if takes and not arguments["allow_last"]:
            refuse_last(now, task.scope, _changes(now, task, facts), entries=task.entries, facts=facts)

    away = yield from _carry_out(context, task, judge)
    yield from _compare(context, task, changes, away=away)


def _refuse(
    context: VerbContext,
    task: Task,
    changes: Tuple[Change, ...],
    *,
    facts: Facts,
    state: Optional[str],
    arguments: Mapping[str, Any],
) -> None:
    refuse_many(context, changes, arguments["allow_changes"])
    if not arguments["allow_last"]:
        refuse_last(context, task.scope, changes, entries=task.entries, facts=facts)
    if not arguments.get("allow_invalid"):
        refuse_invalid(task.scope, state, changes, asn=context.intent.asn)


def _task(
    context: VerbContext,
    scope: Scope,
    wanted: Mapping[Place, Optional[Wish]],
    *,
    verb: str,
    arguments: Mapping[str, Any],
) -> Task:
    lasts_s, reason = arguments["for"], arguments["reason"] or ""
    if lasts_s is not None and lasts_s < SHORTEST_S:
        raise UsageError(f"--for {lasts_s:g}s: expected {SHORTEST_S:g}s or more", hint="--for 2h")
    until = context.now + lasts_s if lasts_s is not None else None
    held = {wish.place: (entry, wish) for entry, wish in wishes(context.overlay)}
    entries: List[OverlayEntry] = []
    for place, wish in sorted(wanted.items(), key=lambda item: item[0].entry_id):
        entry, former = held.get(place, (None, None))
        if wish is None and entry is not None:
            entries.append(ended(entry, context, reason=reason))
        elif wish is not None and (
            entry is None or _says_more(entry, reason) or (former, entry.until) != (wish, until)
        ):
            entries.append(new_entry(context, wish, reason=reason, until=until))
    why = f"{verb} {scope.prefix}" + (f": {reason}" if reason else "")
    return Task(scope, tuple(entries), why, until if any(not entry.removed for entry in entries) else None)


def _says_more(entry: OverlayEntry, reason: str) -> bool:
    """Whether ``reason`` is another than the entry's; one that is not given again stays."""
    return bool(reason) and one_line(reason, max_bytes=REASON_BYTES) != entry.reason


def _changes(context: VerbContext, task: Task, facts: Facts) -> Tuple[Change, ...]:
    """What every provider of the POPs concerned hears of the prefix, and will hear."""
    after, prefix = context.intended(task.entries), task.scope.prefix
    found = []
    for line in lines(context.intent, prefix, task.pops):
        before = hears_now(line, prefix, facts, intent=context.intent)
        heard = will_hear(line, prefix, facts, intent=after)
        if line.device.name not in facts:
            later = once_reached(line, prefix, intent=after)
            heard = before if later == once_reached(line, prefix, intent=context.intent) else later
        found.append((line, before, heard))
    return tuple(found)


def _rows(task: Task, changes: Tuple[Change, ...], state: Optional[str]) -> Tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "prefix": str(task.scope.prefix),
            "pop": line.device.pop,
            "switch": line.device.name,
            "provider": line.session.peer,
            "circuit": line.circuit,
            "session": line.session.name,
            "before": str(before),
            "after": str(after) if after != before else "the same",
            "changes": after != before,
            **hearing_row("_before", before),
            **hearing_row("_after", after),
            "rpki": state,
            "until": utc_text(task.until) if task.until is not None else None,
        }
        for line, before, after in changes
    )


def _preview(task: Task, changes: Tuple[Change, ...], state: Optional[str]) -> str:
    count = sum(before != after for _, before, after in changes)
    words = [
        f"{task.scope.prefix} in {', '.join(task.pops)}: {count} of {counted(len(changes), 'announcement')} would change"
    ]
    if task.until is not None:
        words.append(f"until {utc_text(task.until)}")
    if state is not None:
        words.append(f"RPKI: {state}")
    return ", ".join(words)


def _carry_out(
    context: VerbContext, task: Task, judge: Callable[[VerbContext], None]
) -> Generator[Step, Any, Tuple[str, ...]]:
    """Switches first: they keep what was decided, let a part in, and stop announcing before hosts stop originating."""
    yield ChangeOverlay(task.entries)
    switches = tuple(switch.name for pop in task.pops for switch in context.intent.in_pop(pop, "switch"))
    away: Tuple[str, ...] = yield Deploy(switches, why=task.why, allow=JUDGED, goes_on=True, judge=judge)
    hosts = _originators(context, task)
    if hosts:
        away += yield Deploy(hosts, why=task.why, allow=JUDGED, goes_on=True)
    return away


def _originators(context: VerbContext, task: Task) -> Tuple[str, ...]:
    """The hosts that begin or cease to originate the prefix."""
    after, prefix = context.intended(task.entries), task.scope.prefix
    return tuple(
        host.name
        for pop in task.pops
        for host in context.intent.in_pop(pop, "host")
        if (prefix in host.originated) != (prefix in after.device(host.name).originated)
    )


def _compare(context: VerbContext, task: Task, changes: Tuple[Change, ...], *, away: Tuple[str, ...]) -> Steps:
    """Wait until providers hear what was previewed, and tell where they do not."""
    intent, prefix = context.intended(task.entries), task.scope.prefix
    told = [
        (line, after)
        for line, _, after in changes
        if after.state != UNKNOWN and after.remark != LATER and line.device.name not in away
    ]
    seen: Dict[Tuple[str, str], Hearing] = {}

    def is_heard(history: Tuple[Tuple[float, Facts], ...]) -> bool:
        facts = newest(history)
        seen.update({line.key: hears_now(line, prefix, facts, intent=intent) for line, _ in told})
        return all(seen[line.key] == after for line, after in told)

    switches = tuple(dict.fromkeys(line.device.name for line, _ in told))
    what, wants = "providers hear what was previewed", ("protocols", "announced")
    if not (yield Wait(switches, until=is_heard, what=what, timeout_s=HEARD_WITHIN_S, wants=wants)):
        wrong = [
            f"{line.session.peer} ({line.circuit}) hears: {seen[line.key]}, expected: {after}"
            for line, after in told
            if seen[line.key] != after
        ]
        raise NetorchError(
            f"{prefix}: not all is heard as previewed: {'; '.join(wrong)}",
            hint="netorch announcements shows what is heard, netorch status why",
        )
    heard = sum(after.state == HEARD for _, after in told)
    late = f"; {', '.join(away)} once netorch run or a deploy reaches it" if away else ""
    text = f"{prefix}: as previewed, announced over {heard} of {counted(len(told), 'session')}{late}"
    yield Report(text=text, changed=True)
