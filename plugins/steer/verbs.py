"""``netorch steer``, ``unsteer`` and ``steers``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Generator, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    ChangeOverlay,
    CountRoutes,
    Deploy,
    Facts,
    Family,
    Gather,
    IPNetwork,
    MeasureTraffic,
    NetorchError,
    OverlayEntry,
    Report,
    RoutesInside,
    Step,
    Steps,
    UsageError,
    VerbContext,
    Wait,
    behind,
    did_you_mean,
    family_of,
    newest,
    rate_text,
    read_network,
)

from .entries import NAME, Steering, ended, new_entry, steer_row, steerings
from .guards import (
    MAX_LOAD_PERCENT,
    NO_ROUTE,
    OK,
    lines_of,
    load_of,
    provider_state,
    refuse_absent,
    refuse_overload,
    worst_case,
)

MEASURE_S = 3.0
HOLD_S = 10.0
SHORTEST_S = 60.0
COLUMNS = ("prefix", "via", "pop", "routes", "routes_of_all", "prefix_bps", "provider_bps", "capacity_bps")
OPTIONAL = ("routes_of_all", "routes", "provider_bps")
_MEASURED = ("links", "protocols")


def steer(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Make a provider's routes to a prefix, and inside it, the first choice of every host."""
    prefix = _prefix(context, arguments["prefix"])
    wanted = _wanted(context, prefix, arguments["via"], pop=arguments["pop"])
    lasts_s = arguments["for"]
    if lasts_s is not None and lasts_s < SHORTEST_S:
        raise UsageError(f"--for {lasts_s:g}s: expected {SHORTEST_S:g}s or more", hint="--for 2h")
    until = None if lasts_s is None else context.now + lasts_s
    wanted = yield from _deployed(context, wanted)
    rows = []
    for steering in wanted:
        rows.append((yield from _judge(context, steering, arguments)))
    reason = arguments["reason"] or ""
    entries = tuple(new_entry(context, steering, reason=reason, until=until) for steering in wanted)
    name = f"{prefix} via {wanted[0].provider}"
    away = yield from _carry_out(context, entries, f"steer {name}" + (f": {reason}" if reason else ""))
    pops = ", ".join(steering.pop for steering in wanted)
    yield Report(
        text=f"{name}: steered in {pops}{_later(away)}",
        rows=tuple(rows),
        changed=True,
        columns=COLUMNS,
        optional=OPTIONAL,
    )


