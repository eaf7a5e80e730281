"""``netorch arp show`` and ``netorch arp sync``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from netorch.api import (
    Argument,
    Deploy,
    Facts,
    Gather,
    Intent,
    MirrorSides,
    NextHop,
    Option,
    Report,
    Steps,
    UsageError,
    Verb,
    VerbContext,
    compare_sides,
)

_HINT = "name a POP, a host, or a switch that hosts have uplinks to"
FORCED = "force"
"""Of ``arp sync``; as a setting it reaches the plan of that command, and no other."""

_TARGET = Argument("target", "POPs, hosts, or switches whose hosts are meant", many=True, kind="targets")
_FORCE = Option(
    FORCED, "also where a MAC is held down since it changed too often: the newest one, at once", kind="flag"
)


def show(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Both sides of the mirror, one row for each next hop of each host."""
    chosen = _chosen(context.intent, arguments["target"])
    yield from _report(context.intent, chosen)


def sync(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Apply the mirror's items, and nothing else, to the hosts; then show both sides."""
    chosen = _chosen(context.intent, arguments["target"])
    hosts = tuple(dict.fromkeys(host for host, _ in chosen))
    step = Deploy(hosts, why="mirror of the providers' MAC addresses", only=frozenset({"arp_mirror"}))
    if arguments[FORCED]:
        why = f"{step.why}, of those held down too"
        step = replace(step, why=why, settings={"arp_mirror": {FORCED: True}})
    yield step
    yield from _report(context.intent, chosen)


def _chosen(intent: Intent, targets: Iterable[str]) -> Tuple[Tuple[str, NextHop], ...]:
    """The next hops of hosts in ``targets``, and those that other hosts have from switches in ``targets``."""
    wanted = set(targets)
    chosen = tuple(
        (device.name, next_hop)
        for device in intent.devices
        for next_hop in device.next_hops
        if device.name in wanted or next_hop.switch in wanted
    )
    if not chosen:
        raise UsageError("these targets have no next hops to mirror", hint=_HINT)
    return chosen


def _report(intent: Intent, chosen: Tuple[Tuple[str, NextHop], ...]) -> Steps:
    hosts = [host for host, _ in chosen]
    switches = [next_hop.switch for _, next_hop in chosen]
    devices = tuple(dict.fromkeys((*switches, *hosts)))
    facts: Facts = yield Gather(devices, wants=("neighbours", "links", "mirror", "protocols"))
    rows = mirror_rows(intent, facts, chosen)
    bad = sum(not row["ok"] for row in rows)
    text = f"{bad} of {len(rows)} next hops need a look" if bad else f"all {len(rows)} next hops are mirrored"
    if any(row["verdict"].startswith("held down") for row in rows):
        text += "; netorch arp sync --force takes the newest MAC of those held down at once"
    yield Report(text=text, rows=tuple(rows))


def mirror_rows(intent: Intent, facts: Facts, chosen: Iterable[Tuple[str, NextHop]]) -> List[Dict[str, Any]]:
    """One row for each next hop; ``ok`` is False where the host may send to a wrong MAC, or to none."""
    return [_row(sides) for sides in compare_sides(intent, facts, chosen)]


def _row(sides: MirrorSides) -> Dict[str, Any]:
    next_hop = sides.next_hop
    return {
        "host": sides.host,
        "interface": next_hop.interface,
        "next_hop": str(next_hop.address),
        "provider": next_hop.provider,
        "circuit": next_hop.circuit,
        "switch": next_hop.switch,
        "switch_mac": sides.switch_mac,
        "switch_state": sides.switch_state,
        "switch_age_s": sides.switch_age_s,
        "host_mac": sides.host_mac,
        "host_age_s": sides.host_age_s,
        "source": sides.source,
        "ok": sides.is_ok,
        "verdict": sides.verdict,
    }


VERBS = (
    Verb("arp show", "neighbours on switches and their mirror on hosts", show, arguments=(_TARGET,)),
    Verb("arp sync", "mirror the switches' neighbours to hosts, once", sync, arguments=(_TARGET,), options=(_FORCE,)),
)
