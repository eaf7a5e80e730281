"""A switch's intent as the plain data that a template by hand is given."""

from __future__ import annotations

from typing import Any

from netorch.model.capabilities import capabilities_of
from netorch.model.intent import DeviceIntent, Session
from netorch.render.bird.quoting import bird_set_number
from netorch.render.view import device_view


def plain_data(device: DeviceIntent) -> dict[str, Any]:
    """Numbers, texts, lists and dictionaries only."""
    can = capabilities_of(device.daemon, device.version)
    assert can is not None, "the inventory holds known versions only"
    view = device_view(device, can)
    return {
        "name": device.name,
        "pop": device.pop,
        "asn": device.asn,
        "router_id": device.router_id,
        "fabric": view["bfd_interfaces"][0].name,
        "families": [_family(family) for family in view["families"]],
        "bogon_asns": [vars(asns) for asns in view["bogon_asns"]],
        "providers": [_provider(v) for v in view["provider_sessions"]],
        "hosts": [_ends(v.session) for v in view["host_sessions"]],
    }


def _family(family: Any) -> dict[str, Any]:
    return {
        "name": family.name,
        "symbol": family.name.upper(),
        "universe": str(family.universe or ""),
        "bogons": [{"prefix": str(bogon.prefix), "reason": bogon.reason} for bogon in family.bogons],
        **{key: [str(prefix) for prefix in getattr(family, key)] for key in ("own", "announced", "service")},
        "numbers": {
            "bogons": bird_set_number(f"{bogon.prefix}+" for bogon in family.bogons),
            "universe": bird_set_number([f"{family.universe}+"]),
            "own": bird_set_number(f"{prefix}+" for prefix in family.own),
            **{key: bird_set_number(map(str, getattr(family, key))) for key in ("announced", "service")},
        },
    }


def _ends(session: Session) -> dict[str, Any]:
    return {
        "name": session.name,
        "family": session.family.value,
        "symbol": session.family.name,
        "local": str(session.local),
        "neighbor": str(session.neighbor),
    }


def _provider(view: Any) -> dict[str, Any]:
    session = view.session
    policy = session.import_policy
    if policy is None:
        raise AssertionError(f"{session.name} has no policy")
    return {
        **_ends(session),
        **vars(policy.limits),
        "peer_asn": session.peer_asn,
        "password": str(session.password or ""),
        "circuit": session.circuit,
        "provider_id": policy.large_communities[0][2],
        "relation": policy.large_communities[2][2],
        "role": view.role,
        "receive_limit": view.receive_limit,
        "local_preference": policy.local_preference,
        "max_path_length": policy.max_path_length,
    }
