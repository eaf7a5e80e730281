"""Tracks as the panels of a plot: one for each destination, in it a line for each provider. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netorch.app.ping_figures import Sample, quantile
from netorch.app.ping_tracks import UNUSABLE, Track
from netorch.io.ping_plot import Line, Panel, Point, Shade
from netorch.model.text import counted

FINEST, COARSEST = 120, 30
"""Points of a line, however many packets there are; and of how few packets a point may be made."""

PACKETS_OF_POINT = 15
PACKETS_OF_LOSS = 100
"""Of fewer packets a share that was lost is mostly chance."""

LEAST_LOSS_POINTS = 8


def panels_of(tracks: Iterable[Track]) -> list[Panel]:
    """Panels in the order in which their destinations occur. Packets of several hosts through one provider are taken
    together."""
    by_destination: dict[tuple[str, str], list[Track]] = {}
    for track in tracks:
        by_destination.setdefault((str(track.destination), track.protocol), []).append(track)
    return [_panel(*key, found) for key, found in by_destination.items()]


def _panel(destination: str, protocol: str, tracks: Sequence[Track]) -> Panel:
    hosts = list(dict.fromkeys(track.host for track in tracks))
    pops = list(dict.fromkeys(track.pop for track in tracks))
    place = hosts[0] if len(hosts) == 1 else f"{counted(len(hosts), 'host')} of {', '.join(pops)}"
    names = dict.fromkeys(track.provider for track in tracks)
    times = [time_s for track in tracks for time_s in _times(track)]
    start_s, end_s = (min(times), max(times)) if times else (0.0, 1.0)
    lines = tuple(
        _line(name, [track for track in tracks if track.provider == name], start_s, end_s=end_s) for name in names
    )
    return Panel(f"Round-trip time to {destination}", f"from {place}, {_words(protocol)}", start_s, end_s, lines)


def _words(protocol: str) -> str:
    kind, _, port = protocol.partition("/")
    return f"TCP port {port}" if port else kind.upper()


def _times(track: Track) -> Iterable[float]:
    yield from (sample.time_s for sample in track.samples)
    for spell in track.spells:
        if spell.state in UNUSABLE:
            yield from (spell.start_s, spell.end_s)


def _line(name: str, tracks: Sequence[Track], start_s: float, *, end_s: float) -> Line:
    samples = [sample for track in tracks for sample in track.samples]
    count = len(samples)
    fine = min(count, max(COARSEST, count // PACKETS_OF_POINT), FINEST)
    coarse = min(count, max(LEAST_LOSS_POINTS, count // PACKETS_OF_LOSS), FINEST)
    points = tuple(
        Point(time_s, quantile(ranked, 0.5), quantile(ranked, 0.1), quantile(ranked, 0.9))
        for time_s, found in _slices(samples, fine, start_s, end_s=end_s)
        if (ranked := sorted(sample.rtt_ms for sample in found if sample.rtt_ms is not None))
    )
    losses = tuple(
        (time_s, 100.0 * sum(sample.rtt_ms is None for sample in found) / len(found))
        for time_s, found in _slices(samples, coarse, start_s, end_s=end_s)
    )
    lost = sum(sample.rtt_ms is None for sample in samples)
    rtts = sorted(sample.rtt_ms for sample in samples if sample.rtt_ms is not None)
    return Line(
        name,
        points,
        losses,
        _shades(tracks),
        median_ms=quantile(rtts, 0.5) if rtts else None,
        loss_percent=100.0 * lost / count if count else None,
    )


def _slices(
    samples: Sequence[Sample], count: int, start_s: float, *, end_s: float
) -> Iterable[tuple[float, list[Sample]]]:
    """The samples in ``count`` slices of equal time, less the empty ones; each with the middle of its packets' times."""
    if not count:
        return
    width_s = max((end_s - start_s) / count, 1e-6)
    slices: dict[int, list[Sample]] = {}
    for sample in samples:
        slices.setdefault(min(count - 1, int((sample.time_s - start_s) / width_s)), []).append(sample)
    for number in sorted(slices):
        found = slices[number]
        yield sum(sample.time_s for sample in found) / len(found), found


def _shades(tracks: Sequence[Track]) -> tuple[Shade, ...]:
    """When hosts could not use the provider, and why; where that is true of some alone, of how many."""
    most = len(tracks) // 2 + 1
    found: dict[str, list[tuple[float, float]]] = {}
    for track in tracks:
        for spell in track.spells:
            if spell.state in UNUSABLE:
                found.setdefault(spell.state, []).append((spell.start_s, spell.end_s))
    shades = []
    for state, spells in found.items():
        whole = tuple(_covered(spells, most))
        shades += [Shade(start_s, end_s, state) for start_s, end_s in whole]
        for start_s, end_s in _covered(spells, 1):
            if not any(begin < end_s and start_s < end for begin, end in whole):
                count = sum(begin < end_s and start_s < end for begin, end in spells)
                shades.append(Shade(start_s, end_s, state, f"{count} of {counted(len(tracks), 'host')}"))
    return tuple(shades)


def _covered(spells: Sequence[tuple[float, float]], least: int) -> Iterable[tuple[float, float]]:
    """The times that at least so many of ``spells`` cover."""
    edges = sorted([(start_s, 1) for start_s, _ in spells] + [(end_s, -1) for _, end_s in spells])
    depth, began_s = 0, 0.0
    for time_s, step in edges:
        if depth < least <= depth + step:
            began_s = time_s
        elif depth + step < least <= depth and time_s > began_s:
            yield began_s, time_s
        depth += step
