"""How states look in the picture of a POP: each has a colour, a kind of line, a sign and its word, so that no one of these is
needed to tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

from netorch.io.svg import PAPER, Drawing, width_of
from netorch.model.picture import DOWN, DRAINED, PARTLY, UNKNOWN, UP

SQUARE = 13.0


@dataclass(frozen=True)
class Look:
    """A state's colour, the dashes of its line ("" for none), and how thick that is at least."""

    colour: str
    dash: str
    thick: float


LOOKS = {
    UP: Look("#00704F", "", 2.2),
    PARTLY: Look("#A85B00", "14 5", 2.6),
    DOWN: Look("#B3261E", "2 6", 3.0),
    DRAINED: Look("#3A5A9B", "8 7", 2.2),
    UNKNOWN: Look("#6B7280", "1 9", 2.6),
}
WARN = LOOKS[PARTLY].colour


def look_of(state: str) -> Look:
    """How ``state`` is drawn."""
    return LOOKS.get(state, LOOKS[UNKNOWN])


def draw_sign(to: Drawing, x: float, y: float, state: str, *, radius: float = 9.0) -> None:
    """The sign of ``state`` in a circle: a tick, a cross, a pause, an exclamation or a question mark."""
    colour = look_of(state).colour
    to.circle(x, y, radius, fill=PAPER, stroke=colour, thick=1.8)
    _draw_mark(to, x, y, state, colour=colour, size=radius * 0.5)


def _draw_mark(to: Drawing, x: float, y: float, state: str, *, colour: str, size: float) -> None:
    if state == UP:
        points = f"M{x - size:g},{y:g} L{x - size / 4:g},{y + size * 0.8:g} L{x + size:g},{y - size * 0.8:g}"
        to.path(points, stroke=colour, thick=2)
    elif state == DOWN:
        to.path(f"M{x - size:g},{y - size:g} l{2 * size:g},{2 * size:g}", stroke=colour, thick=2.2)
        to.path(f"M{x - size:g},{y + size:g} l{2 * size:g},{-2 * size:g}", stroke=colour, thick=2.2)
    elif state == DRAINED:
        for side in (-1, 1):
            to.path(f"M{x + side * size * 0.55:g},{y - size:g} v{2 * size:g}", stroke=colour, thick=2.4)
    else:
        word = "!" if state == PARTLY else "?"
        to.text(x, y + size * 0.9, word, size=size * 2.6, fill=colour, anchor="middle", bold=True)


def draw_square(to: Drawing, x: float, y: float, state: str) -> None:
    """A small square that is full where ``state`` is up, and marked where it is not; (x, y) is its upper left corner."""
    colour = look_of(state).colour
    if state == UP:
        to.rect(x, y, SQUARE, height=SQUARE, fill=colour, stroke=colour, round_=2)
        return
    to.rect(x, y, SQUARE, height=SQUARE, fill=PAPER, stroke=colour, thick=1.6, round_=2)
    if state == PARTLY:
        to.rect(x, y + SQUARE / 2, SQUARE, height=SQUARE / 2, fill=colour)
    else:
        _draw_mark(to, x + SQUARE / 2, y + SQUARE / 2, state, colour=colour, size=SQUARE * 0.28)


def draw_chip(to: Drawing, x: float, y: float, words: str, *, state: str) -> float:
    """``words`` in a small box, full where ``state`` is up, else with its sign; (x, y) is its upper left corner. Returns how wide
    it is."""
    look, width = look_of(state), width_of(words, 10, bold=True) + 8
    if state == UP:
        to.rect(x, y, width, height=14, fill=look.colour, round_=3)
        to.text(x + width / 2, y + 10.6, words, size=10, fill=PAPER, anchor="middle", bold=True)
        return width
    to.rect(x, y, width + 13, height=14, fill=PAPER, stroke=look.colour, thick=1.3, dash="3 2", round_=3)
    to.text(x + 4, y + 10.6, words, size=10, fill=look.colour, bold=True)
    _draw_mark(to, x + width + 5, y + 7, state, colour=look.colour, size=3.4)
    return width + 13


def draw_tag(to: Drawing, right: float, y: float, state: str, *, words: str = "") -> float:
    """The state's word in a frame that ends at ``right``, around the middle ``y``. Returns where it begins."""
    words, colour = words or state, look_of(state).colour
    width = width_of(words, 11, bold=True) + 12
    to.rect(right - width, y - 9, width, height=18, fill=PAPER, stroke=colour, thick=1.5, round_=9)
    to.text(right - width / 2, y + 4, words, size=11, fill=colour, anchor="middle", bold=True)
    return right - width


def draw_warning(to: Drawing, x: float, y: float, *, size: float = 7.0) -> None:
    """A triangle with an exclamation mark around (x, y)."""
    data = f"M{x:g},{y - size:g} L{x + size:g},{y + size * 0.8:g} L{x - size:g},{y + size * 0.8:g} Z"
    to.path(data, stroke=WARN, thick=1.6, fill=PAPER)
    to.text(x, y + size * 0.65, "!", size=size * 1.5, fill=WARN, anchor="middle", bold=True)
