"""A POP in the language of Graphviz, for those who want a layout or a format of their own."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.model.picture import DOWN, DRAINED, PARTLY, UNKNOWN, UP, CircuitLine, DeviceBox, HostBox, PopPicture
from netorch.model.text import one_line, rate_text

STYLES = {UP: "solid", PARTLY: "bold,dashed", DOWN: "dotted", DRAINED: "dashed", UNKNOWN: "dotted"}
COLOURS = {UP: "#00704F", PARTLY: "#A85B00", DOWN: "#B3261E", DRAINED: "#3A5A9B", UNKNOWN: "#6B7280"}
TEXT_BYTES = 400


def pop_dot(picture: PopPicture) -> str:
    """``picture`` as a graph: an edge for each circuit, for each host's sessions with a switch, and for each pair of routers."""
    return "\n".join(["graph {", *(f"  {line}" for line in _lines(picture)), "}", ""])


def _lines(picture: PopPicture) -> Iterator[str]:
    title = _quoted(
        f"{picture.name}: {picture.description}", *(f"! {words}" for words in picture.troubles), *picture.in_force
    )
    yield f'graph [rankdir=LR, ranksep=1.5, labelloc=t, fontname="Helvetica", label={title}]'
    yield 'node [shape=box, fontname="Helvetica", fontsize=11]'
    yield 'edge [fontname="Helvetica", fontsize=9]'
    for provider in picture.providers:
        words = _quoted(provider.name, f"AS{provider.asn} {provider.relation}", provider.state)
        yield f"{_name('provider', provider.name)} [label={words}, {_style(provider.state)}]"
    for kind, devices in (("switch", picture.switches), ("host", picture.hosts), ("router", picture.routers)):
        for device in devices:
            yield f"{_name(kind, device.name)} [label={_device(device)}, {_look(device)}]"
    for provider in picture.providers:
        for circuit in provider.circuits:
            ends = f"{_name('provider', provider.name)} -- {_name('switch', circuit.switch)}"
            yield f"{ends} [label={_circuit(circuit)}, {_style(circuit.state)}]"
    for host in picture.hosts:
        for switch, state in host.links:
            label = "" if state == UP else f"label={_quoted(state)}, "
            yield f"{_name('switch', switch)} -- {_name('host', host.name)} [{label}{_style(state)}]"
    for link in picture.links:
        words = _quoted(link.words, *([] if link.state == UP else [link.state]))
        yield f"{_name('router', link.first)} -- {_name('router', link.second)} [label={words}, {_style(link.state)}]"


def _circuit(circuit: CircuitLine) -> str:
    flow = circuit.flow
    if flow.in_bps is None or flow.out_bps is None:
        traffic = f"traffic not known: {circuit.problem}"
    else:
        traffic = f"in {rate_text(flow.in_bps)}{_percent(flow.in_share_percent)}"
        traffic += f", out {rate_text(flow.out_bps)}{_percent(flow.out_share_percent)}"
    states = ", ".join(f"{family} {state}" for family, state in circuit.families)
    return _quoted(circuit.name, f"{circuit.state}: {states}", traffic)


def _percent(share: float | None) -> str:
    return "" if share is None else f" ({share:.0f} %)"


def _device(device: DeviceBox) -> str:
    sessions = () if device.sessions is None else (f"{device.sessions[0]}/{device.sessions[1]} sessions",)
    mirror: tuple[str, ...] = ()
    if isinstance(device, HostBox) and device.mirror is not None:
        mirror = (f"mirror {device.mirror[0]}/{device.mirror[1]}", *(f"stale: {words}" for words in device.stale))
    return _quoted(device.name, device.daemon, device.state, *sessions, *mirror)


def _look(device: DeviceBox) -> str:
    if device.is_drained:
        return _style(DRAINED)
    is_stale = isinstance(device, HostBox) and device.stale
    return _style(UP) if device.is_well and not is_stale else _style(PARTLY)


def _style(state: str) -> str:
    return f'style="{STYLES[state]}", color="{COLOURS[state]}"'


def _name(kind: str, name: str) -> str:
    return _quoted(f"{kind} {name}")


def _quoted(*lines: str) -> str:
    """Lines of a label in double quotes: only the quote and the backslash mean something there."""
    texts = (one_line(line, max_bytes=TEXT_BYTES).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"{}"'.format("\\n".join(texts))