def unsteer(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """End the steers of a prefix."""
    prefix = _network(arguments["prefix"])
    known = steerings(context.overlay)
    pop = arguments["pop"]
    there = list(dict.fromkeys([*(one.name for one in context.inventory.pops), *(s.pop for _, s in known)]))
    if pop is not None and pop not in there:
        raise UsageError(f"no POP {pop!r}", hint=did_you_mean(pop, there, otherwise="POPs are "))
    ending = [(e, s) for e, s in known if s.prefix == prefix and pop in (None, s.pop)]
    if not ending:
        place = f" in {pop}" if pop else ""
        near = did_you_mean(str(prefix), sorted({str(s.prefix) for _, s in known}), otherwise="steered are ")
        late = yield from _bring_rest(context, prefix, pop)
        more = f"; now on {', '.join(late)} as well" if late else f"; {near}" if near else ""
        yield Report(text=f"{prefix}: not steered{place}{more}", changed=bool(late))
        return
    entries = tuple(ended(entry, context) for entry, _ in ending)
    reason = arguments["reason"] or ""
    away = yield from _carry_out(context, entries, f"unsteer {prefix}" + (f": {reason}" if reason else ""))
    pops = ", ".join(steering.pop for _, steering in ending)
    yield Report(text=f"{prefix}: no longer steered in {pops}{_later(away)}", changed=True)


def steers(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Every steer, and what has become of it."""
    known = steerings(context.overlay)
    if not known:
        yield Report(text="nothing is steered", changed=False)
        return
    pops = dict.fromkeys(steering.pop for _, steering in known)
    switches = tuple(device.name for pop in pops for device in context.intent.in_pop(pop, "switch"))
    facts: Facts = yield Gather(switches, wants=("protocols",))
    rows: List[Dict[str, Any]] = []
    # Of drains that devices have still.
    present = replace(context, intent=context.present() if context.present else context.intent)
    for entry, steering in known:
        state: Optional[str] = provider_state(lines_of(present, steering), facts)
        if state in (OK, None):
            inside: Mapping[str, RoutesInside] = yield CountRoutes(_hosts(context, steering.pop), steering.prefix)
            has_route = any(found.by_provider.get(steering.provider) for found in inside.values())
            state = OK if has_route else NO_ROUTE if inside and state == OK else None
        rows.append(steer_row(entry, steering, state))
    fallen = sum(row["state"] not in (OK, None) for row in rows)
    text = f"{len(rows)} steered" + (f", {fallen} fallen back" if fallen else "")
    yield Report(text=text, rows=tuple(rows), changed=False, optional=("since", "author"))


def _deployed(context: VerbContext, wanted: Tuple[Steering, ...]) -> Generator[Step, Any, Tuple[Steering, ...]]:
    """Those of ``wanted`` whose POP has a host that was ever deployed: the others' hosts have nothing to steer yet. NetorchError
    where that is all of them."""
    hosts = tuple(name for steering in wanted for name in _hosts(context, steering.pop))
    facts: Facts = yield Gather(hosts, wants=())
    new = [
        steering
        for steering in wanted
        if (there := [facts[name] for name in _hosts(context, steering.pop) if name in facts])
        and all(host.generation == 0 for host in there)
    ]
    if not new:
        return wanted
    pops = ", ".join(steering.pop for steering in new)
    if len(new) == len(wanted):
        raise NetorchError("no host was ever deployed", where=pops, hint=f"netorch deploy {new[0].pop}, then steer")
    yield Report(text=f"{pops}: left out, since no host there was ever deployed")
    return tuple(steering for steering in wanted if steering not in new)


def ended_by(arguments: Mapping[str, Any]) -> str:
    """The command that ends the steer of the same words."""
    return " ".join(("netorch unsteer", arguments["prefix"], *_in(arguments)))


def again(arguments: Mapping[str, Any]) -> str:
    """The command that steers the prefix again."""
    return " ".join(("netorch steer", arguments["prefix"], "--via PROVIDER", *_in(arguments)))


def _in(arguments: Mapping[str, Any]) -> Tuple[str, ...]:
    return ("--pop", arguments["pop"]) if arguments["pop"] else ()


def _judge(
    context: VerbContext, steering: Steering, arguments: Mapping[str, Any]
) -> Generator[Step, Any, Dict[str, Any]]:
    """What the steer will mean, as a row; GuardRefused for what ``arguments`` do not allow."""
    switches = tuple(device.name for device in context.intent.in_pop(steering.pop, "switch"))
    hosts = _hosts(context, steering.pop)
    inside: Mapping[str, RoutesInside] = yield CountRoutes(hosts, steering.prefix)
    if not inside:
        raise NetorchError(
            f"no host of {steering.pop} can be asked for its routes",
            where=steering.pop,
            hint="what a steer does must be seen: bring a host back first",
        )
    before: Facts = yield Gather(switches, wants=_MEASURED)
    if not arguments["allow_absent"]:
        refuse_absent(context, steering, before, inside=inside)
    step = MeasureTraffic(hosts, steering.prefix, MEASURE_S, by_provider=True)
    sent: Mapping[str, Mapping[str, float]] = yield step
    after: Facts = yield Gather(switches, wants=_MEASURED)
    percent = float(context.settings.get("max_load_percent", MAX_LOAD_PERCENT))
    all_bps = sum(rate for rates in sent.values() for rate in rates.values())
    there_bps = sum(rates.get(steering.provider, 0.0) for rates in sent.values())
    coming_bps = all_bps - there_bps
    load = load_of(context, steering, before, after=after, coming_bps=coming_bps)
    if not arguments["allow_capacity"]:
        refuse_overload(steering, load, coming_bps=coming_bps, there_bps=there_bps, percent=percent)
    worst = worst_case(load, percent)
    if worst:
        yield Report(text=f"{steering}: {rate_text(coming_bps)} more{worst}")
    return {
        "prefix": str(steering.prefix),
        "via": steering.provider,
        "pop": steering.pop,
        "routes": max(found.by_provider.get(steering.provider, 0) for found in inside.values()),
        "routes_of_all": max(found.all for found in inside.values()),
        "prefix_bps": round(all_bps),
        "provider_bps": None if load.now_bps is None else round(load.now_bps),
        "capacity_bps": load.capacity_bps or None,
        "coming_bps": round(coming_bps),
        "fullest_circuit": load.fullest,
        "fullest_percent": None if load.fullest_percent is None else round(load.fullest_percent, 1),
    }


def _carry_out(
    context: VerbContext, entries: Sequence[OverlayEntry], why: str
) -> Generator[Step, Any, Tuple[str, ...]]:
    """Hosts first: if they go back, no switch ever knows of it. Who could not be reached."""
    pops = dict.fromkeys(str(entry.data["pop"]) for entry in entries)
    hosts = tuple(name for pop in pops for name in _hosts(context, pop))
    switches = tuple(device.name for pop in pops for device in context.intent.in_pop(pop, "switch"))
    yield ChangeOverlay(tuple(entries))
    away = yield Deploy(hosts, why=why, goes_on=True)
    more = yield Deploy(switches, why=why, goes_on=True)
    # Also where --check ends: what is told after this has been done.
    yield Wait(switches, until=_held(entries), what="the switches hold it", timeout_s=HOLD_S, wants=())
    return tuple(dict.fromkeys((*(away or ()), *(more or ()))))


def _bring_rest(context: VerbContext, prefix: IPNetwork, pop: Optional[str]) -> Generator[Step, Any, Tuple[str, ...]]:
    """A steer that was ended, and not everywhere: tell who does not know of it, and return them."""
    stones = [
        entry
        for entry in context.overlay.entries
        if entry.removed and entry.data.get("prefix") == str(prefix) and pop in (None, entry.data.get("pop"))
        if entry.plugin == NAME
    ]
    switches = tuple(dict.fromkeys(name for entry in stones for name in entry.devices))
    if not switches:
        return ()
    facts: Facts = yield Gather(switches, wants=())
    late = behind(stones, {name: device.overlay for name, device in facts.items()})
    if late:
        yield Deploy(switches, why=f"unsteer {prefix}", goes_on=True)
    return late


def _held(entries: Sequence[OverlayEntry]) -> Callable[[Tuple[Tuple[float, Facts], ...]], bool]:
    """Whether every switch that answers holds ``entries``, or newer ones."""
    wanted = {entry.id: entry.version for entry in entries}

    def is_held(history: Tuple[Tuple[float, Facts], ...]) -> bool:
        return all(
            any(held.id == name and held.version >= version for held in facts.overlay)
            for device, facts in newest(history).items()
            for name, version in wanted.items()
            if any(entry.id == name and device in entry.devices for entry in entries)
        )

    return is_held


def _later(away: Sequence[str]) -> str:
    return f"; {', '.join(away)} will know by the next netorch run or deploy" if away else ""


def _hosts(context: VerbContext, pop: str) -> Tuple[str, ...]:
    return tuple(device.name for device in context.intent.in_pop(pop, "host"))


def _network(text: str) -> IPNetwork:
    try:
        return read_network(text)
    except ValueError as error:
        raise UsageError(f"expected a prefix such as 1.144.0.0/16, found {text!r}", hint=str(error)) from None


def _prefix(context: VerbContext, text: str) -> IPNetwork:
    """A prefix that some provider's route may have, or hold."""
    prefix = _network(text)
    if prefix.prefixlen == 0:
        raise UsageError(
            f"{prefix}: expected a part of the Internet", hint="which provider is preferred at all is the inventory's"
        )
    policy = context.inventory.policy
    longest = (policy.ipv4 if family_of(prefix) is Family.IPV4 else policy.ipv6).max_length
    if prefix.prefixlen > longest:
        wider = prefix.supernet(new_prefix=longest)
        raise UsageError(
            f"{prefix}: routes longer than /{longest} are accepted of nobody, so that nothing would ever match",
            hint=f"steer {wider}; single programs choose by a mark (docs/marks.md)",
        )
    for own in context.inventory.own_prefixes:
        if own.version == prefix.version and prefix.overlaps(own) and own.prefixlen <= prefix.prefixlen:
            raise UsageError(f"{prefix} is part of the own prefix {own}", hint="no provider's route to it is accepted")
    return prefix


def _wanted(context: VerbContext, prefix: IPNetwork, via: Optional[str], *, pop: Optional[str]) -> Tuple[Steering, ...]:
    """The steers that are asked for, in the inventory's order of POPs."""
    providers = list(dict.fromkeys(circuit.provider for circuit in context.intent.circuits))
    if via is None:
        raise UsageError("--via is missing, expected a provider", hint=f"providers are {', '.join(providers)}")
    pops = [one.name for one in context.inventory.pops]
    if pop is not None and pop not in pops:
        raise UsageError(f"no POP {pop!r}", hint=did_you_mean(pop, pops, otherwise="POPs are "))
    found = tuple(
        Steering(prefix, via, name) for name in pops if pop in (None, name) and _has_circuit(context, via, name, prefix)
    )
    if not found:
        family = "IPv4" if family_of(prefix) is Family.IPV4 else "IPv6"
        place = f" in {pop}" if pop else ""
        hint = did_you_mean(via, providers, otherwise="providers are ")
        raise UsageError(f"no provider {via!r} with an {family} circuit{place}", hint=hint)
    return found


def _has_circuit(context: VerbContext, via: str, pop: str, prefix: IPNetwork) -> bool:
    circuits = context.inventory.pop(pop).circuits
    return any(c.provider == via and c.addresses(family_of(prefix)) is not None for c in circuits)
