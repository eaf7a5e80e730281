"""A POP as an SVG picture: providers and their circuits at the left, switches in the middle, hosts at the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from netorch.io.pop_routers_svg import BOX_HEIGHT, BOX_WIDTH, draw_device, draw_routers, edge_of, routers_height
from netorch.io.pop_signs import (
    LOOKS,
    SQUARE,
    WARN,
    draw_chip,
    draw_sign,
    draw_square,
    draw_tag,
    draw_warning,
    look_of,
)
from netorch.io.svg import EDGE, FAINT, INK, PAPER, Drawing, fitted, width_of
from netorch.model.picture import DRAINED, UP, CircuitLine, DeviceBox, HostBox, PopPicture, ProviderBox
from netorch.model.text import counted, rate_text

WIDTH, MARGIN = 1280.0, 24.0
HEAD = 74.0
PROVIDER_WIDTH = 176.0
LABEL_LEFT, LABEL_RIGHT = MARGIN + PROVIDER_WIDTH + 10, 572.0
"""Where a circuit's words stand; its line is level there."""

SWITCH_LEFT, SWITCH_WIDTH, SWITCH_HEIGHT = 690.0, BOX_WIDTH, BOX_HEIGHT
HOST_LEFT = 956.0
NAME_LEAST, NAME_MOST = 36.0, 110.0
CELL = 18.0
CIRCUIT_HEIGHT, PROVIDER_GAP = 56.0, 12.0
HOST_HEIGHT, HOST_MOST = 30.0, 60.0
BAR = 52.0
TAG_MARGIN = 16.0
"""What the frame of a tag, and the space before it, take beside its word."""
THICKEST, MANY = 7.0, 10
"""Of more than so many circuits lines are half as thick at most."""

SHOWN_WORDS = 14
"""So many lines below the picture; ``netorch status`` has all."""


@dataclass
class _Places:
    """Where things are: of providers and hosts the upper edge, of circuits and switches the middle; ``ends`` are those of
    circuits at their switches."""

    bottom: float
    providers: dict[str, float] = field(default_factory=dict)
    circuits: dict[str, float] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    switches: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, float] = field(default_factory=dict)


def pop_svg(picture: PopPicture) -> str:
    """``picture`` as the text of an SVG file."""
    places = _arrange(picture)
    words = _words(picture)
    height = (
        places.bottom + routers_height(picture, WIDTH - 2 * MARGIN) + 24 + 19 * len(words) + (14 if words else 0) + 40
    )
    to = Drawing(WIDTH, height, label=f"{picture.name}: {_summary(picture)}")
    _draw_head(to, picture)
    for host in picture.hosts:
        _draw_links(to, host, places)
    circuits = _circuits(picture)
    thickest = THICKEST if len(circuits) <= MANY else THICKEST / 2
    for circuit in sorted(circuits, key=lambda circuit: circuit.state != UP):  # what is not well lies on top
        _draw_line(to, circuit, places, thickest=thickest)
    for circuit in circuits:
        _draw_circuit(to, circuit, places)
    for provider in picture.providers:
        _draw_provider(to, provider, places)
    for switch in picture.switches:
        draw_device(to, switch, SWITCH_LEFT + SWITCH_WIDTH / 2, places.switches[switch.name])
    _draw_hosts(to, picture, places)
    draw_routers(to, picture, left=MARGIN, top=places.bottom, width=WIDTH - 2 * MARGIN)
    places.bottom += routers_height(picture, WIDTH - 2 * MARGIN)
    _draw_words(to, words, places.bottom + 24)
    _draw_legend(to, height - 22)
    return to.finish()


