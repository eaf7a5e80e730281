"""``netorch announcements``."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from netorch.api import Facts, Gather, IPNetwork, OverlayEntry, Report, Steps, VerbContext, counted, utc_text

from .entries import Place, Wish, wishes
from .hear import DOWN, HEARD, Line, hearing_row, hears_now, lines, rpki_states, will_hear
from .scope import known_parts

COLUMNS = ("pop", "prefix", "provider", "circuit", "hears")
CHANGES = ("prefix", "pop", "provider", "change", "author", "until", "reason")

Held = Mapping[Place, Tuple[OverlayEntry, Wish]]


def announcements(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """What every provider hears of every own prefix, as devices say it, and who changed what about it."""
    chosen = set(arguments["target"])
    switches = tuple(d.name for d in context.intent.devices if d.role == "switch" and (not chosen or d.name in chosen))
    if not switches:
        yield Report(text="no switch among these", changed=False)
        return
    asn = context.intent.asn
    origins = tuple(f"origin {prefix} {asn}" for prefix in _all_prefixes(context))
    facts: Facts = yield Gather(switches, wants=("protocols", "announced", "validators", *origins))
    held: Held = {wish.place: (entry, wish) for entry, wish in wishes(context.overlay)}
    states = rpki_states(facts, asn)
    rows = tuple(
        _row(context, line, prefix, facts=facts, held=held, states=states) for line, prefix in _lines(context, switches)
    )
    yield Report(text=_words(rows), rows=rows, columns=(*COLUMNS, "rpki") if states else COLUMNS, changed=False)
    pops = {context.intent.device(name).pop for name in switches}
    changes = tuple(_change_row(entry, wish) for entry, wish in held.values() if wish.place.pop in pops)
    if changes:
        yield Report(
            text="changed by netorch announce and withdraw:",
            rows=changes,
            columns=CHANGES,
            changed=False,
            optional=("author", "pop"),
        )


def _all_prefixes(context: VerbContext) -> Tuple[IPNetwork, ...]:
    return tuple(dict.fromkeys(prefix for pop in context.inventory.pops for prefix in _prefixes(context, pop.name)))


def _prefixes(context: VerbContext, pop: str) -> Tuple[IPNetwork, ...]:
    """What the POP announces, and the parts of it that were announced."""
    own = (service.prefix for service in context.inventory.pop(pop).prefixes)
    found = dict.fromkeys((*own, *known_parts(context.overlay, pop)))
    return tuple(sorted(found, key=lambda one: (one.version, int(one.network_address), one.prefixlen)))


def _lines(context: VerbContext, switches: Tuple[str, ...]) -> Iterator[Tuple[Line, IPNetwork]]:
    for pop in context.inventory.pops:
        for prefix in _prefixes(context, pop.name):
            for line in lines(context.intent, prefix, (pop.name,)):
                if line.device.name in switches:
                    yield line, prefix


def _row(
    context: VerbContext, line: Line, prefix: IPNetwork, *, facts: Facts, held: Held, states: Mapping[IPNetwork, str]
) -> Mapping[str, Any]:
    hearing = hears_now(line, prefix, facts, intent=context.intent)
    meant = will_hear(line, prefix, facts, intent=context.intent)
    entry, wish = held.get(Place(prefix, line.device.pop, line.session.peer), (None, None))
    return {
        "pop": line.device.pop,
        "prefix": str(prefix),
        "provider": line.session.peer,
        "circuit": line.circuit,
        "switch": line.device.name,
        "session": line.session.name,
        "hears": str(hearing),
        **hearing_row("", hearing),
        "as_intended": hearing == meant or hearing.state == DOWN,
        "rpki": states.get(prefix),
        **_entry_row(entry, wish),
    }


def _entry_row(entry: Optional[OverlayEntry], wish: Optional[Wish]) -> Dict[str, Any]:
    if entry is None or wish is None:
        return dict.fromkeys(("change", "author", "since", "until", "reason"))
    return {
        "change": str(wish),
        "author": entry.author,
        "since": utc_text(entry.created),
        "until": utc_text(entry.until) if entry.until is not None else None,
        "reason": entry.reason or None,
    }


def _change_row(entry: OverlayEntry, wish: Wish) -> Mapping[str, Any]:
    export = wish.export
    return {
        "prefix": str(wish.place.prefix),
        "pop": wish.place.pop,
        "provider": wish.place.provider,
        **_entry_row(entry, wish),
        "withheld": export.withheld,
        "prepend": export.prepend,
        "communities": [":".join(map(str, one)) for one in export.communities],
        "large_communities": [":".join(map(str, one)) for one in export.large_communities],
        "actions": list(wish.actions),
    }


def _words(rows: Tuple[Mapping[str, Any], ...]) -> str:
    heard = sum(row["state"] == HEARD for row in rows)
    text = f"{heard} of {counted(len(rows), 'possible announcement')} heard by providers"
    wrong = [f"{row['prefix']} to {row['circuit']}" for row in rows if not row["as_intended"]]
    return f"{text}\nnot as intended: {', '.join(wrong)}: netorch plan tells more" if wrong else text
