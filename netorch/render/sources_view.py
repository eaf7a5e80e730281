"""What templates see of validators and registries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from netorch.model.capabilities import Capabilities
from netorch.model.intent import DeviceIntent, ImportPolicy, Session
from netorch.model.sources import IrrFilter
from netorch.model.types import Family, IPAddress, IPNetwork
from netorch.render.plain import Bounds

# What FRR does not show, and so must not be said. Source: FRR bgpd/bgp_rpki.c.
_FRR_DEFAULTS = {"refresh_s": 3600, "retry_s": 600, "expire_s": 7200}


@dataclass(frozen=True)
class ValidatorView:
    """A validator; ``preference`` counts from 1, the preferred one."""

    symbol: str
    address: IPAddress
    port: int
    preference: int


@dataclass(frozen=True)
class RegisteredEntry:
    """A prefix, and the longest inside of it that is accepted: its own length where only itself is."""

    prefix: IPNetwork
    longest: int


@dataclass(frozen=True)
class RegisteredView:
    """What one provider registered, of one family: ``symbol`` names the list of prefixes, ``origins`` that of AS numbers, which
    its families share."""

    symbol: str
    origins: str
    number: int
    as_set: str
    entries: tuple[RegisteredEntry, ...]
    asns: tuple[int, ...]

    @property
    def accepted(self) -> tuple[Bounds, ...]:
        """The entries, each with the shortest and the longest that is accepted."""
        return tuple(Bounds(one.prefix, one.prefix.prefixlen, one.longest) for one in self.entries)


def sources_view(device: DeviceIntent, can: Capabilities) -> dict[str, Any]:
    """The names that templates may use for them."""
    rpki = device.rpki
    timers: Mapping[str, Optional[int]] = {name: getattr(rpki, name) for name in _FRR_DEFAULTS}
    if can.daemon == "frr":
        timers = {name: None if value == _FRR_DEFAULTS[name] else value for name, value in timers.items()}
    found = {view.symbol: view for view in map(registered_of, device.sessions) if view is not None}
    return {
        "validators": tuple(
            ValidatorView(f"validator_{each.name.replace('-', '_')}", each.address, each.port, number)
            for number, each in enumerate(rpki.validators, 1)
        ),
        "rpki_timers": timers,
        "registered": tuple(found.values()),
        "registered_origins": {view.origins: view.asns for view in found.values()},
    }


def registered_of(session: Session) -> RegisteredView | None:
    """What its provider registered; None for a session that is held against no list."""
    policy = session.import_policy
    if policy is None or policy.irr is None:
        return None
    name = session.peer.replace("-", "_")
    return RegisteredView(
        symbol=f"registered_{name}_{session.family.value}",
        origins=f"registered_{name}_origins",
        number=session.family.number,
        as_set=policy.irr.as_set,
        entries=_entries(policy, policy.irr, session.family),
        asns=policy.irr.asns,
    )


def _entries(policy: ImportPolicy, irr: IrrFilter, family: Family) -> tuple[RegisteredEntry, ...]:
    longest = min(policy.limits.max_length, family.host_length) if irr.longer_prefixes else 0
    return tuple(RegisteredEntry(prefix, max(prefix.prefixlen, longest)) for prefix in irr.prefixes)
