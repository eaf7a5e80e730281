"""Frames as they leave this host: of a packet that is sent to see where it goes, and how much leaves for a prefix.

Source: packet(7); linux/if_packet.h; linux/filter.h, Documentation/networking/filter.rst.
"""

from __future__ import annotations

import _socket
import ctypes
import ipaddress
import select
import struct

from netorch.agent.clock import uptime, wait
from netorch.agent.ping_echo import EchoProbe
from netorch.model.types import read_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, Union

    Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

ANSWER_TIMEOUT_S = 1.0
FRAME_TIMEOUT_S = 0.5
LONGEST_WINDOW_S = 30.0

_EVERYTHING = 0x0003  # ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING
_SOL_PACKET, _STATISTICS, _AUXDATA = 263, 6, 8
_ATTACH_FILTER = 26
_HEADER = 14
_SNAP = 96
_AUX = struct.Struct("=IIIHHHH")  # status, length, snapped, mac, net, VLAN
# Classic BPF: load halfword, load word, mask, jump if equal, return.
_LOAD_HALF, _LOAD_WORD, _AND, _EQUAL, _RETURN = 0x28, 0x20, 0x54, 0x15, 0x06
_DESTINATION_AT = {4: 30, 6: 38}
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}


class Sniffer:
    """What leaves for ``network``, through ``interface`` ("": any); a context manager. Raises OSError."""

    def __init__(self, network: str, interface: str = "") -> None:
        self._network = read_network(network)
        # With an interface it hears nothing until the filter is in place; without, a few others may come first.
        heard = 0 if interface else _socket.htons(_EVERYTHING)
        self._socket = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, heard)
        try:
            self._attach(_filter(self._network))
            self._socket.setsockopt(_SOL_PACKET, _AUXDATA, 1)
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 1 << 22)
            self._socket.setblocking(False)
            if interface:
                self._socket.bind((interface, _EVERYTHING))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _attach(self, program: bytes) -> None:
        held = ctypes.create_string_buffer(program, len(program))
        head = struct.pack("HP", len(program) // 8, ctypes.addressof(held))
        self._socket.setsockopt(_socket.SOL_SOCKET, _ATTACH_FILTER, head)

    def descriptor(self) -> int:
        """Readable when a frame is there."""
        return int(self._socket.fileno())

    def frames(self) -> Iterator[Tuple[str, bytes, int]]:
        """Those that have left since: interface, beginning, whole length."""
        while True:
            try:
                data, control, _, place = self._socket.recvmsg(2048, 128)
            except OSError:
                return
            if place[2] == _OUTGOING:
                yield place[0], data, _length(control, data)

    def dropped(self) -> int:
        """Frames that came too fast since the last call."""
        _, drops = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        return int(drops)


def _length(control: List[Tuple[int, int, bytes]], data: bytes) -> int:
    for level, kind, value in control:
        if level == _SOL_PACKET and kind == _AUXDATA and len(value) >= _AUX.size:
            return int(_AUX.unpack_from(value)[1])
    return len(data)


def _filter(network: Network) -> bytes:
    """A program that lets through the beginning of what is addressed to ``network``."""
    address, mask = network.network_address.packed, network.netmask.packed
    tests: List[Tuple[int, int]] = []
    for at in range(0, len(mask), 4):
        word = int.from_bytes(mask[at : at + 4], "big")
        if word:
            tests.append((_DESTINATION_AT[network.version] + at, word))
    lines: List[Tuple[int, int, int, int]] = [(_LOAD_HALF, 0, 0, 12)]
    rest = 3 * len(tests) + 1  # to the refusal at the end, past the acceptance
    lines.append((_EQUAL, 0, rest, _ETHERTYPE[network.version]))
    for place, word in tests:
        rest -= 3
        at = place - _DESTINATION_AT[network.version]
        wanted = int.from_bytes(address[at : at + 4], "big")
        lines += [(_LOAD_WORD, 0, 0, place), (_AND, 0, 0, word), (_EQUAL, 0, rest, wanted)]
    lines += [(_RETURN, 0, 0, _SNAP), (_RETURN, 0, 0, 0)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def frames_of(queries: List[Dict[str, Any]], request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """For each of ``queries`` the members ``frame`` and ``unsent`` of a TraceFinding: one packet is sent for each."""
    return [_frame_of(query, request) for query in queries]


def _frame_of(query: Dict[str, Any], request: Dict[str, Any]) -> Dict[str, Any]:
    destination = query["destination"]
    is_ipv6 = ":" in destination
    source = request.get("source_ipv6" if is_ipv6 else "source_ipv4") or ""
    try:
        with Sniffer(f"{destination}/{128 if is_ipv6 else 32}") as sniffer:
            probe = EchoProbe(destination, query["mark"], source=source)
            try:
                return _send(probe, sniffer)
            finally:
                probe.close()
    except OSError as exc:
        return {"unsent": exc.strerror or str(exc)}


def _send(probe: EchoProbe, sniffer: Sniffer) -> Dict[str, Any]:
    sent_at = uptime()
    probe.send(0)
    frame: Optional[Dict[str, Any]] = None
    rtt_ms: Optional[float] = None
    poll = select.poll()
    for descriptor in (sniffer.descriptor(), *probe.descriptors()):
        poll.register(descriptor, select.POLLIN)
    while True:
        limit = ANSWER_TIMEOUT_S if frame is not None else FRAME_TIMEOUT_S
        left = sent_at + limit - uptime()
        if left <= 0 or (frame is not None and rtt_ms is not None):
            break
        for descriptor, _ in poll.poll(max(1.0, left * 1000)):
            if descriptor == sniffer.descriptor():
                frame = frame or next((_frame(*seen) for seen in sniffer.frames() if probe.token in seen[1]), None)
            else:
                received = probe.receive(descriptor)
                if received is not None and received[1] is not None:
                    rtt_ms = round((received[1] - sent_at) * 1000.0, 3)
    if frame is not None:
        frame["rtt_ms"] = rtt_ms
    return {"frame": frame}


def _frame(interface: str, data: bytes, _: int) -> Dict[str, Any]:
    is_ipv6 = data[12:14] == b"\x86\xdd"
    source = data[_HEADER + 8 : _HEADER + 24] if is_ipv6 else data[_HEADER + 12 : _HEADER + 16]
    return {
        "interface": interface,
        "destination_mac": data[:6].hex(":"),
        "source_mac": data[6:12].hex(":"),
        "source": str(ipaddress.ip_address(source)),
    }


def measure(request: Dict[str, Any]) -> Dict[str, Any]:
    """A TrafficAnswer: frames that leave the interfaces for the prefix. Where more come than can be read, the average of those
    that were read stands for the rest."""
    window_s = min(float(request["window_s"]), LONGEST_WINDOW_S)
    sniffers: List[Sniffer] = []
    packets = octets = dropped = 0
    groups = _macs_of(request.get("next_hops", []))
    parts = [0] * len(groups)
    try:
        for interface in request["interfaces"]:
            sniffers.append(Sniffer(request["prefix"], interface))
        started = uptime()
        while True:
            left = started + window_s - uptime()
            for sniffer in sniffers:
                for _, data, length in sniffer.frames():
                    packets, octets = packets + 1, octets + length
                    for number, macs in enumerate(groups):
                        parts[number] += length if data[:6] in macs else 0
            if left <= 0:
                break
            wait(min(left, 0.02))
        seconds = uptime() - started
        dropped = sum(sniffer.dropped() for sniffer in sniffers)
    finally:
        for sniffer in sniffers:
            sniffer.__exit__()
    if packets and dropped:
        seen = (packets + dropped) / packets
        octets, parts = round(octets * seen), [round(part * seen) for part in parts]
    return {"seconds": seconds, "packets": packets + dropped, "octets": octets, "parts": parts}


def _macs_of(groups: List[List[str]]) -> List[Set[bytes]]:
    """The MAC addresses that this host's kernel has of each group of addresses."""
    if not groups:
        return []
    from netorch.io.netlink.neighbours import read_neighbours
    from netorch.io.netlink.route_socket import RouteSocket

    with RouteSocket() as kernel:
        known = [(entry.address, entry.mac) for entry in read_neighbours(kernel)]
    return [
        {bytes.fromhex(mac.replace(":", "")) for address, mac in known if mac and address in group} for group in groups
    ]