def _arrange(picture: PopPicture) -> _Places:
    left = HEAD
    places = _Places(0.0)
    for provider in picture.providers:
        places.providers[provider.name] = left
        for circuit in provider.circuits:
            places.circuits[circuit.name] = left + CIRCUIT_HEIGHT / 2
            left += CIRCUIT_HEIGHT
        left += PROVIDER_GAP
    above = _cells_head(picture)
    fabric = (SWITCH_HEIGHT + 16) * len(picture.switches)
    least = max(left - HEAD, fabric, HOST_HEIGHT * len(picture.hosts) + above)
    _spread(places.switches, picture.switches, HEAD, least)
    pitch = min(HOST_MOST, (least - above) / max(1, len(picture.hosts)))
    free = (least - above - pitch * len(picture.hosts)) / 2
    for number, host in enumerate(picture.hosts):
        places.hosts[host.name] = HEAD + above + free + pitch * number + (pitch - HOST_HEIGHT) / 2
    slack = (least - (left - HEAD)) / 2
    if slack > 0:
        places.providers = {name: y + slack for name, y in places.providers.items()}
        places.circuits = {name: y + slack for name, y in places.circuits.items()}
    places.bottom = HEAD + least
    for switch in picture.switches:
        mine = [circuit.name for circuit in _circuits(picture) if circuit.switch == switch.name]
        for number, name in enumerate(mine):
            share = (number + 0.5) / len(mine) - 0.5
            places.ends[name] = places.switches[switch.name] + share * (SWITCH_HEIGHT - 16)
    return places


def _circuits(picture: PopPicture) -> list[CircuitLine]:
    return [circuit for provider in picture.providers for circuit in provider.circuits]


def _spread(places: dict[str, float], boxes: Sequence[DeviceBox], top: float, height: float) -> None:
    for number, box in enumerate(boxes):
        places[box.name] = top + height * (number + 0.5) / len(boxes)


def _cells_head(picture: PopPicture) -> float:
    """How much the names of switches take above the hosts' squares."""
    longest = max((len(switch.name) for switch in picture.switches), default=0)
    return 14 + min(longest, 14) * 5.2 if picture.hosts else 0.0


def _summary(picture: PopPicture) -> str:
    return f"{counted(len(picture.troubles), 'thing')} to look at" if picture.troubles else "all well"


def _draw_head(to: Drawing, picture: PopPicture) -> None:
    to.text(MARGIN, 32, picture.name, size=22, bold=True)
    after = MARGIN + width_of(picture.name, 22, bold=True) + 14
    to.text(after, 32, fitted(picture.description, WIDTH - after - 220, 14), size=14, fill=FAINT)
    over = f", traffic over {picture.interval_s:.1f} s" if picture.interval_s else ""
    parts = [
        counted(len(picture.providers), "provider"),
        counted(sum(len(provider.circuits) for provider in picture.providers), "circuit"),
        f"{len(picture.switches)} switch{'' if len(picture.switches) == 1 else 'es'}",
        counted(len(picture.hosts), "host"),
    ]
    if picture.routers:
        parts = [part for part in parts if part[0] != "0"] + [counted(len(picture.routers), "router")]
    to.text(MARGIN, 53, f"{', '.join(parts)}. {picture.moment}{over}", fill=FAINT)
    summary = _summary(picture)
    width = width_of(summary, 14, bold=True) + 12
    to.text(WIDTH - MARGIN, 32, summary, size=14, anchor="end", bold=True, fill=WARN if picture.troubles else INK)
    if picture.troubles:
        draw_warning(to, WIDTH - MARGIN - width, 27, size=9)
    else:
        draw_sign(to, WIDTH - MARGIN - width, 27, UP)


def _draw_provider(to: Drawing, provider: ProviderBox, places: _Places) -> None:
    top, height = places.providers[provider.name] + 3, CIRCUIT_HEIGHT * len(provider.circuits) - 6
    look = look_of(provider.state)
    to.rect(
        MARGIN,
        top,
        PROVIDER_WIDTH,
        height=height,
        fill="#F4F7FA",
        stroke=look.colour,
        thick=1.6,
        dash=look.dash,
        round_=6,
    )
    room = PROVIDER_WIDTH - 20
    if provider.state != UP:
        room = draw_tag(to, MARGIN + PROVIDER_WIDTH - 8, top + 16, provider.state) - MARGIN - 16
    to.text(MARGIN + 10, top + 21, fitted(provider.name, room, 15, bold=True), size=15, bold=True)
    to.text(MARGIN + 10, top + 38, f"AS{provider.asn} {provider.relation}", size=11, fill=FAINT)
    if len(provider.circuits) > 1:
        flow = provider.flow
        capacity = "" if flow.capacity_bps is None else f" of {rate_text(flow.capacity_bps)}"
        to.text(MARGIN + 10, top + 62, f"in {_rate(flow.in_bps)}", size=11)
        to.text(MARGIN + 10, top + 78, f"out {_rate(flow.out_bps)}", size=11)
        to.text(MARGIN + 10, top + 94, capacity.strip(), size=11, fill=FAINT)


