"""The routers of an underlay in the picture of a POP: those with most neighbours above the others."""

from __future__ import annotations

from collections import Counter

from netorch.io.pop_signs import LOOKS, WARN, draw_sign, draw_warning, look_of
from netorch.io.svg import FAINT, INK, PAPER, Drawing, fitted, width_of
from netorch.model.picture import DRAINED, UP, DeviceBox, PopPicture, RouterLink

BOX_WIDTH, BOX_HEIGHT = 172.0, 66.0
GAP, TIER_GAP = 24.0, 96.0
TOP = 10.0

Place = tuple[float, float]


def routers_height(picture: PopPicture, width: float) -> float:
    """How much room the routers take, 0 where there are none."""
    tiers = _tiers(picture, width)
    return TOP + len(tiers) * BOX_HEIGHT + (len(tiers) - 1) * TIER_GAP + 20 if tiers else 0.0


def draw_routers(to: Drawing, picture: PopPicture, *, left: float, top: float, width: float) -> None:
    """The routers and what is between them, in ``width`` pixels from (left, top)."""
    places: dict[str, Place] = {}
    tiers = _tiers(picture, width)
    for number, tier in enumerate(tiers):
        y = top + TOP + number * (BOX_HEIGHT + TIER_GAP) + BOX_HEIGHT / 2
        for at, router in enumerate(tier):
            places[router.name] = (left + width * (at + 0.5) / len(tier), y)
    for link in sorted(picture.links, key=lambda link: link.state != UP):
        if link.first in places and link.second in places:
            _draw_link(to, link, places[link.first], places[link.second])
    for router in picture.routers:
        draw_device(to, router, *places[router.name])


def _tiers(picture: PopPicture, width: float) -> list[list[DeviceBox]]:
    neighbours = Counter(name for link in picture.links for name in (link.first, link.second))
    room = max(1, int(width / (BOX_WIDTH + GAP)))
    tiers: list[list[DeviceBox]] = []
    for degree in sorted({neighbours[router.name] for router in picture.routers}, reverse=True):
        same = [router for router in picture.routers if neighbours[router.name] == degree]
        tiers += [same[start : start + room] for start in range(0, len(same), room)]
    return tiers


def _draw_link(to: Drawing, link: RouterLink, first: Place, second: Place) -> None:
    look = look_of(link.state)
    title = f"{link.first}, {link.second}: {link.words} {link.state}"
    data = f"M{first[0]:g},{first[1]:g} L{second[0]:g},{second[1]:g}"
    to.path(data, stroke=look.colour, thick=look.thick, dash=look.dash, title=title)
    # A third of the way from the upper end: there lines of a Clos do not cross.
    x, y = (2 * first[0] + second[0]) / 3, (2 * first[1] + second[1]) / 3
    if first[1] == second[1]:
        x = (first[0] + second[0]) / 2
    width = width_of(link.words, 10) + 8
    to.rect(x - width / 2, y - 8, width, height=15, fill=PAPER, round_=3)
    to.text(x, y + 3.5, link.words, size=10, fill=FAINT, anchor="middle")
    if link.state != UP:
        draw_sign(to, x + width / 2 + 9, y, link.state)


def draw_device(to: Drawing, device: DeviceBox, x: float, y: float) -> None:
    """A switch or router as a box around (x, y)."""
    left, top = x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2
    dash = LOOKS[DRAINED].dash if device.is_drained else "" if device.is_well else "4 3"
    edge = edge_of(device)
    to.rect(left, top, BOX_WIDTH, height=BOX_HEIGHT, fill="#E8EEF4", stroke=edge, thick=2, dash=dash, round_=6)
    left, room = left + 12, BOX_WIDTH - 24
    to.text(left, top + 21, fitted(device.name, room - 20, 15, bold=True), size=15, bold=True)
    sessions = "" if device.sessions is None else f", {device.sessions[0]}/{device.sessions[1]} sessions"
    to.text(left, top + 38, fitted(device.daemon + sessions, room + 8, 11), size=11, fill=FAINT)
    to.text(left, top + 55, fitted(device.state, room, 11), size=11, fill=INK if device.is_well else WARN)
    if not device.is_well:
        draw_warning(to, x + BOX_WIDTH / 2 - 16, top + 16)
    elif device.is_drained:
        draw_sign(to, x + BOX_WIDTH / 2 - 16, top + 16, DRAINED)


def edge_of(device: DeviceBox) -> str:
    """The colour of a device's frame."""
    if device.is_drained:
        return LOOKS[DRAINED].colour
    return "#4A6274" if device.is_well else WARN
