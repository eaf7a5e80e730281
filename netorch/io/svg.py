"""Shapes and words of an SVG picture."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from netorch.model.text import one_line

FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, FAINT, EDGE, PAPER = "#1B2733", "#55616D", "#9AA5B1", "#FFFFFF"
WIDTHS = {0.36: " !'(),-./:;I[]fijl|", 0.5: "Jcrstxz", 1.0: "%@MWmw…"}
"""How wide characters are, as a share of the font's size: about as in DejaVu Sans, the widest of the fonts. All others: WIDTH."""

WIDTH, UPPER_WIDTH, BOLD = 0.63, 0.72, 1.11
_WIDTH_OF = {character: width for width, characters in WIDTHS.items() for character in characters}

TEXT_BYTES = 400


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """About how many pixels ``text`` takes."""
    share = sum(_WIDTH_OF.get(character, UPPER_WIDTH if character.isupper() else WIDTH) for character in text)
    return share * size * (BOLD if bold else 1.0)


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """``text``, cut with an ellipsis where it would take more than ``width`` pixels."""
    text = one_line(text, max_bytes=TEXT_BYTES)
    if width_of(text, size, bold=bold) <= width:
        return text
    while text and width_of(f"{text}…", size, bold=bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


class Drawing:
    """An SVG picture that grows shape by shape; later shapes lie on top."""

    def __init__(self, width: float, height: float, *, label: str) -> None:
        size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        name = quoteattr(one_line(label, max_bytes=TEXT_BYTES))
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={name} font-family="{FONT}">',
            f'<rect width="{width:g}" height="{height:g}" fill="{PAPER}"/>',
        ]

    def finish(self) -> str:
        """The whole picture."""
        return "\n".join([*self._parts, "</svg>", ""])

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12,
        fill: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """``words`` with their baseline at ``y``."""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"{weight}>'
            f"{escape(one_line(words, max_bytes=TEXT_BYTES))}</text>"
        )

    def turned_text(self, x: float, y: float, words: str, *, size: float, fill: str) -> None:
        """``words`` that rise to the right from (x, y)."""
        self._parts.append(
            f'<text transform="translate({x:g},{y:g}) rotate(-50)" font-size="{size:g}" fill="{fill}">'
            f"{escape(one_line(words, max_bytes=TEXT_BYTES))}</text>"
        )

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        *,
        height: float,
        fill: str = "none",
        stroke: str = "none",
        thick: float = 1,
        dash: str = "",
        round_: float = 0,
    ) -> None:
        """A rectangle from its upper left corner."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{max(0.0, width):g}" height="{height:g}" rx="{round_:g}" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="{thick:g}"{dashes}/>'
        )

    def path(
        self, data: str, *, stroke: str = INK, thick: float = 1, dash: str = "", fill: str = "none", title: str = ""
    ) -> None:
        """A path; ``title`` is shown where a pointer rests on it."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        head = (
            f'<path d="{data}" stroke="{stroke}" stroke-width="{thick:g}" fill="{fill}" stroke-linecap="round"{dashes}'
        )
        words = escape(one_line(title, max_bytes=TEXT_BYTES))
        self._parts.append(f"{head}><title>{words}</title></path>" if title else f"{head}/>")

    def circle(self, x: float, y: float, radius: float, *, fill: str, stroke: str, thick: float = 1.5) -> None:
        """A circle around (x, y)."""
        self._parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="{thick:g}"/>'
        )