def _draw_line(to: Drawing, circuit: CircuitLine, places: _Places, *, thickest: float) -> None:
    y, look, end = places.circuits[circuit.name], look_of(circuit.state), places.ends[circuit.name]
    share = max(circuit.flow.in_share_percent or 0.0, circuit.flow.out_share_percent or 0.0) / 100
    thick = look.thick + max(0.0, thickest - look.thick) * min(1.0, share)
    level = f"M{MARGIN + PROVIDER_WIDTH:g},{y:g} H{LABEL_RIGHT + 12:g}"
    bend = f" C{LABEL_RIGHT + 60:g},{y:g} {SWITCH_LEFT - 55:g},{end:g} {SWITCH_LEFT:g},{end:g}"
    title = f"{circuit.name}: {circuit.state}{f': {circuit.note}' if circuit.note else ''}"
    to.path(level + bend, stroke=look.colour, thick=thick, dash=look.dash, title=title)


def _draw_circuit(to: Drawing, circuit: CircuitLine, places: _Places) -> None:
    y = places.circuits[circuit.name]
    if circuit.state != UP:
        draw_sign(to, LABEL_RIGHT + 6, y, circuit.state)
    chips = sum(width_of(family, 10, bold=True) + (12 if state == UP else 25) for family, state in circuit.families)
    words = width_of(circuit.name, 12, bold=True) + chips + 8
    words += width_of(circuit.state, 11, bold=True) + TAG_MARGIN if circuit.state != UP else 0
    capacity = "" if circuit.flow.capacity_bps is None else f"{rate_text(circuit.flow.capacity_bps)} "
    where, right = f"to {circuit.switch}", LABEL_RIGHT - 6
    if right - LABEL_LEFT - width_of(f"{capacity}{where}", 11) - 4 >= words:  # the name is worth more
        where = f"{capacity}{where}"
    to.text(right, y - 8, where, size=11, fill=FAINT, anchor="end")
    right -= width_of(where, 11) + 4
    if circuit.state != UP:
        right = draw_tag(to, right, y - 13, circuit.state) - 4
    name = fitted(circuit.name, right - LABEL_LEFT - chips - 8, 12, bold=True)
    to.text(LABEL_LEFT, y - 8, name, bold=True)
    x = LABEL_LEFT + width_of(name, 12, bold=True) + 6
    for family, state in circuit.families:
        x += draw_chip(to, x, y - 19, family, state=state) + 4
    _draw_flow(to, circuit, y + 19)


def _draw_flow(to: Drawing, circuit: CircuitLine, y: float) -> None:
    flow = circuit.flow
    if flow.in_bps is None or flow.out_bps is None:
        to.text(LABEL_LEFT, y, fitted(f"traffic not known: {circuit.problem}", 340, 11), size=11, fill=WARN)
        return
    half = (LABEL_RIGHT - LABEL_LEFT) / 2
    sides = (("in", flow.in_bps, flow.in_share_percent), ("out", flow.out_bps, flow.out_share_percent))
    for number, (word, rate, share) in enumerate(sides):
        x = LABEL_LEFT + number * half
        to.text(x, y, word, size=11, fill=FAINT)
        x += 24
        if share is not None:
            to.rect(x, y - 8, BAR, height=8, fill=PAPER, stroke=EDGE)
            to.rect(x, y - 8, BAR * min(1.0, share / 100), height=8, fill=INK)
            x += BAR + 6
        percent = "" if share is None else f" {_percent(share)}"
        to.text(x, y, f"{rate_text(rate)}{percent}", size=11)


def _percent(share: float) -> str:
    return f"{share:.0f} %" if share >= 1 or share == 0 else "<1 %"


def _rate(rate_bps: float | None) -> str:
    return "not known" if rate_bps is None else rate_text(rate_bps)


def _draw_links(to: Drawing, host: HostBox, places: _Places) -> None:
    """The fabric: what is well thin and pale, so that hundreds of lines are no more than a background."""
    y = places.hosts[host.name] + HOST_HEIGHT / 2
    for switch, state in host.links:
        start, look = places.switches[switch], look_of(state)
        right = SWITCH_LEFT + SWITCH_WIDTH
        middle = (right + HOST_LEFT) / 2
        data = f"M{right:g},{start:g} C{middle:g},{start:g} {middle:g},{y:g} {HOST_LEFT:g},{y:g}"
        if state == UP:
            to.path(data, stroke="#B9C6D2", thick=1)
        else:
            title = f"{host.name}: sessions with {switch}: {state}"
            to.path(data, stroke=look.colour, thick=1.6, dash=look.dash, title=title)


