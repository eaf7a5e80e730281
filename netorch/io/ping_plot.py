"""Round-trip times and loss as a picture, SVG or PNG. Needs matplotlib, which is netorch's extra ``plot``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netorch.errors import NetorchError, UsageError
from netorch.io.text_files import require_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#007A5A", "#A3467F", "#946300", "#2A7FB0", "#000000")
"""Okabe and Ito's, which colour-blind people can tell apart; those that are too light for text on white, darker."""

STYLES = ("-", "--", ":")
INK, FAINT, GRID = "#222222", "#666666", "#E4E4E4"
SHORT_S = 180.0
"""Of a plot that spans less, the axis counts seconds from its beginning."""

GAP = 3.0
"""A line is broken where points are so many times further apart than most are."""

SHOWN_LOSS_PERCENT = 5.0
LETTERS = {1: 0.0096, 2: 0.0134}
"""The width of a letter of a shade's name, as a share of the axis' width, by the number of columns."""

LABEL_GAP = 0.06
"""Between the labels at lines' ends, as a share of the axis' height."""


@dataclass(frozen=True)
class Point:
    """Round-trip times in milliseconds around ``time_s``, seconds since the epoch: median, 10th and 90th percentile."""

    time_s: float
    median_ms: float
    p10_ms: float
    p90_ms: float


@dataclass(frozen=True)
class Shade:
    """A time in which a provider could not be used, and in a word why. ``hosts`` is of how many of them that is true, "" where it
    is of most."""

    start_s: float
    end_s: float
    state: str
    hosts: str = ""


@dataclass(frozen=True)
class Line:
    """One provider. ``losses`` are (seconds since the epoch, percent); the last two are of the whole time, None where nothing was
    answered or sent."""

    name: str
    points: tuple[Point, ...]
    losses: tuple[tuple[float, float], ...]
    shades: tuple[Shade, ...]
    median_ms: float | None
    loss_percent: float | None


@dataclass(frozen=True)
class Panel:
    """One destination."""

    title: str
    subtitle: str
    start_s: float
    end_s: float
    lines: tuple[Line, ...]


def check_plot(path: Path) -> None:
    """Raises UsageError for a name of another kind of file, or in a folder that is not there; NetorchError where matplotlib is
    missing."""
    if path.suffix not in (".svg", ".png"):
        raise UsageError("expected a name that ends in .svg or .png", where=f"--plot {path}")
    require_folder(path, option="--plot")
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise NetorchError(
            "plots need matplotlib, which is not installed",
            where=f"--plot {path}",
            hint="install it beside netorch: pip install 'netorch[plot]'",
        ) from exc


def write_plot(path: Path, panels: Sequence[Panel]) -> None:
    """Draw ``panels``, two in a row. Raises NetorchError where it cannot be written."""
    import matplotlib as mpl

    with mpl.rc_context(_settings()):
        _save(draw_plot(panels), path)


def _settings() -> dict[Any, Any]:
    return {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "svg.hashsalt": "netorch",
        "svg.fonttype": "path",
        "text.color": INK,
        "axes.edgecolor": "#999999",
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "hatch.linewidth": 0.6,
    }


