"""lossguard: a prefix leaves a provider while that loses too many packets, and comes back afterwards."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Dict, Mapping, Optional, Tuple

from netorch.api import (
    Argument,
    ChangeOverlay,
    Deploy,
    DeviceIntent,
    Intent,
    IPNetwork,
    Option,
    Overlay,
    OverlayEntry,
    Plugin,
    Probe,
    ProbeResult,
    Report,
    Steer,
    Steps,
    UsageError,
    Verb,
    VerbContext,
    provider_ids,
)


def entry_id(prefix: object, pop: str) -> str:
    """One overlay entry for each prefix and POP."""
    return f"lossguard/{prefix}@{pop}"


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Hosts of the POP prefer the provider that an entry names, where nobody else steers the prefix."""
    ids = provider_ids(intent)
    moved: Dict[str, Tuple[Steer, ...]] = {}
    for entry in overlay.active("lossguard"):
        pop, prefix, to = (entry.data.get(key) for key in ("pop", "prefix", "to"))
        if isinstance(pop, str) and isinstance(prefix, str) and to in ids:
            moved[pop] = (*moved.get(pop, ()), Steer(ip_network(prefix), to, ids[to]))

    def steered(device: DeviceIntent) -> DeviceIntent:
        taken = {steer.prefix for steer in device.steers}
        more = tuple(steer for steer in moved.get(device.pop, ()) if steer.prefix not in taken)
        return replace(device, steers=(*device.steers, *more)) if device.role == "host" and more else device

    return intent.with_devices(steered)


def loss_percent(result: ProbeResult) -> Optional[float]:
    """None where nothing left through the provider's table: it has no route."""
    return 100.0 * (result.sent - len(result.rtts_ms)) / result.sent if result.sent else None


def choose(watched: str, losses: Mapping[str, Optional[float]], limit: float) -> Optional[str]:
    """The provider to take: the watched one while it is good enough, else the one that loses least, None where none is good."""
    good = {name: loss for name, loss in losses.items() if loss is not None and loss <= limit}
    if watched in good:
        return watched
    return min(good, key=lambda name: (good[name], name), default=None)


def find_prefix(text: str) -> IPNetwork:
    """The prefix that somebody typed."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no prefix: {error}", hint="such as 198.51.100.0/24") from None


def lossguard(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Probe every provider, and move the prefix where that is due."""
    prefix, watched, pop, limit = (
        find_prefix(arguments["prefix"]),
        arguments["provider"],
        arguments["pop"],
        arguments["limit"],
    )
    hosts = [host for host in context.intent.in_pop(pop or "", "host") if host.tables]
    if not hosts:
        known = sorted({device.pop for device in context.intent.devices})
        raise UsageError(f"--pop: no POP {pop!r} with hosts", hint=f"POPs are {', '.join(known)}")
    tables = {table.provider: table.number for table in hosts[0].tables}
    if watched not in tables:
        raise UsageError(f"no provider {watched!r} in {pop}", hint=f"providers are {', '.join(tables)}")

    target = prefix[min(1, prefix.num_addresses - 1)]
    losses: Dict[str, Optional[float]] = {}
    for provider, mark in tables.items():
        result: ProbeResult = yield Probe(hosts[0].name, target, mark, arguments["count"], interval_s=0.02)
        losses[provider] = loss_percent(result)
    former = context.overlay.find(entry_id(prefix, pop))
    now = str(former.data.get("to")) if former is not None and not former.removed else watched
    to = choose(watched, losses, limit) or now

    if to != now:
        switches = tuple(device.name for device in context.intent.in_pop(pop, "switch"))
        entry = OverlayEntry(
            id=entry_id(prefix, pop),
            version=former.version + 1 if former is not None else 1,
            plugin="lossguard",
            devices=switches,
            author=context.author,
            created=context.now,
            reason=f"{watched} loses {_words(losses[watched])}",
            removed=to == watched,
            data={"pop": pop, "prefix": str(prefix), "to": to},
        )
        yield ChangeOverlay((entry,))
        yield Deploy((*switches, *(host.name for host in hosts)), why=f"lossguard: {prefix} through {to}")
    rows = tuple(
        {"prefix": str(prefix), "provider": name, "loss_percent": loss, "takes_it": name == to}
        for name, loss in losses.items()
    )
    text = f"{prefix} in {pop}: moved from {now} to {to}" if to != now else f"{prefix} in {pop}: stays with {to}"
    if losses[to] is None or losses[to] > limit:
        text += f", which loses {_words(losses[to])}: no other is better than the limit"
    yield Report(text=text, rows=rows, changed=to != now)


def _words(loss: Optional[float]) -> str:
    return "everything: it has no route" if loss is None else f"{loss:.0f} %"


PLUGIN = Plugin(
    name="lossguard",
    help="moves a prefix away from a provider that loses too much, and back",
    amend=amend,
    verbs=(
        Verb(
            "lossguard",
            "move a prefix away from a provider that loses too much, and back",
            lossguard,
            arguments=(
                Argument("prefix", "where the packets go"),
                Argument("provider", "the provider that is to take them while it loses little"),
            ),
            options=(
                Option("pop", "the POP"),
                Option("limit", "how much may be lost, in percent", kind="int", default=5),
                Option("count", "packets through each provider", kind="int", default=100),
            ),
        ),
    ),
)
