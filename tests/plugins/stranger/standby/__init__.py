"""standby: keeps a provider as a reserve. Its sessions stay up, its routes are the last choice in both directions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from netorch.api import (
    Argument,
    ChangeOverlay,
    Deploy,
    DeviceIntent,
    Facts,
    Gather,
    Intent,
    Option,
    Overlay,
    OverlayEntry,
    Plugin,
    Report,
    Session,
    Steps,
    UsageError,
    Verb,
    VerbContext,
)


def entry_id(provider: str, pop: str) -> str:
    """One overlay entry for each provider and POP; it starts with the plugin's name."""
    return f"standby/{provider}@{pop}"


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Sessions of standby providers: our AS number prepended going out, a low local preference coming in."""
    reserves = {entry.id for entry in overlay.active("standby")}
    settings = intent.settings.get("standby", {})
    prepend, preference = int(settings.get("prepend", 3)), int(settings.get("local_preference", 10))

    def in_reserve(device: DeviceIntent, session: Session) -> Session:
        if session.kind != "provider" or entry_id(session.peer, device.pop) not in reserves:
            return session
        incoming, outgoing = session.import_policy, session.export_policy
        return replace(
            session,
            import_policy=replace(incoming, local_preference=preference) if incoming else None,
            export_policy=replace(outgoing, prepend=outgoing.prepend + prepend) if outgoing else None,
        )

    return intent.with_sessions(in_reserve)


def standby(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Make a provider the reserve of a POP, or with --off an ordinary provider again."""
    provider, pop, is_off = arguments["provider"], arguments["pop"], arguments["off"]
    sessions = {
        device.name: [s.name for s in device.sessions if s.kind == "provider" and s.peer == provider]
        for device in context.intent.in_pop(pop, "switch")
    }
    if not any(sessions.values()):
        known = sorted({circuit.provider for circuit in context.intent.circuits})
        raise UsageError(f"no provider {provider!r} in {pop!r}", hint=f"providers are {', '.join(known)}")
    former = context.overlay.find(entry_id(provider, pop))
    is_reserve = former is not None and not former.removed
    if is_reserve != is_off:
        yield Report(text=f"{provider} in {pop}: nothing to change", changed=False)
        return

    switches = tuple(sessions)
    entry = OverlayEntry(
        id=entry_id(provider, pop),
        version=former.version + 1 if former is not None else 1,  # higher than any version ever, removed ones too
        plugin="standby",
        devices=switches,
        author=context.author,
        created=context.now,
        removed=is_off,
    )
    yield ChangeOverlay((entry,))
    yield Deploy(switches, why=f"standby {provider}: {'off' if is_off else 'on'}")

    facts: Facts = yield Gather(switches, wants=("protocols",))
    rows = []
    for device, names in sessions.items():
        for name in names:
            protocol = facts[device].protocol(name) if device in facts else None
            rows.append({"device": device, "session": name, "bgp_state": protocol.bgp_state if protocol else None})
    what = "an ordinary provider again" if is_off else "the reserve now"
    yield Report(text=f"{provider} in {pop} is {what}", rows=tuple(rows), changed=True)


PLUGIN = Plugin(
    name="standby",
    help="keeps a provider as a reserve",
    amend=amend,
    settings=("prepend", "local_preference"),
    verbs=(
        Verb(
            "standby",
            "make a provider the reserve of a POP",
            standby,
            arguments=(Argument("provider", "the provider's name"), Argument("pop", "the POP")),
            options=(Option("off", "make it an ordinary provider again", kind="flag"),),
        ),
    ),
)