def draw_plot(panels: Sequence[Panel]) -> Figure:
    """``panels``, two in a row."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context(_settings()):
        figure = Figure(figsize=(9.6 if columns == 1 else 15.0, 5.2 * rows), layout="constrained", facecolor="white")
        parts = figure.subfigures(rows, columns, squeeze=False)
        highest = 1.12 * max((point.p90_ms for p in panels for line in p.lines for point in line.points), default=1.0)
        for panel, part in zip(panels, parts.flat, strict=False):
            _draw(part, panel, highest, letter=LETTERS[columns])
    return figure


def _save(figure: Figure, path: Path) -> None:
    metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
    try:
        figure.savefig(path, dpi=144, metadata=metadata)
    except OSError as exc:
        hint = "name a folder that you may write to"
        raise NetorchError(f"cannot be written: {exc.strerror}", where=str(path), hint=hint) from exc


def _draw(part: Any, panel: Panel, highest: float, *, letter: float) -> None:
    upper, lower = part.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    offset_s = panel.start_s if panel.end_s - panel.start_s < SHORT_S else 0.0
    for number, line in enumerate(panel.lines):
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
        _draw_times(upper, line, offset_s, colour=colour, style=style)
        _draw_loss(lower, line, offset_s, colour=colour)
        _draw_shades((upper, lower), line, offset_s, colour=colour)
    rows = _name_shades(upper, panel, offset_s, letter=letter)
    highest /= 1.0 - LABEL_GAP * rows  # names of shades lie above the lines
    worst = max((loss for line in panel.lines for _, loss in line.losses), default=0.0)
    _dress(upper, 0.0, highest, title=f"ms, {panel.subtitle}; line: median, band: 10th to 90th percentile")
    _dress(lower, 0.0, min(100.0, max(SHOWN_LOSS_PERCENT, 1.2 * worst)), title="loss, %")
    if not worst and any(line.losses for line in panel.lines):
        lower.text(0.5, 0.5, "no packet was lost", transform=lower.transAxes, color=FAINT, ha="center", va="center")
    _label(upper, _time_labels(panel))
    _label(lower, _loss_labels(panel))
    _time_axis(lower, panel, offset_s)
    part.suptitle(panel.title, x=0.01, ha="left", fontsize=13, fontweight="bold")


def _time_labels(panel: Panel) -> list[tuple[float, str, int]]:
    return [
        (line.points[-1].median_ms, f"{line.name} {line.median_ms:.1f} ms", number)
        for number, line in enumerate(panel.lines)
        if line.points and line.median_ms is not None
    ]


def _loss_labels(panel: Panel) -> list[tuple[float, str, int]]:
    return [
        (line.losses[-1][1], f"{line.name} {line.loss_percent:.1f} %", number)
        for number, line in enumerate(panel.lines)
        if line.losses and line.loss_percent
    ]


def _draw_times(axes: Axes, line: Line, offset_s: float, *, colour: str, style: str) -> None:
    times: list[float] = []
    rows: list[tuple[float, float, float]] = []
    usual = _usual_gap([point.time_s for point in line.points])
    for point in line.points:
        if times and point.time_s - offset_s - times[-1] > GAP * usual:
            times.append(times[-1])
            rows.append((float("nan"),) * 3)
        times.append(point.time_s - offset_s)
        rows.append((point.median_ms, point.p10_ms, point.p90_ms))
    if rows:
        median, low, high = zip(*rows, strict=True)
        marker = "o" if len(line.points) < 3 else None
        axes.fill_between(_x(times, offset_s), low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(
            _x(times, offset_s), median, color=colour, linestyle=style, linewidth=1.8, marker=marker, markersize=4
        )


def _usual_gap(times: Sequence[float]) -> float:
    gaps = sorted(after - before for before, after in pairwise(times))
    return gaps[len(gaps) // 2] if gaps else float("inf")


def _draw_loss(axes: Axes, line: Line, offset_s: float, *, colour: str) -> None:
    if any(loss for _, loss in line.losses):
        times = _x([time_s - offset_s for time_s, _ in line.losses], offset_s)
        losses = [loss for _, loss in line.losses]
        axes.fill_between(times, losses, step="mid", color=colour, alpha=0.22, linewidth=0)
        axes.plot(times, losses, color=colour, linewidth=1.4, drawstyle="steps-mid")


def _draw_shades(both: Sequence[Axes], line: Line, offset_s: float, *, colour: str) -> None:
    """Filled where it was drained, hatched where it could not be used otherwise; only dotted where that is true of some hosts."""
    for shade in line.shades:
        start, end = _x([shade.start_s - offset_s, shade.end_s - offset_s], offset_s)
        hatch = ".." if shade.hosts else None if shade.state == "drained" else "///"
        face = "none" if shade.hosts else f"{colour}1C"
        for axes in both:
            axes.axvspan(start, end, facecolor=face, edgecolor=f"{colour}55", hatch=hatch, linewidth=0)


def _name_shades(axes: Axes, panel: Panel, offset_s: float, *, letter: float) -> int:
    """Words at the beginning of each shade, in the first row where they meet no others; how many rows there are."""
    span_s = max(panel.end_s - panel.start_s, 1e-6)
    ends: list[float] = []
    shades = [(shade, number) for number, line in enumerate(panel.lines) for shade in line.shades]
    for shade, number in sorted(shades, key=lambda found: (found[0].start_s, found[1])):
        words = f"{panel.lines[number].name} {shade.state}" + (f", {shade.hosts}" if shade.hosts else "")
        width = letter * (len(words) + 2)
        begin = min((shade.start_s - panel.start_s) / span_s, 1.0 - width)
        row = next((row for row, end in enumerate(ends) if end <= begin), len(ends))
        ends[row:] = [begin + width, *ends[row + 1 :]]
        (at,) = _x([panel.start_s + begin * span_s - offset_s], offset_s)
        axes.annotate(
            words,
            (at, 0.98 - row * LABEL_GAP),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color=COLOURS[number % len(COLOURS)],
            va="top",
            fontsize=9,
            fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
        )
    return len(ends)


def _dress(axes: Axes, low: float, high: float, *, title: str) -> None:
    axes.set_ylim(low, high)
    axes.set_title(title, loc="left", fontsize=9, color=FAINT, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.margins(x=0.01)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _label(axes: Axes, labels: Sequence[tuple[float, str, int]]) -> None:
    """Names at the right end of lines; where these lie close together, the names give way upwards."""
    low, high = axes.get_ylim()
    last = float("-inf")
    for value, text, number in sorted(labels):
        at = max((value - low) / (high - low), last + LABEL_GAP)
        last = at
        axes.annotate(
            text,
            (1.0, at),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            color=COLOURS[number % len(COLOURS)],
            va="center",
            fontweight="bold",
            annotation_clip=False,
        )


def _time_axis(axes: Axes, panel: Panel, offset_s: float) -> None:
    began = datetime.datetime.fromtimestamp(panel.start_s, datetime.UTC)
    if offset_s:
        axes.set_xlabel(f"seconds since {began:%Y-%m-%d %H:%M:%S} UTC", color=FAINT)
        return
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=datetime.UTC, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=datetime.UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel("UTC", color=FAINT)


def _x(times: Sequence[float], offset_s: float) -> Any:
    """As the axis takes them: seconds from the beginning, or moments."""
    if offset_s:
        return list(times)
    return [datetime.datetime.fromtimestamp(time_s, datetime.UTC) for time_s in times]
