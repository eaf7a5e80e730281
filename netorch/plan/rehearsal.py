"""Judges a rehearsal: what a POP's twin showed before and after a change, to findings and a verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import AbstractSet, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

from netorch.errors import GuardRefused
from netorch.model.observation import Finding, Heard, HostTable, Moved, Observation, Probe, Trial, WatchedSession
from netorch.model.types import IPNetwork

EXAMPLES = 5

DEPLOY, LEAK, VANISH, RESET, DOWN, LOST_ROUTES, LOSS = (
    "deploy",
    "leak",
    "vanish",
    "resets",
    "session-down",
    "lost-routes",
    "packet-loss",
)
"""What a rehearsal refuses beside the guards of ``netorch deploy``, of which ``resets`` is one."""

GAP_MS = 250.0
"""Silence that a person on the line would notice; single packets get lost on a busy machine too."""


def judge(
    before: Observation,
    after: Observation,
    *,
    sessions: Sequence[WatchedSession],
    allowed: AbstractSet[IPNetwork],
    probes: Sequence[Probe],
    trial: Trial,
    asn: int,
) -> Tuple[Finding, ...]:
    """Everything worth saying about a change, what a guard refuses first; () when it changes nothing that can be seen.

    ``allowed`` are the prefixes that may be announced to providers, ``asn`` is our own.
    """
    found: List[Finding] = [*trial.refusals]
    found += [Finding(DEPLOY, device, words, DEPLOY) for device, words in trial.failures]
    found += _session_findings(before, after, sessions, foreseen=trial.foreseen)
    found += _announcement_findings(before, after, allowed=allowed, asn=asn)
    found += _route_findings(moves(before, after))
    found += _inbound_findings(before, after)
    found += _loss_findings(probes)
    return tuple(sorted(found, key=lambda finding: not finding.guard))


def exit_code(findings: Iterable[Finding]) -> int:
    """0 when nothing is refused, else that of a refusing guard."""
    return GuardRefused.exit_code if any(finding.guard for finding in findings) else 0


# ---- sessions ----------------------------------------------------------------------------------------------------


def _session_findings(
    before: Observation,
    after: Observation,
    sessions: Sequence[WatchedSession],
    *,
    foreseen: Mapping[Tuple[str, str], str],
) -> Iterator[Finding]:
    for session in sessions:
        ends = [end for end in session.ends if end in before.sessions or end in after.sessions]
        was_up = any(before.sessions[end].up for end in ends if end in before.sessions)
        is_up = any(after.sessions[end].up for end in ends if end in after.sessions)
        words = next((foreseen[end] for end in session.ends if end in foreseen), "")
        planned = f"the plan says so: {words}" if words else "the plan does not foresee it"
        seen = [end[0] for end in ends if before.sessions.get(end) != after.sessions.get(end)]
        if was_up and not is_up:
            yield Finding(DOWN, session.label, f"goes down and does not come back; {planned}", DOWN)
        elif was_up and seen:
            yield Finding(RESET, session.label, f"resets, as seen by {' and '.join(seen)}; {planned}", RESET)
        elif is_up and not was_up:
            yield Finding("session-up", session.label, f"comes up; {planned}")
        elif words:
            state = "stays up" if is_up else "was down and stays down"
            yield Finding("unseen", session.label, f"{state}, although the plan says: {words}")


# ---- what providers hear -----------------------------------------------------------------------------------------


def _announcement_findings(
    before: Observation, after: Observation, *, allowed: AbstractSet[IPNetwork], asn: int
) -> Iterator[Finding]:
    old, new = _by_provider(before.heard), _by_provider(after.heard)
    ours = allowed | {one.prefix for one in before.heard if _is_ours(one, asn)}
    for provider in sorted(old.keys() | new.keys()):
        had, has = old.get(provider, {}), new.get(provider, {})
        foreign = sorted((prefix for prefix in has if prefix not in allowed), key=_order)
        leaked = [prefix for prefix in foreign if prefix not in had]
        if leaked:
            message = f"hears {len(leaked)} prefixes that are not ours to announce"
            yield Finding(LEAK, provider, message, LEAK, _examples(leaked, has))
        if len(foreign) > len(leaked):
            already = [prefix for prefix in foreign if prefix in had]
            message = f"hears {len(already)} prefixes that are not ours to announce, already now"
            yield Finding("leaks-already", provider, message, examples=_examples(already, has))
        for prefix in sorted(ours, key=_order):
            if prefix in had and prefix not in has:
                yield Finding(VANISH, provider, f"no longer hears {prefix}", VANISH, _examples([prefix], had))
            elif prefix in has and prefix not in had and prefix in allowed:
                yield Finding("appear", provider, f"hears {prefix}", examples=_examples([prefix], has))
            elif prefix in has and had[prefix] != has[prefix]:
                was, now = "; ".join(had[prefix]), "; ".join(has[prefix])
                yield Finding("attributes", provider, f"hears {prefix} otherwise: {now} (was {was})")
        ended = [prefix for prefix in sorted(had, key=_order) if prefix not in has and prefix not in ours]
        if ended:
            message = f"no longer hears {len(ended)} prefixes that are not ours to announce"
            yield Finding("leak-ends", provider, message, examples=_examples(ended, had))


def _is_ours(heard: Heard, asn: int) -> bool:
    """Whether it is a prefix that we originate; single addresses are never meant to be heard."""
    return set(heard.as_path) == {str(asn)} and heard.prefix.prefixlen < heard.prefix.max_prefixlen


def _by_provider(heard: Iterable[Heard]) -> Dict[str, Dict[IPNetwork, Tuple[str, ...]]]:
    """How each provider hears each prefix, in words, over all its circuits."""
    found: Dict[str, Dict[IPNetwork, Dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for one in sorted(heard, key=lambda one: (one.circuit, one.as_path, one.communities)):
        communities = f" communities {' '.join(one.communities)}" if one.communities else ""
        found[one.provider][one.prefix][f"path {' '.join(one.as_path)}{communities}"] = None
    return {provider: {p: tuple(words) for p, words in prefixes.items()} for provider, prefixes in found.items()}


def _examples(prefixes: Sequence[IPNetwork], heard: Mapping[IPNetwork, Tuple[str, ...]]) -> Tuple[str, ...]:
    return tuple(f"{prefix} {'; '.join(heard[prefix])}" for prefix in prefixes[:EXAMPLES])


# ---- where hosts send --------------------------------------------------------------------------------------------


def moves(before: Observation, after: Observation) -> Tuple[Moved, ...]:
    """How each host's routes differ, every host and family that has any; an unchanged one has no moves."""
    old = {(table.host, table.family): table for table in before.tables}
    new = {(table.host, table.family): table for table in after.tables}
    keys = dict.fromkeys((*old, *new))
    empty: Mapping[IPNetwork, Tuple[str, ...]] = {}
    found = []
    for key in keys:
        had = old[key].providers if key in old else empty
        has = new[key].providers if key in new else empty
        if had or has:
            found.append(_moved(HostTable(*key, had), HostTable(*key, has)))
    return tuple(found)


