"""What a command that was interrupted left undone."""

from __future__ import annotations

from typing import Iterable, Sequence, Tuple

from netorch.api import Deploy, Facts, Gather, IPNetwork, OverlayEntry, Report, Steps, VerbContext, behind

from .amend import covering
from .entries import NAME, Place
from .refuse import JUDGED


def bring_rest(context: VerbContext, prefix: IPNetwork, places: Iterable[Place]) -> Steps:
    """All of it was decided before, and perhaps not everywhere: whoever does not know of it yet is told. No entry shows whether
    hosts have come to originate a part, or ceased to: they are brought to it once more, after the switches, and who had missed
    it has a new generation then."""
    entries = _entries(context, prefix, places)
    switches = tuple(dict.fromkeys(name for entry in entries for name in entry.devices))
    hosts = _hosts_of_a_part(context, prefix, entries)
    late: Tuple[str, ...] = ()
    if switches:
        facts: Facts = yield Gather((*switches, *hosts), wants=())
        late = behind(entries, {name: facts[name].overlay for name in switches if name in facts})
        why = f"announcements of {prefix}"
        if late:
            yield Deploy(switches, why=why, allow=JUDGED, goes_on=True)
        if hosts:
            yield Deploy(hosts, why=why, allow=JUDGED, goes_on=True)
            after: Facts = yield Gather(hosts, wants=())
            both = [name for name in hosts if name in facts and name in after]
            late += tuple(name for name in both if facts[name].generation != after[name].generation)
    more = f"; now on {', '.join(late)} as well" if late else ""
    yield Report(text=f"{prefix}: nothing to change{more}", changed=bool(late))


def _entries(context: VerbContext, prefix: IPNetwork, places: Iterable[Place]) -> Sequence[OverlayEntry]:
    found = [context.overlay.find(place.entry_id) for place in places]
    if not any(found):  # of entries that have ended there is no place any more
        found = [entry for entry in context.overlay.entries if entry.id.startswith(f"{NAME}/{prefix}@")]
    return [entry for entry in found if entry is not None]


def _hosts_of_a_part(context: VerbContext, prefix: IPNetwork, entries: Iterable[OverlayEntry]) -> Tuple[str, ...]:
    """The hosts that originate what the prefix is a part of, where POPs do not announce it as a whole."""
    concerned = {str(entry.data.get("pop")) for entry in entries}
    pops = [pop for pop in context.inventory.pops if pop.name in concerned]
    return tuple(
        host.name
        for pop in pops
        if all(service.prefix != prefix for service in pop.prefixes)
        for host in context.intent.in_pop(pop.name, "host")
        if covering(host.originated, prefix) is not None
    )
