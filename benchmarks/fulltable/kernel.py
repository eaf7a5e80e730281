"""BIRD's routes in the kernel's IPv4 tables, read and written inside a network namespace; by hand, as a witness of its own.

``nsenter --net=... python -m benchmarks.fulltable.kernel COMMAND``, JSON on standard output: ``count`` and ``digest`` look
at every table, ``everything`` counts other daemons' and the kernel's own routes too, ``copy FOLDER`` writes BIRD's down,
``insert FOLDER`` sends them to the kernel of this namespace.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# Source: linux/netlink.h, linux/rtnetlink.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x300, 0x200, 0x400
SOL_NETLINK, NETLINK_GET_STRICT_CHK = 270, 12
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTPROT_BIRD = 12
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_MULTIPATH, RTA_TABLE = 1, 4, 5, 7, 9, 15

METRIC = 32  # what BIRD gives its routes
MESSAGES, BATCH = "messages", "batch"

_HEADER = struct.Struct("=IHHII")
_RTMSG = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_TABLE = struct.Struct("=14xHI")  # kind and value of the first attribute
_NEXT_HOP = struct.Struct("=HBBi")
_LENGTH = struct.Struct("=H")
_BURST = 400  # messages for one system call
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Table:
    """BIRD's part of a kernel table: how many routes, how many of them through several next hops, and a digest of which
    prefixes (``prefixes``) and of prefixes with their gateways (``paths``)."""

    routes: int
    multipath: int
    prefixes: str
    paths: str


@dataclass(frozen=True)
class Route:
    """A route as the kernel has it; addresses as bytes, hops as gateway and interface index. ``message`` is all but the
    header."""

    table: int
    destination: bytes
    length: int
    hops: tuple[tuple[bytes, int], ...]
    source: bytes
    message: bytes


class SetDigest:
    """A digest of a set of keys that does not depend on their order."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, key: bytes) -> None:
        """Put ``key`` in; each at most once."""
        self._sum += int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")

    def __str__(self) -> str:
        return f"{self._sum & _MASK:016x}"


def prefix_key(destination: bytes, length: int) -> bytes:
    """A prefix as ``Table.prefixes`` digests it."""
    return destination + bytes((length,))


# ---- reading -------------------------------------------------------------------------------------------------------


