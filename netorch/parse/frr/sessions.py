"""BGP sessions: ``show bgp neighbors json`` and ``show bgp summary json``."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Dict, List, Mapping, Optional, Tuple

from netorch.model.frr_words import FAMILIES, session_error, session_state
from netorch.model.state import Channel, Protocol
from netorch.model.types import IPAddress
from netorch.parse.frr.answer import Fields, moment, read_json
from netorch.parse.textfsm_rows import refused_values

_NOWHERE = "Unknown"
_NO_ROUTER_ID = "0.0.0.0"  # noqa: S104 - what FRR says before it knows one
_SUMMARY_DOWN = ("Idle (Admin)", "Idle (PfxCt)")


def read_neighbors(text: str, names: Optional[Mapping[IPAddress, str]] = None) -> Tuple[Protocol, ...]:
    """Read ``show bgp neighbors json``, also of one neighbour: one Protocol per session, in FRR's order.

    A session has no name in FRR: ``names`` gives them by the neighbour's address, which stands for the others. States, errors
    and counts are said in BIRD's words; what FRR does not tell is None. ``since`` is UTC, with its offset.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR bgpd/bgp_vty.c bgp_show_peer(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    found = Fields(read_json(text), "answer")
    if found.flag("bgpNoSuchNeighbor"):
        return ()
    with refused_values():
        return tuple(_session(member, name, names or {}) for name, member in found.members())


def _session(row: Fields, name: str, names: Mapping[IPAddress, str]) -> Protocol:
    word = row.required_text("bgpState")
    over_limit, off = row.flag("prefixesConfigExceedMax"), row.flag("adminShutDown")
    up = word == "Established"
    state, bgp_state = session_state(word, is_off=off, is_over_limit=over_limit, is_passive=row.has("bgpStateIs"))
    error = None if up else _error(row, over_limit=over_limit)
    address = _address(row.text("bgpNeighborAddr")) or _address(name)
    router_id, source = row.text("remoteRouterId", unless=_NO_ROUTER_ID), row.text("hostLocal", unless=_NOWHERE)
    stale = row.part("gracefulRestartInfo").has("gracefulStalepathTimerMsecs") and not up
    families = row.part("addressFamilyInfo").members()
    return Protocol(
        name=names.get(address, name) if address else name,
        protocol="BGP",
        state=state,
        since=moment(row.number("bgpTimerUpEstablishedEpoch")),
        info=" ".join(word for word in ("" if state == "down" else bgp_state, error) if word) or None,
        description=row.text("nbrDesc"),
        message=None if up else row.text("lastShutdownDescription"),
        bgp_state=bgp_state,
        neighbor_address=address,
        neighbor_asn=row.required_number("remoteAs"),
        local_asn=row.required_number("localAs"),
        neighbor_id=router_id if up else None,
        neighbor_graceful_restart=stale,
        session=_properties(row, families) if up else (),
        source_address=_address(source) if up else None,
        last_error=error,
        hold_timer_s=row.seconds("bgpTimerHoldTimeMsecs") if up else None,
        keepalive_timer_s=row.seconds("bgpTimerKeepAliveIntervalMsecs") if up else None,
        channels=tuple(
            _channel(member, family, state="UP" if up else "START" if stale else "DOWN", over_limit=over_limit)
            for family, member in families
        ),
    )


def _channel(row: Fields, family: str, *, state: str, over_limit: bool) -> Channel:
    limit, accepted = row.number("prefixAllowedMax"), row.number("acceptedPrefixCounter")
    if state == "DOWN":
        accepted = None
    hit = None if limit is None else over_limit or (accepted or 0) > limit
    warns, restarts = row.flag("prefixAllowedMaxWarning"), row.has("prefixAllowedRestartIntervalMsecs")
    return Channel(
        family=FAMILIES.get(family, family),
        state=state,
        input_filter=row.text("routeMapForIncomingAdvertisements"),
        output_filter=row.text("routeMapForOutgoingAdvertisements"),
        import_limit=limit,
        import_limit_hit=hit,
        import_limit_action=None if limit is None else "warn" if warns else "restart" if restarts else "disable",
        routes_imported=accepted,
        routes_exported=row.number("sentPrefixCounter") if state == "UP" else None,
    )


def _error(row: Fields, *, over_limit: bool) -> Optional[str]:
    """What ended the session, or keeps it from starting, as BIRD says it."""
    return session_error(
        row.text("lastResetDueTo"),
        code=row.text("lastErrorCodeSubcode"),
        reason=row.text("lastNotificationReason"),
        is_over_limit=over_limit,
    )


def _properties(row: Fields, families: List[Tuple[str, Fields]]) -> Tuple[str, ...]:
    """In BIRD's words and order: ``internal multihop route-reflector AS4``."""
    hops = row.number("externalBgpNbrMaxHopsAway") or row.number("internalBgpNbrMaxHopsAway") or 1
    return (
        "internal" if row.flag("nbrInternalLink") else "external",
        *(("multihop",) if hops > 1 else ()),
        *(("route-reflector",) if any(member.flag("routeReflectorClient") for _, member in families) else ()),
        *(("AS4",) if row.part("neighborCapabilities").text("4byteAs") == "advertisedAndReceived" else ()),
    )


def _address(text: Optional[str]) -> Optional[IPAddress]:
    """None also for an interface, the name of an unnumbered session."""
    try:
        return ip_address(text) if text else None
    except ValueError:
        return None


def read_summary(text: str, names: Optional[Mapping[IPAddress, str]] = None) -> Tuple[Protocol, ...]:
    """Read ``show bgp summary json``: one Protocol per session, with a channel for each of its families; it tells less than
    ``read_neighbors``, and costs FRR less.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.
    """
    found: Dict[str, Protocol] = {}
    with refused_values():
        for family, part in Fields(read_json(text), "answer").members():
            for name, row in part.part("peers").members():
                one = _summary(row, name, family, names=names or {})
                before = found.get(name)
                found[name] = replace(before, channels=before.channels + one.channels) if before else one
    return tuple(found.values())


def _summary(row: Fields, name: str, family: str, *, names: Mapping[IPAddress, str]) -> Protocol:
    said = row.required_text("state")
    word = said.partition(" ")[0]
    up = word == "Established"
    state = "up" if up else "down" if said in _SUMMARY_DOWN else "start"
    bgp_state = "Down" if state == "down" else word
    address = _address(name)
    channel = Channel(
        family=FAMILIES.get(family, family),
        state="UP" if up else "DOWN",
        routes_imported=row.number("pfxRcd") if up else None,
        routes_exported=row.number("pfxSnt") if up else None,
    )
    return Protocol(
        name=names.get(address, name) if address else name,
        protocol="BGP",
        state=state,
        since=moment(row.number("peerUptimeEstablishedEpoch")) if up else None,
        info=None if state == "down" else bgp_state,
        description=row.text("desc"),
        bgp_state=bgp_state,
        neighbor_address=address,
        neighbor_asn=row.required_number("remoteAs"),
        local_asn=row.required_number("localAs"),
        channels=(channel,),
    )
