"""Tracks as lines of a record, and back: what a scheduled ping keeps for later plots."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from netorch.app.ping_figures import Sample
from netorch.app.ping_tracks import DOWN, DRAINED, ProviderState, Spell, Track

JOINED_S = 900.0
"""Spells of one state that are no further apart are one: between two runs of cron nothing else is known."""


def record_of(track: Track, start_s: float, end_s: float) -> dict[str, Any]:
    """What was sent from ``start_s`` to ``end_s``, both in seconds since the epoch, as plain JSON."""
    samples = sorted(track.between(start_s, end_s))
    return {
        "start_s": round(start_s, 3),
        "end_s": round(end_s, 3),
        "pop": track.pop,
        "host": track.host,
        "provider": track.provider,
        "mark": track.mark,
        "destination": str(track.destination),
        "protocol": track.protocol,
        "state": track.state(samples),
        "note": track.provider_state.note or None,
        "error": track.reason or None,
        "spells": [
            [_ms(max(spell.start_s, start_s) - start_s), _ms(min(spell.end_s, end_s) - start_s), spell.state]
            for spell in track.spells
            if spell.start_s < end_s and spell.end_s >= start_s
        ],
        "offsets_ms": [_ms(sample.time_s - start_s) for sample in samples],
        "rtts_ms": [sample.rtt_ms for sample in samples],
    }


def tracks_of(lines: Iterable[str], *, since_s: float) -> tuple[list[Track], int]:
    """The tracks of a record, from ``since_s`` on, in the order in which they first occur; and how many lines are damaged."""
    tracks: dict[tuple[Any, ...], Track] = {}
    damaged = 0
    for line in lines:
        try:
            record = json.loads(line)
            if record["end_s"] >= since_s:
                _take(tracks, record)
        except (ValueError, KeyError, TypeError):
            damaged += 1
    return list(tracks.values()), damaged


def _take(tracks: dict[tuple[Any, ...], Track], record: dict[str, Any]) -> None:
    key = tuple(record[name] for name in ("host", "destination", "protocol", "provider"))
    new = Track(
        record["pop"],
        record["host"],
        record["provider"],
        record["mark"],
        ip_address(record["destination"]),
        record["protocol"],
    )
    start_s, pairs = float(record["start_s"]), zip(record["offsets_ms"], record["rtts_ms"], strict=True)
    samples = [Sample(start_s + offset_ms / 1000.0, rtt_ms) for offset_ms, rtt_ms in pairs]
    track = tracks.setdefault(key, new)
    for sample in samples:
        track.add(sample)
    state = str(record["state"])
    track.reason = record["error"] or ""
    note = record["note"] or ""
    track.provider_state = ProviderState(state, note) if state in (DRAINED, DOWN) else ProviderState()
    for began_ms, ended_ms, lasting in record["spells"]:
        spell = Spell(start_s + began_ms / 1000.0, start_s + ended_ms / 1000.0, str(lasting))
        last = track.spells[-1] if track.spells else None
        if last is not None and last.state == spell.state and spell.start_s - last.end_s <= JOINED_S:
            last.end_s = spell.end_s
        else:
            track.spells.append(spell)


def _ms(seconds: float) -> int:
    return round(seconds * 1000.0)
