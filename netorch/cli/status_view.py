"""``netorch status`` for people: a line per device, then what is not as it should be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from netorch.app.health import moving_mac
from netorch.app.status import device_state, is_up
from netorch.cli.output import CELL_BYTES, emit_rows
from netorch.cli.validator_view import print_validator_problems, print_validators
from netorch.model.conventions import MAIN_TABLE
from netorch.model.text import one_line, rate_text

LESS_OF_DEVICES = ("daemon", "agent", "ipv6_routes", "ipv4_routes")
LESS_OF_SESSIONS = ("since", "expected", "peer", "exported")
LESS_OF_CIRCUITS = ("switch", "capacity", "provider")
"""What a narrow terminal does without, first to last."""

SHOWN_SESSIONS = ("provider", "router")
"""Of these kinds all are shown; of the others, those between switches and hosts, only what is not as it should be."""

DRIFT_SHOWN = 10
"""Per device; ``netorch plan`` shows all."""


def print_status(document: dict[str, Any]) -> None:
    """Devices, sessions with providers and of the underlay, traffic; below them drift, missing neighbours and drains."""
    emit_rows([_device_row(device) for device in document["devices"]], "table", optional=LESS_OF_DEVICES)
    sessions = [row for device in document["devices"] for row in session_rows(device)]
    if sessions:
        click.echo()
        emit_rows(sessions, "table", optional=LESS_OF_SESSIONS)
    circuits = traffic_rows(document)
    if circuits:
        click.echo()
        emit_rows(circuits, "table", optional=LESS_OF_CIRCUITS)
    print_validators(document)
    for circuit in document["circuits"]:
        if circuit["problem"]:
            click.secho(f"traffic: {circuit['circuit']}: not known: {circuit['problem']}", fg="yellow")
    for device in document["devices"]:
        _print_device(device)
    for entry in document["overlay"]:
        reason = f": {entry['reason']}" if entry["reason"] else ""
        via = f" via {entry['data']['via']}" if entry["data"].get("via") else ""
        click.secho(f"in force: {entry['id']}{via}, by {entry['author']}{reason}", fg="yellow")


def _print_device(device: dict[str, Any]) -> None:
    """What is not as it should be on one device."""
    if device["pending"]:
        click.secho(_pending(device), fg="yellow")
    undone = device["undone"]
    if undone:
        text = f"change {undone['change']} by {undone['author']} did not stay, {undone['time']}: {undone['reason']}"
        click.secho(f"undone: {device['device']}: {one_line(text, max_bytes=CELL_BYTES)}", fg="yellow")
    drift = device["drift"] or ()
    shown = () if device_state(device) == "not deployed" else drift[:DRIFT_SHOWN]
    for change in shown:
        click.secho(f"drift: {device['device']}: {change}", fg="yellow")
    if len(drift) > len(shown):
        more = f"{len(drift) - len(shown)} {'more ' if shown else ''}changes: netorch plan {device['device']}"
        click.secho(f"drift: {device['device']}: {more}", fg="yellow")
    _print_live_lines(device)
    if device["obstacle"]:
        click.secho(f"would be refused: {device['device']}: {device['obstacle']}", fg="yellow")
    for session in device["sessions"]:
        if session["problem"]:
            click.secho(f"session: {device['device']}: {session['name']}: {session['problem']}", fg="yellow")
    _print_mirror(device)
    print_validator_problems(device)


def _print_live_lines(device: dict[str, Any]) -> None:
    """What was typed into the daemon: ``-`` for lines that a deploy takes away, ``+`` for those that it puts back."""
    lines = device["live_lines"] or ()
    for line in lines[:DRIFT_SHOWN]:
        click.secho(f"    {line}", fg="yellow")
    if len(lines) > DRIFT_SHOWN:
        more = f"{len(lines) - DRIFT_SHOWN} more lines: netorch plan --diff {device['device']}"
        click.secho(f"    {more}", fg="yellow")


def _print_mirror(device: dict[str, Any]) -> None:
    for interface in device["moving_macs"]:
        click.secho(f"bridge: {device['device']}: {moving_mac(interface)}", fg="yellow")
    certificate = device["certificate"]
    if certificate and certificate["problem"]:
        click.secho(f"certificate: {device['device']}: {certificate['problem']}", fg="yellow")
    for agent in device["agents"]:
        if agent["problem"]:
            click.secho(f"agent: {device['device']}: {agent['service']}: {agent['problem']}", fg="yellow")
        for feed in agent["feeds"]:
            if not feed["up"]:
                reason = f": {feed['error']}" if feed["error"] else ""
                click.secho(f"agent: {device['device']}: no feed from {feed['switch']}{reason}", fg="yellow")
    for hop in device["next_hops"]:
        if not hop["ok"]:
            click.secho(
                f"mirror: {device['device']}: {hop['address']} ({hop['provider']}): {hop['verdict']}", fg="yellow"
            )


def _agent(agent: dict[str, Any]) -> str:
    """In a few words: whom it serves, or whose feeds it has."""
    if not agent["alive"]:
        return f"{agent['service']} dead"
    if agent["service"] == "feed":
        hosts = len(agent["subscribers"])
        return f"feed, {hosts} host{'' if hosts == 1 else 's'}"
    return f"mirror, {sum(feed['up'] for feed in agent['feeds'])}/{len(agent['feeds'])} feeds"


def _device_row(device: dict[str, Any]) -> dict[str, Any]:
    sessions = device["sessions"]
    hops = device["next_hops"]
    mirrored = [hop for hop in hops if hop["ok"]]
    routes = {(count["family"], count["table"]): count["routes"] for count in device["route_counts"]}
    return {
        "device": device["device"],
        "state": device_state(device),
        "daemon": f"{device['daemon']} {device['daemon_version'] or '?'}",
        "generation": device["generation"],
        "sessions": f"{sum(map(is_up, sessions))}/{len(sessions)}" if sessions else None,
        "mirror": f"{len(mirrored)}/{len(hops)}" if hops else None,
        "agent": ", ".join(map(_agent, device["agents"])) or None,
        "ipv4_routes": routes.get(("ipv4", MAIN_TABLE)),
        "ipv6_routes": routes.get(("ipv6", MAIN_TABLE)),
    }


def _pending(device: dict[str, Any]) -> str:
    name, left = device["device"], f"{device['pending_remaining_s']:.0f} s"
    change = f"pending: {name}: change {device['pending']} by {device['pending_author']}"
    if device["pending_replaced"]:
        gone = f"is no longer what {device['daemon']} runs: somebody reloaded or restarted it"
        return f"{change} {gone}; the rest goes back in {left}, or now with netorch revert {name}"
    return f"{change}, {left} are left: netorch confirm or revert {name}"


def session_rows(device: dict[str, Any]) -> list[dict[str, Any]]:
    """The sessions of ``device`` that are shown. One of both families has a row for each, which says so; ``since`` is UTC."""
    names = Counter(session["name"] for session in device["sessions"])
    return [
        _session_row(device["device"], session, is_one_of_two=names[session["name"]] > 1)
        for session in device["sessions"]
        if session["kind"] in SHOWN_SESSIONS or not is_up(session)
    ]


def traffic_rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each circuit, and below those of a provider with several one for their sum."""
    rows = []
    for provider in document["providers"]:
        mine = [c for c in document["circuits"] if (c["provider"], c["pop"]) == (provider["provider"], provider["pop"])]
        rows += [_traffic_row(circuit["circuit"], circuit["switch"], circuit) for circuit in mine]
        if len(provider["circuits"]) > 1:
            rows.append(_traffic_row(f"all {len(provider['circuits'])} circuits", provider["pop"], provider))
    return rows


def _traffic_row(circuit: str, where: str, found: dict[str, Any]) -> dict[str, Any]:
    shared = ", ".join(found.get("shared_with", ()))
    return {
        "circuit": f"{circuit} with {shared}" if shared else circuit,
        "provider": found["provider"],
        "switch": where,
        "state": found["state"],
        "in": _rate(found["in_bps"]),
        "out": _rate(found["out_bps"]),
        "capacity": _rate(found["capacity_bps"]),
        "in_percent": found["in_share_percent"],
        "out_percent": found["out_share_percent"],
    }


def _rate(rate_bps: float | None) -> str | None:
    return None if rate_bps is None else rate_text(rate_bps)


def _session_row(device: str, session: dict[str, Any], *, is_one_of_two: bool) -> dict[str, Any]:
    return {
        "device": device,
        "session": f"{session['name']} {session['family']}" if is_one_of_two else session["name"],
        "peer": session["peer"],
        "state": session["bgp_state"] or session["state"] or "missing",
        "expected": session["expected"],
        "since": (session["since"] or "").removesuffix("+00:00") or None,
        "accepted": session["routes_imported"],
        "exported": session["routes_exported"],
        "last_error": session["last_error"],
    }