def _draw_hosts(to: Drawing, picture: PopPicture, places: _Places) -> None:
    if not picture.hosts:
        return
    first = min(places.hosts.values())
    names = min(NAME_MOST, max(NAME_LEAST, *(width_of(host.name, 13, bold=True) for host in picture.hosts)))
    cells = HOST_LEFT + names + 22
    columns = {switch.name: cells + CELL * number for number, switch in enumerate(picture.switches)}
    for name, x in columns.items():
        to.turned_text(x + SQUARE / 2, first - 2, fitted(name, 80, 10), size=10, fill=FAINT)
    after = cells + CELL * len(columns) + 8
    to.text(after, first - 4, "mirror", size=10, fill=FAINT)
    for host in picture.hosts:
        top = places.hosts[host.name]
        height, dash = HOST_HEIGHT - 4, LOOKS[DRAINED].dash if host.is_drained else "" if host.is_well else "4 3"
        width = WIDTH - MARGIN - HOST_LEFT
        to.rect(
            HOST_LEFT,
            top + 2,
            width,
            height=height,
            fill="#F4F7FA",
            stroke=edge_of(host),
            thick=1.2,
            dash=dash,
            round_=4,
        )
        to.text(HOST_LEFT + 10, top + 19, fitted(host.name, names + 6, 13, bold=True), size=13, bold=True)
        for switch, state in host.links:
            draw_square(to, columns[switch], top + (HOST_HEIGHT - SQUARE) / 2, state)
        is_bad = bool(host.stale) or not host.is_well
        x = after + (18 if is_bad else 0)
        if is_bad:
            draw_warning(to, after + 7, top + HOST_HEIGHT / 2)
        to.text(x, top + 19, _host_words(host, WIDTH - MARGIN - x), size=11, fill=WARN if is_bad else INK)


def _host_words(host: HostBox, room: float) -> str:
    """How its mirror is, and itself where that is not well; which next hops are stale is told below the picture."""
    mirror = "" if host.mirror is None else f"{host.mirror[0]}/{host.mirror[1]}{' stale' if host.stale else ''}"
    state = host.state if not host.is_well or host.is_drained else ""
    return fitted(", ".join(word for word in (mirror, state) if word) or host.state, room, 11)


def _words(picture: PopPicture) -> list[tuple[str, bool]]:
    """The lines below the picture, each with whether it is a warning."""
    lines = [(words, True) for words in picture.troubles]
    lines += [(f"in force: {words}", False) for words in picture.in_force]
    if len(lines) > SHOWN_WORDS:
        more = len(lines) - SHOWN_WORDS + 1
        lines = [*lines[: SHOWN_WORDS - 1], (f"and {more} more: netorch status {picture.name}", False)]
    return lines


def _draw_words(to: Drawing, words: Iterable[tuple[str, bool]], y: float) -> None:
    for text, is_warning in words:
        if is_warning:
            draw_warning(to, MARGIN + 7, y - 4)
        else:
            draw_sign(to, MARGIN + 7, y - 4, DRAINED, radius=7)
        to.text(MARGIN + 22, y, fitted(text, WIDTH - 2 * MARGIN - 22, 12))
        y += 19


def _draw_legend(to: Drawing, y: float) -> None:
    to.path(f"M{MARGIN:g},{y - 24:g} H{WIDTH - MARGIN:g}", stroke="#DCE3E9")
    x = MARGIN
    for state, look in LOOKS.items():
        to.path(f"M{x:g},{y - 4:g} h44", stroke=look.colour, thick=look.thick, dash=look.dash)
        if state != UP:
            draw_sign(to, x + 22, y - 4, state, radius=8)
        draw_square(to, x + 52, y - 4 - SQUARE / 2, state)
        to.text(x + 71, y, state, size=11, fill=FAINT)
        x += 71 + width_of(state, 11) + 20
    draw_warning(to, x + 7, y - 4)
    to.text(x + 19, y, "to look at", size=11, fill=FAINT)
    words = "lines: circuits, thicker with traffic; squares: sessions of a host with each switch"
    to.text(WIDTH - MARGIN, y, words, size=11, fill=FAINT, anchor="end")
