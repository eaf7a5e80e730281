"""What a device must show after a change. It is the device itself that judges: ``model.checks``."""

from __future__ import annotations

from typing import AbstractSet

from netorch.model.checks import is_up
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Session
from netorch.model.plan import Check
from netorch.model.policy import Tolerance

DEFAULT_TOLERANCE = Tolerance()

SETTLE_S = 3.0
"""How long prefix counts are watched after a change that imports may depend on: a new filter takes effect only when the
neighbour has sent its routes again (seen: 0.1 to 3 s for ten routes), so that at first the counts are always well. What
takes longer is not seen."""

NEIGHBOUR_SETTLE_S = 13.0
"""How long neighbours of OSPF are watched after a change that they may not take: one that does not understand us any more is
missed after the dead interval that the templates set, 12 s."""


def derive_check(
    device: DeviceIntent,
    facts: DeviceFacts,
    *,
    deployed: AbstractSet[str],
    tolerance: Tolerance = DEFAULT_TOLERANCE,
    timeout_s: float = 30.0,
) -> Check:
    """Sessions that were up must be up, or be meant to be down; on a first deploy every session must come up whose
    other end is a provider or a device in ``deployed`` (those that have their configuration). A session that loses more of
    its accepted prefixes than ``tolerance`` says is taken for broken, and so is one with a provider that falls silent, or
    announces more than what is ours or customers'. Of a daemon that was deployed and does not run, nothing is expected but
    that it starts: a provider that is down as well must not keep it down.
    """
    is_first = facts.daemon.live_stamp is None and (facts.daemon.running or facts.generation == 0)
    up = [s.name for s in device.sessions if s.enabled and _must_be_up(s, facts, is_first=is_first, deployed=deployed)]
    down = [s.name for s in device.sessions if not s.enabled]
    external = [session for session in device.sessions if session.name in up and session.kind == "provider"]
    return Check(
        up=tuple(up),
        down=tuple(down),
        prefix_drop_percent=None if is_first else tolerance.prefix_drop_percent,
        timeout_s=timeout_s,
        announce=() if is_first else tuple(s.name for s in external if must_announce(device, s)),
        announce_most=tuple((s.name, _most(device, s)) for s in external),
    )


def must_announce(device: DeviceIntent, session: Session) -> bool:
    """Whether the session is with a provider, who is to hear of some of our prefixes."""
    return session.kind == "provider" and session.enabled and _own_prefixes(device, session) > 0


def _own_prefixes(device: DeviceIntent, session: Session) -> int:
    """How many of our prefixes the neighbour is to hear of."""
    mine = [prefix for prefix in device.originated if prefix.version == session.family.number]
    policy = session.export_policy
    return sum(policy is None or not policy.of_prefix(prefix).withheld for prefix in mine)


def _most(device: DeviceIntent, session: Session) -> int:
    """How many prefixes the neighbour may hear of: ours, as many as other customers may announce, and a default route."""
    policy = session.export_policy
    customers = sum(
        other.import_policy.limits.max_prefixes
        for other in device.sessions
        if other.family is session.family and other.peer != session.peer
        if other.import_policy is not None and other.import_policy.relation == "customer"
    )
    return _own_prefixes(device, session) + customers + (policy is not None and policy.default_route)


def _must_be_up(session: Session, facts: DeviceFacts, *, is_first: bool, deployed: AbstractSet[str]) -> bool:
    if is_up(facts.protocol(session.name)):
        return True
    return is_first and (session.kind == "provider" or session.peer in deployed)
