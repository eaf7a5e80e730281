"""What a command that was interrupted left undone."""

from __future__ import annotations

from typing import Sequence

from netorch.api import Deploy, Facts, Gather, Report, Steps, VerbContext, behind

from .scope import HOST, JUDGED, Scope, keepers


def bring_rest(context: VerbContext, scopes: Sequence[Scope], state: str) -> Steps:
    """Somebody has decided on ``scopes``, and there is nothing to decide any more: whoever does not know of it yet is told. The
    last step of a host's drain is the host's own, and no entry shows it."""
    title = "; ".join(map(str, scopes))
    found = (context.overlay.find(scope.entry_id) for scope in scopes)
    entries = [entry for entry in found if entry is not None]
    late: Sequence[str] = ()
    if entries:
        switches = tuple(dict.fromkeys(name for entry in entries for name in entry.devices))
        facts: Facts = yield Gather(switches, wants=())
        late = behind(entries, {name: device.overlay for name, device in facts.items()})
    if late or (entries and any(scope.kind == HOST for scope in scopes)):
        yield Deploy(keepers(scopes, context.intent), why=f"{title}: {state}", allow=JUDGED, goes_on=True)
    more = f"; now on {', '.join(late)} as well" if late else ""
    yield Report(text=f"{title}: {state}{more}", changed=bool(late))