def dump(protocol: int = RTPROT_BIRD) -> Iterator[bytes]:
    """Every IPv4 route of ``protocol`` (0: of all) as the kernel sends it, without the header; the kernel leaves out the
    others."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(60)
        kernel.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        wanted = _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, protocol, 0, 0, 0)
        size = _HEADER.size + len(wanted)
        kernel.send(_HEADER.pack(size, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + wanted)
        kind = RTM_NEWROUTE
        while kind != NLMSG_DONE:
            part, start = kernel.recv(1 << 20), 0
            while start < len(part):
                length, kind, _, _, _ = _HEADER.unpack_from(part, start)
                if kind == RTM_NEWROUTE:
                    yield part[start + _HEADER.size : start + length]
                elif kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", part, start + _HEADER.size)[0]
                    raise OSError(number, os.strerror(number))
                start += (length + 3) & ~3


def count_tables(protocol: int = RTPROT_BIRD) -> dict[int, int]:
    """How many routes of ``protocol`` (0: of all) each table has."""
    counts: dict[int, int] = {}
    for message in dump(protocol):
        table = _table(message)
        counts[table] = counts.get(table, 0) + 1
    return counts


def digest_tables() -> dict[int, Table]:
    """What each table has."""
    counts: dict[int, list[int]] = {}
    digests: dict[int, tuple[SetDigest, SetDigest]] = {}
    for route in map(_route, dump()):
        count = counts.setdefault(route.table, [0, 0])
        prefixes, paths = digests.setdefault(route.table, (SetDigest(), SetDigest()))
        key = prefix_key(route.destination, route.length)
        count[0] += 1
        count[1] += len(route.hops) > 1
        prefixes.add(key)
        paths.add(key + b"".join(gateway for gateway, _ in route.hops))
    return {
        number: Table(routes, multipath, *map(str, digests[number]))
        for number, (routes, multipath) in sorted(counts.items())
    }


def _table(message: bytes) -> int:
    kind, table = _TABLE.unpack_from(message)
    return int(table) if kind == RTA_TABLE else message[4]


def _route(message: bytes) -> Route:
    found = _attributes(message, _RTMSG.size)
    hops = _multipath(found[RTA_MULTIPATH]) if RTA_MULTIPATH in found else (_hop(found),)
    destination = found.get(RTA_DST, bytes(4))
    return Route(_table(message), destination, message[1], hops, found.get(RTA_PREFSRC, b""), message)


def _attributes(data: bytes, start: int) -> dict[int, bytes]:
    found = {}
    while start + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        found[kind] = data[start + _ATTRIBUTE.size : start + length]
        start += (length + 3) & ~3
    return found


def _hop(found: Mapping[int, bytes]) -> tuple[bytes, int]:
    return found.get(RTA_GATEWAY, b""), int(struct.unpack("=I", found[RTA_OIF])[0])


def _multipath(data: bytes) -> tuple[tuple[bytes, int], ...]:
    hops, start = [], 0
    while start + _NEXT_HOP.size <= len(data):
        length, _, _, interface = _NEXT_HOP.unpack_from(data, start)
        found = _attributes(data[start : start + length], _NEXT_HOP.size)
        hops.append((found.get(RTA_GATEWAY, b""), interface))
        start += (length + 3) & ~3
    return tuple(sorted(hops))


# ---- the floor -----------------------------------------------------------------------------------------------------


def copy_routes(folder: Path) -> int:
    """Write every route to ``folder``, as netlink messages and as lines for ``ip -batch``; returns how many."""
    count = 0
    names: dict[int, str] = dict(socket.if_nameindex())
    with (folder / MESSAGES).open("wb") as raw, (folder / BATCH).open("w", encoding="ascii") as batch:
        for route in map(_route, dump()):
            raw.write(_LENGTH.pack(len(route.message)) + route.message)
            batch.write(_batch_line(route, names))
            count += 1
    return count


def _batch_line(route: Route, names: Mapping[int, str]) -> str:
    source = f" src {socket.inet_ntoa(route.source)}" if route.source else ""
    vias = [f"via {socket.inet_ntoa(gateway)} dev {names[index]}" for gateway, index in route.hops]
    way = vias[0] if len(vias) == 1 else " ".join(f"nexthop {via}" for via in vias)
    prefix = f"{socket.inet_ntoa(route.destination)}/{route.length}"
    return f"route add {prefix} table {route.table} proto {RTPROT_BIRD} metric {METRIC}{source} {way}\n"


def insert_routes(folder: Path) -> float:
    """Send the copied messages to this namespace's kernel, many to a system call and none acknowledged, so that next to no
    time is spent outside of the kernel. Returns seconds; OSError when it refuses one."""
    bursts = list(_bursts((folder / MESSAGES).read_bytes()))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        start = time.perf_counter()
        for burst in bursts:
            kernel.send(burst)
        taken = time.perf_counter() - start
        kernel.setblocking(False)
        try:
            raise OSError(f"the kernel refused a route: {kernel.recv(4096)!r}")
        except BlockingIOError:
            return taken


def _bursts(data: bytes) -> Iterator[bytes]:
    parts: list[bytes] = []
    start = 0
    flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
    while start < len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        message = data[start + _LENGTH.size : start + _LENGTH.size + length]
        start += _LENGTH.size + length
        parts.append(_HEADER.pack(_HEADER.size + length, RTM_NEWROUTE, flags, 0, 0) + message + bytes(-length % 4))
        if len(parts) == _BURST:
            yield b"".join(parts)
            parts = []
    if parts:
        yield b"".join(parts)


def main(command: str, *folders: str) -> object:
    """The answer to one command."""
    if command == "copy":
        return copy_routes(Path(folders[0]))
    if command == "insert":
        return insert_routes(Path(folders[0]))
    if command == "everything":
        return count_tables(protocol=0)
    if command == "digest":
        return {number: asdict(table) for number, table in digest_tables().items()}
    return count_tables()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
