"""Frames as they pass an interface of a node."""

from __future__ import annotations

import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Optional, Union

from netorch.lab import LabSettings, lab_status
from netorch.model.types import Mac

Address = Union[IPv4Address, IPv6Address]

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, ICMPV6 = 1, 6, 58
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136


@dataclass(frozen=True)
class Frame:
    """An Ethernet frame. ``source_ip`` and ``target_ip`` are the packet's addresses; for ARP they are its own, and in
    neighbour discovery ``target_ip`` is the address that is asked for or told of."""

    time_s: float
    destination: Mac
    source: Mac
    ethertype: int
    protocol: Optional[int] = None
    source_ip: Optional[Address] = None
    target_ip: Optional[Address] = None
    icmp_type: Optional[int] = None

    @property
    def resolves(self) -> bool:
        """Whether it belongs to ARP or neighbour discovery."""
        return self.ethertype == ARP or self.icmp_type in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT)


@dataclass
class Capture:
    """Filled when the capture ends."""

    frames: list[Frame] = field(default_factory=list)

    def where(self, *, ethertype: Optional[int] = None, target_ip: Optional[str] = None) -> list[Frame]:
        """The frames of one type, to one address."""
        target = ip_address(target_ip) if target_ip else None
        return [
            frame
            for frame in self.frames
            if ethertype in (None, frame.ethertype) and (target is None or frame.target_ip == target)
        ]


@contextmanager
def capture(node: str, interface: str, settings: LabSettings, *, folder: Path, only: str = "") -> Iterator[Capture]:
    """Record both directions of ``interface`` while the block runs; ``only`` narrows it in tcpdump's own language."""
    result = Capture()
    path = folder / f"{node}-{interface}.pcap"
    netns = next(status.netns for status in lab_status(settings) if status.name == node)
    argv = [
        "tcpdump",
        "-i",
        interface,
        "-n",
        "-s",
        "256",
        "-U",
        "--immediate-mode",
        "-Z",
        "root",
        "-w",
        "-",
        *only.split(),
    ]
    with (
        path.open("wb") as file,
        # The network's namespace alone, so that the signal reaches tcpdump.
        subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{netns}", *argv], stdout=file, stderr=subprocess.PIPE
        ) as tcpdump,
    ):
        assert tcpdump.stderr is not None
        try:
            first = tcpdump.stderr.readline()
            assert b"listening on" in first, first
            yield result
        finally:
            tcpdump.send_signal(signal.SIGINT)
            tcpdump.communicate(timeout=10)
    result.frames += parse_pcap(path.read_bytes())


def parse_pcap(data: bytes) -> Iterator[Frame]:
    """The frames of a pcap file of link type Ethernet. Source: pcap-savefile(5)."""
    assert struct.unpack_from("<I", data)[0] == 0xA1B2C3D4, "not a pcap file of this machine's byte order"
    offset = 24
    while offset + 16 <= len(data):
        seconds, microseconds, length, _ = struct.unpack_from("<IIII", data, offset)
        if offset + 16 + length > len(data):
            return
        yield _frame(seconds + microseconds / 1e6, data[offset + 16 : offset + 16 + length])
        offset += 16 + length


def _frame(time_s: float, data: bytes) -> Frame:
    ethertype = struct.unpack_from("!H", data, 12)[0]
    destination, source, body = Mac(data[:6].hex(":")), Mac(data[6:12].hex(":")), data[14:]
    if ethertype == ARP:
        return Frame(
            time_s,
            destination,
            source,
            ethertype,
            source_ip=IPv4Address(body[14:18]),
            target_ip=IPv4Address(body[24:28]),
        )
    if ethertype == IPV4:
        header = (body[0] & 15) * 4
        icmp = body[header] if body[9] == ICMP else None
        addresses = IPv4Address(body[12:16]), IPv4Address(body[16:20])
        return Frame(time_s, destination, source, ethertype, body[9], *addresses, icmp_type=icmp)
    if ethertype == IPV6:
        # Neighbour discovery has no extension headers; multicast reports have, and are not looked into.
        icmp = body[40] if body[6] == ICMPV6 else None
        addresses6 = IPv6Address(body[8:24]), IPv6Address(body[24:40])
        if icmp in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
            addresses6 = addresses6[0], IPv6Address(body[48:64])
        return Frame(time_s, destination, source, ethertype, body[6], *addresses6, icmp_type=icmp)
    return Frame(time_s, destination, source, ethertype)