def _moved(before: HostTable, after: HostTable) -> Moved:
    had, has = before.providers, after.providers
    both = [prefix for prefix in had if prefix in has and had[prefix] != has[prefix]]
    lost = [prefix for prefix in had if prefix not in has]
    gained = [prefix for prefix in has if prefix not in had]
    lines = [f"{p} {_way(had.get(p))} -> {_way(has.get(p))}" for p in sorted((*both, *lost, *gained), key=_order)]
    return Moved(
        before.host,
        before.family,
        before=_counts(had),
        after=_counts(has),
        moved=len(both),
        gained=len(gained),
        lost=len(lost),
        examples=tuple(lines[:EXAMPLES]),
    )


def _way(providers: Tuple[str, ...] | None) -> str:
    return "+".join(providers) if providers else "nowhere"


def _counts(table: Mapping[IPNetwork, Tuple[str, ...]]) -> Dict[str, int]:
    counted = Counter("+".join(providers) for providers in table.values())
    return {name: counted[name] for name in sorted(counted)}


def _route_findings(moved: Iterable[Moved]) -> Iterator[Finding]:
    for one in moved:
        subject = f"{one.host} {one.family.value}"
        if one.lost:
            message = f"loses the route to {one.lost} prefixes"
            yield Finding(LOST_ROUTES, subject, message, LOST_ROUTES, one.examples)
        elif one.moved or one.gained:
            message = f"{one.moved} prefixes move to another provider, {one.gained} are new"
            yield Finding("routes", subject, message, examples=one.examples)


def _inbound_findings(before: Observation, after: Observation) -> Iterator[Finding]:
    for prefix in sorted(before.inbound.keys() | after.inbound.keys(), key=_order):
        had, has = before.inbound.get(prefix), after.inbound.get(prefix)
        if had == has:
            continue
        if has is None:
            yield Finding(VANISH, "Internet", f"{prefix} is no longer reachable through any provider", VANISH)
        else:
            was = f"{had[0]}, path {' '.join(had[1])}" if had else "nobody"
            message = f"{prefix} comes in through {has[0]}, path {' '.join(has[1])} (was {was})"
            yield Finding("inbound", "Internet", message)


# ---- packets -----------------------------------------------------------------------------------------------------


def _loss_findings(probes: Iterable[Probe]) -> Iterator[Finding]:
    for way, group in _by_way(probes).items():
        silent = [f"{probe.node} to {probe.destination}" for probe in group if not probe.answered]
        lossy = [probe for probe in group if probe.answered and probe.lost]
        if lossy:
            worst = max(probe.longest_gap_ms for probe in lossy)
            message = f"{len(lossy)} of {len(group)} probes lose packets, {worst:.0f} ms in a row at most"
            yield Finding("loss", way, message, LOSS if worst >= GAP_MS else "", tuple(map(_loss, lossy[:EXAMPLES])))
        if silent:
            message = (
                f"{len(silent)} of {len(group)} probes were not answered before the change either: they say nothing"
            )
            yield Finding("no-answer", way, message, examples=tuple(silent[:EXAMPLES]))


def _by_way(probes: Iterable[Probe]) -> Dict[str, List[Probe]]:
    ways: Dict[str, List[Probe]] = defaultdict(list)
    for probe in probes:
        ways[f"hosts via {probe.via}" if probe.via else "Internet to hosts"].append(probe)
    return ways


def _loss(probe: Probe) -> str:
    gap = f"{probe.longest_gap_ms:.0f} ms in a row"
    return f"{probe.node} to {probe.destination}: {probe.lost} of {probe.sent} packets, {gap}"


def _order(prefix: IPNetwork) -> Tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen
