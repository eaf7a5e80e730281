"""What registries say of providers: asked anew, held against the last good answer, kept; and told of where it is old."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from netorch.errors import NetorchError, UsageError
from netorch.io import bgpq4
from netorch.io.registry_files import (
    IRR,
    PEERINGDB,
    Problem,
    answer_path,
    is_damaged,
    read_problem,
    read_registered,
    write_irr,
    write_peeringdb,
    write_problem,
)
from netorch.model.inventory import Inventory, Provider
from netorch.model.sources import IrrAnswer, PeeringDbAnswer, Registered, Registries
from netorch.model.text import did_you_mean, utc_text
from netorch.model.types import Family

UPDATED, UNCHANGED, HELD, FAILED = "updated", "unchanged", "held back", "failed"
DAY_S = 86400.0
_SHOWN = 3

Answer = TypeVar("Answer", IrrAnswer, PeeringDbAnswer)


@dataclass(frozen=True)
class Outcome:
    """What came of one question. ``result`` is UPDATED, UNCHANGED, HELD or FAILED; ``message`` says more, ``hint`` what to do."""

    provider: str
    kind: str
    result: str
    message: str
    hint: str = ""


def with_registered(inventory: Inventory) -> Inventory:
    """``inventory`` with the last good answers about its providers."""
    folder = inventory.registries.folder
    asked = (provider.name for provider in inventory.providers if provider.irr or provider.peeringdb)
    return replace(inventory, registered={name: read_registered(folder, name) for name in asked})


def update_registries(
    inventory: Inventory, names: Sequence[str], *, accept: bool, now: float, tell: Callable[[Outcome], None]
) -> tuple[Outcome, ...]:
    """Ask about the providers ``names``, all where there are none, several at once; ``tell`` is given each outcome as it comes.

    A failed or empty answer, and one that changes too much unless it is to be accepted, leaves the last good one in place.
    """
    questions = list(_questions(inventory, names))
    if not questions:
        hint = "providers.yml: irr: AS-NAME, or peeringdb: true"
        raise UsageError("no provider of the inventory is looked up anywhere", hint=hint)

    def ask(question: tuple[Provider, str]) -> Outcome:
        provider, kind = question
        outcome = _asked(inventory, provider, kind, accept=accept, now=now)
        tell(outcome)
        return outcome

    with ThreadPoolExecutor(inventory.registries.parallel) as executor:
        futures = [executor.submit(ask, question) for question in questions]
        try:
            return tuple(future.result() for future in futures)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _questions(inventory: Inventory, names: Sequence[str]) -> Iterator[tuple[Provider, str]]:
    known = [provider.name for provider in inventory.providers]
    for name in names:
        if name not in known:
            raise UsageError(
                f"expected a provider, found {name!r}", hint=did_you_mean(name, known, otherwise="one of ")
            )
        provider = inventory.provider(name)
        if provider.irr is None and not provider.peeringdb:
            raise UsageError(f"{name} is looked up nowhere", hint="providers.yml: irr: AS-NAME, or peeringdb: true")
    for provider in inventory.providers:
        if not names or provider.name in names:
            if provider.irr is not None:
                yield provider, IRR
            if provider.peeringdb:
                yield provider, PEERINGDB


def _asked(inventory: Inventory, provider: Provider, kind: str, *, accept: bool, now: float) -> Outcome:
    registries = inventory.registries
    before = inventory.registered.get(provider.name, Registered())
    try:
        if kind == IRR:
            outcome = _irr(inventory, provider, before.irr, accept=accept, now=now)
        else:
            outcome = _peeringdb(registries, provider, before.peeringdb, accept=accept, now=now)
    except NetorchError as error:
        held = before.irr if kind == IRR else before.peeringdb
        kept = f"the answer of {utc_text(held.fetched)} stays" if held else "there is none to go on with"
        outcome = Outcome(provider.name, kind, FAILED, f"{error}; {kept}", error.hint)
    problem = Problem(now, outcome.message) if outcome.result in (HELD, FAILED) else None
    try:
        write_problem(registries.folder, kind, provider.name, problem)
    except NetorchError as error:
        if outcome.result != FAILED:  # a full disk has been told of already
            outcome = Outcome(provider.name, kind, FAILED, f"{outcome.result}, but {error}", error.hint)
    return outcome


def _irr(inventory: Inventory, provider: Provider, before: IrrAnswer | None, *, accept: bool, now: float) -> Outcome:
    registries = inventory.registries
    if registries.irr is None or provider.irr is None:
        raise NetorchError("there is no IRR that could be asked")
    answer = bgpq4.look_up(registries.irr, provider.irr.name, timeout_s=registries.timeout_s, now=now)
    left_out = bgpq4.too_short(answer)
    ipv4, ipv6 = (tuple(p for p in found if p not in left_out) for found in (answer.ipv4, answer.ipv6))
    if not ipv4 and not ipv6:
        raise NetorchError(f"the answer is empty: {_some(left_out)} is more than anybody holds")
    answer = replace(answer, ipv4=ipv4, ipv6=ipv6)
    if before is not None and before.as_set != answer.as_set:
        before = None  # a list of something else says nothing about this one
    lists = (("AS number", "asns"), ("IPv4 prefix", "ipv4"), ("IPv6 prefix", "ipv6"))
    changes = [_change(_plural(name), getattr(before, key, ()), getattr(answer, key)) for name, key in lists]
    total = ", ".join(_total(len(getattr(answer, key)), name) for name, key in lists)
    if left_out:
        total += f" (left out, since nobody holds so much: {_some(left_out)})"
    doubts = _damage(registries, IRR, provider)
    if before is None:
        doubts += _missing_families(inventory, provider, answer)
    else:
        doubts += [change.words for change in changes if change.is_too_large(registries)]
    if doubts and not accept:
        return _held(provider.name, IRR, doubts, before)
    write_irr(registries.folder, provider.name, answer)
    said = "; ".join(change.words for change in changes if change.count)
    if before is None or said:
        return Outcome(provider.name, IRR, UPDATED, total if before is None else f"{total}: {said}")
    return Outcome(provider.name, IRR, UNCHANGED, total)


def _peeringdb(
    registries: Registries, provider: Provider, before: PeeringDbAnswer | None, *, accept: bool, now: float
) -> Outcome:
    if registries.peeringdb is None:
        raise NetorchError("there is no address of PeeringDB's API")
    from netorch.io import peeringdb  # HTTP takes long to import, and every command reads what is registered

    answer = peeringdb.look_up(registries.peeringdb, provider.asn, timeout_s=registries.timeout_s, now=now)
    if before is not None and before.asn != answer.asn:
        before = None
    doubts = _damage(registries, PEERINGDB, provider)
    total = f"{_total(answer.ipv4, 'IPv4 prefix')}, {_total(answer.ipv6, 'IPv6 prefix')}"
    was = {"IPv4": (before.ipv4, answer.ipv4), "IPv6": (before.ipv6, answer.ipv6)} if before is not None else {}
    doubts += [
        f"{family} prefixes from {old} to {new}"
        for family, (old, new) in was.items()
        if abs(new - old) > registries.free_changes and abs(new - old) * 100 > registries.max_change_percent * old
    ]
    if doubts and not accept:
        return _held(provider.name, PEERINGDB, doubts, before)
    write_peeringdb(registries.folder, provider.name, answer)
    is_same = all(old == new for old, new in was.values()) and before is not None
    return Outcome(provider.name, PEERINGDB, UNCHANGED if is_same else UPDATED, total)


def _damage(registries: Registries, kind: str, provider: Provider) -> list[str]:
    """Without the former answer nobody can tell how much changes."""
    if not is_damaged(registries.folder, kind, provider.name):
        return []
    return [f"{answer_path(registries.folder, kind, provider.name)} cannot be read, so how much changes is not known"]


def _missing_families(inventory: Inventory, provider: Provider, answer: IrrAnswer) -> list[str]:
    """A first list without a family lets in nothing of it."""
    circuits = [c for pop in inventory.pops for c in pop.circuits if c.provider == provider.name]
    return [
        f"no {family.name.replace('V', 'v')} prefix is registered, and {circuit.name} carries them"
        for family in Family
        for circuit in [c for c in circuits if c.addresses(family) is not None][:1]
        if not answer.prefixes(family)
    ]


def _held(provider: str, kind: str, doubts: Sequence[str], before: IrrAnswer | PeeringDbAnswer | None) -> Outcome:
    stays = f"the answer of {utc_text(before.fetched)} stays" if before is not None else "nothing is kept"
    hint = f"if it is meant: netorch filters update {provider} --accept"
    return Outcome(provider, kind, HELD, f"{'; '.join(doubts)}: {stays}", hint)


@dataclass(frozen=True)
class _Change:
    """How one list changes: how many entries come and go, of how many; ``words`` says it with the first few."""

    count: int
    size: int
    is_emptied: bool
    words: str

    def is_too_large(self, registries: Registries) -> bool:
        """Whether it waits for a person."""
        share = registries.max_change_percent
        return self.is_emptied or (
            self.count > registries.free_changes and self.count * 100 > share * max(self.size, 1)
        )


def _change(name: str, old: Iterable[Any], new: Iterable[Any]) -> _Change:
    before, after = set(old), set(new)
    came, went = sorted(after - before), sorted(before - after)
    count = len(came) + len(went)
    words = f"{name} +{len(came)} -{len(went)} of {len(before)} ({_some([*went, *came])})"
    return _Change(count, len(before), bool(before) and not after, words)


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("x") else f"{noun}s"


def _total(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else _plural(noun)}"


def _some(entries: Sequence[Any]) -> str:
    shown = ", ".join(map(str, entries[:_SHOWN]))
    return f"{shown}, ..." if entries[_SHOWN:] else shown


def registry_rows(inventory: Inventory, *, now: float) -> list[dict[str, Any]]:
    """What is kept of each provider, and how old it is; plain JSON."""
    rows: list[dict[str, Any]] = []
    for provider, kind in _questions(inventory, ()):
        held = inventory.registered.get(provider.name, Registered())
        answer = held.irr if kind == IRR else held.peeringdb
        problem = read_problem(inventory.registries.folder, kind, provider.name)
        rows.append(
            {
                "provider": provider.name,
                "source": kind,
                "of": provider.irr.name if kind == IRR and provider.irr else f"AS{provider.asn}",
                "asns": len(held.irr.asns) if kind == IRR and held.irr else None,
                "ipv4": _count(answer, "ipv4"),
                "ipv6": _count(answer, "ipv6"),
                "fetched": utc_text(answer.fetched) if answer else None,
                "age_days": round((now - answer.fetched) / DAY_S, 1) if answer else None,
                "problem": f"{utc_text(problem.time)}: {problem.text}" if problem else None,
            }
        )
    return rows


def _count(answer: IrrAnswer | PeeringDbAnswer | None, family: str) -> int | None:
    found = getattr(answer, family, None)
    return len(found) if isinstance(found, tuple) else found


def registry_warnings(inventory: Inventory, *, now: float) -> tuple[str, ...]:
    """What of the answers that are used is older than it should be, or is not there, in words."""
    registries = inventory.registries
    found: list[str] = []
    for provider, kind in _questions(inventory, ()):
        held = inventory.registered.get(provider.name, Registered())
        answer = held.irr if kind == IRR else held.peeringdb
        what = f"{provider.name}: what {_NAMES[kind]} says"
        update = f"netorch filters update {provider.name}"
        if answer is None:
            so = "nothing can be deployed" if kind == IRR else "the policy's max_prefixes holds"
            found.append(f"{what} was never looked up, so {so}: {update}")
        elif answer.fetched - now > DAY_S:
            found.append(f"{what} is dated {utc_text(answer.fetched)}: which clock was wrong? {update}")
        elif now - answer.fetched > registries.max_age_days * DAY_S:
            days = (now - answer.fetched) / DAY_S
            problem = read_problem(registries.folder, kind, provider.name)
            why = f" ({problem.text})" if problem else ""
            found.append(f"{what} is {days:.1f} days old, more than {registries.max_age_days:g}{why}: {update}")
    return tuple(found)


_NAMES: Mapping[str, str] = {IRR: "the IRR", PEERINGDB: "PeeringDB"}
