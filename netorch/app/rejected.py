"""The routes that switches refused of a provider, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netorch.app.controller import Controller
from netorch.errors import NetorchError, UsageError
from netorch.model.intent import DeviceIntent, Session
from netorch.model.inventory import Inventory
from netorch.model.overlay import Overlay
from netorch.model.reject_reasons import REJECT_REASONS, RejectReason, reason_named, reason_of
from netorch.model.rejected import INVALID, WITHDRAWN, RejectedAnswer, RejectedQuery, RejectedRequest, RejectedSession
from netorch.model.text import did_you_mean
from netorch.render import evidence_of, rules_of

_DROPPED = {
    INVALID: "prefixes that are no routes, such as loopback and link-local ones",
    WITHDRAWN: "taken as withdrawals: leaks by their attribute, next hops outside of the segment, malformed attributes "
    "(BIRD: with refused routes that were withdrawn, less those that a list of validators took back)",
}
"""What daemons drop by themselves, and keep a count of and nothing else."""


@dataclass(frozen=True)
class Rejections:
    """What the switches say of the sessions with one provider. ``failures`` are those that could not be asked."""

    provider: str
    sessions: tuple[tuple[DeviceIntent, Session, RejectedSession], ...]
    failures: dict[str, NetorchError]
    asked: int

    def document(self) -> dict[str, Any]:
        """It as plain JSON; keys are stable. A session that cannot be told of has its ``problem``, and no counts."""
        rows = [_session_row(*one) for one in self.sessions]
        totals: dict[str, int] = {}
        for row in rows:
            for count in row["reasons"]:
                totals[count["reason"]] = totals.get(count["reason"], 0) + count["routes"]
        return {
            "provider": self.provider,
            "refused": sum(totals.values()),
            "dropped": sum(count["announcements"] for row in rows for count in row["dropped"] or ()),
            "reasons": [
                {**_words(reason), "routes": totals[reason.name]} for reason in REJECT_REASONS if reason.name in totals
            ],
            "sessions": rows,
            "routes": [
                {"session": session.name, "device": device.name, **_route_row(route)}
                for device, session, found in self.sessions
                for route in found.routes
            ],
            "failures": {name: error.message for name, error in self.failures.items()},
        }


def find_reason(name: str) -> RejectReason:
    """The reason called ``name``; UsageError with its like where there is none."""
    try:
        return reason_named(name)
    except KeyError:
        names = [reason.name for reason in REJECT_REASONS]
        hint = did_you_mean(name, names) or f"reasons are {', '.join(names)}"
        raise UsageError(f"no reason is called {name!r}", hint=hint) from None


def ask_rejected(
    controller: Controller, provider: str, *, pop: str | None, limit: int, reason: RejectReason | None
) -> Rejections:
    """Ask every switch that has a circuit of ``provider``, in ``pop`` where one is given; ``limit`` routes of each session at
    most are told, of ``reason`` alone where one is given.

    Raises UsageError for a provider or a POP that the inventory does not have, or that have nothing to do with each other.
    """
    switches = _switches(controller.inventory, provider, pop)
    intent = controller.intent(Overlay())  # no plugin changes what is refused

    def ask(name: str) -> RejectedAnswer:
        controller.progress.step(name, "asking for refused routes")
        device = intent.device(name)
        queries = tuple(_query(device, session) for session in _sessions(device, provider))
        code = None if reason is None else reason.code
        return controller.devices(name).rejected(
            RejectedRequest(name, device.daemon, device.asn, queries, limit=limit, reason=code)
        )

    answers, failures = controller.each(switches, ask)
    found = [
        (device, session, told)
        for name, answer in answers.items()
        for device in (intent.device(name),)
        for session, told in zip(_sessions(device, provider), answer.sessions, strict=True)
    ]
    return Rejections(provider, tuple(found), failures, len(switches))


def _switches(inventory: Inventory, provider: str, pop: str | None) -> tuple[str, ...]:
    names = [one.name for one in inventory.providers]
    if provider not in names:
        raise UsageError(
            f"no provider is called {provider!r}",
            hint=did_you_mean(provider, names) or f"providers are {', '.join(names)}",
        )
    pops = [one.name for one in inventory.pops]
    if pop is not None and pop not in pops:
        raise UsageError(f"no POP is called {pop!r}", hint=did_you_mean(pop, pops) or f"POPs are {', '.join(pops)}")
    found = {
        c.switch for one in inventory.pops if pop in (None, one.name) for c in one.circuits if c.provider == provider
    }
    if not found:
        raise UsageError(f"{provider} has no circuit{f' in {pop}' if pop else ''}", hint="leave --pop out")
    return tuple(device.name for device in inventory.devices if device.name in found)


def _sessions(device: DeviceIntent, provider: str) -> tuple[Session, ...]:
    return tuple(session for session in device.sessions if session.kind == "provider" and session.peer == provider)


def _query(device: DeviceIntent, session: Session) -> RejectedQuery:
    return RejectedQuery(
        session.name, session.family, session.neighbor, rules_of(device, session), evidence_of(session)
    )


def _session_row(device: DeviceIntent, session: Session, found: RejectedSession) -> dict[str, Any]:
    return {
        "session": session.name,
        "device": device.name,
        "pop": device.pop,
        "family": session.family.value,
        "circuit": session.circuit,
        "refused": None if found.problem else sum(count.routes for count in found.counts),
        "reasons": [{**_words(_reason(count.reason)), "routes": count.routes} for count in found.counts],
        "dropped": None
        if found.dropped is None
        else [{**vars(count), "text": _DROPPED[count.kind]} for count in found.dropped],
        "problem": found.problem or None,
    }


def _route_row(route: Any) -> dict[str, Any]:
    return {
        "prefix": route.prefix,
        "reason": _reason(route.reason).name,
        "code": route.reason,
        "as_path": list(_sets_whole(route.as_path)),
        "next_hop": route.next_hop or None,
    }


def _sets_whole(path: str) -> Iterator[str]:
    """The numbers of a path; a set, which BIRD writes with blanks, as one word: ``{2,3}``."""
    held: list[str] = []
    for word in path.split():
        held.append(word)
        if "{" not in held[0] or word.endswith("}"):
            yield ",".join(held)
            held = []
    yield from held


def _reason(code: int) -> RejectReason:
    return reason_of(code) or reason_named("other")


def _words(reason: RejectReason) -> dict[str, Any]:
    return {"reason": reason.name, "code": reason.code, "text": reason.text, "source": reason.source or None}
