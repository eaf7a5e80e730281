"""RTNETLINK on the wire: a socket, requests, dumps, attributes.

Source: linux/netlink.h, linux/rtnetlink.h, Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import _socket  # socket itself costs 4 ms to import, for names this module has no use for
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, List, Tuple, TypeVar

    T = TypeVar("T")

AF_INET = int(_socket.AF_INET)
AF_INET6 = int(_socket.AF_INET6)

RTM_GETLINK, RTM_SETLINK = 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x4, 0x10, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 270, 11, 12
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF
_RECEIVE_BYTES = 1 << 20  # never less than the kernel's largest part of a dump
_DUMP_TRIES = 5


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes, start: int) -> dict[int, bytes]:
    """The attributes that follow the fixed part of a message, by their number; the last one of a kind counts."""
    found = {}
    end = len(data)
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


class DumpInterrupted(Exception):
    """The kernel's table changed while it was read, so that the dump may lack entries or hold some twice."""


class RouteSocket:
    """An RTNETLINK socket of the calling process's network namespace; a context manager.

    ``timeout_s`` bounds each wait for the kernel; OSError then.
    """

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(timeout_s)
        self._sequence = 0
        self.is_strict = self._ask_for(_NETLINK_GET_STRICT_CHK)
        self._ask_for(_NETLINK_EXT_ACK)

    def __enter__(self) -> RouteSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _ask_for(self, option: int) -> bool:
        try:
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        except OSError:  # a kernel before 4.20
            return False
        return True

    def change(self, kind: int, body: bytes, *, flags: int = 0) -> None:
        """Send one request and wait for its acknowledgement.

        Raises OSError with the kernel's error number and, where it gave one, its own message.
        """
        sequence = self._send(kind, body, NLM_F_REQUEST | NLM_F_ACK | flags)
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            for message_kind, message_flags, number, payload in messages(data):
                if number == sequence and message_kind == _NLMSG_ERROR:
                    raise_error(payload, message_flags)
                    return

    def ask(self, kind: int, body: bytes) -> bytes:
        """Send one question and return the payload of its answer.

        Raises OSError with the kernel's error number.
        """
        sequence = self._send(kind, body, NLM_F_REQUEST)
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            for message_kind, flags, number, payload in messages(data):
                if number == sequence:
                    if message_kind == _NLMSG_ERROR:
                        raise_error(payload, flags)
                    return payload

    def read(self, kind: int, body: bytes, convert: Callable[[bytes], T | None]) -> List[T]:
        """Dump a table: ``convert`` of each message's payload, without the Nones.

        A dump that changes disturbed is taken again. Raises OSError with the kernel's error number.
        """
        for _ in range(_DUMP_TRIES):
            try:
                return [found for found in map(convert, self._dumped(kind, body)) if found is not None]
            except DumpInterrupted:
                continue
        raise OSError(errno.EINTR, f"the kernel's table changed during each of {_DUMP_TRIES} attempts to read it")

    def _dumped(self, kind: int, body: bytes) -> Iterator[bytes]:
        interrupted = False
        for data in self.chunks(kind, body):
            for message_kind, flags, _, payload in messages(data):
                if message_kind in (_NLMSG_DONE, _NLMSG_ERROR):
                    continue
                interrupted = interrupted or bool(flags & NLM_F_DUMP_INTR)
                yield payload
        if interrupted:
            raise DumpInterrupted

    def chunks(self, kind: int, body: bytes) -> Iterator[bytes]:
        """The raw parts of a dump, each with whole messages; the end (or an error) is the last message of the last part."""
        sequence = self._send(kind, body, NLM_F_REQUEST | NLM_F_DUMP)
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            if _HEADER.unpack_from(data, 0)[3] != sequence:
                continue  # what was left of a dump that its reader gave up
            last_kind, last_flags, payload = _last_message(data)
            if last_kind == _NLMSG_ERROR:
                raise_error(payload, last_flags)
            yield data
            if last_kind == _NLMSG_DONE:
                return

    def _send(self, kind: int, body: bytes, flags: int) -> int:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        return self._sequence


def messages(data: bytes) -> Iterator[Tuple[int, int, int, bytes]]:
    """Kind, flags, sequence number and payload of each message in one part."""
    start, end = 0, len(data)
    while start + 16 <= end:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
        yield kind, flags, sequence, data[start + 16 : start + length]
        start += (length + 3) & ~3


def _last_message(data: bytes) -> Tuple[int, int, bytes]:
    """The end of a dump comes as a message of its own or behind the last entries; only then is it worth looking for."""
    start, end = 0, len(data)
    while True:
        length, kind, flags, _, _ = _HEADER.unpack_from(data, start)
        following = start + ((length + 3) & ~3)
        if following + 16 > end:
            return kind, flags, data[start + 16 : start + length]
        start = following


def raise_error(payload: bytes, flags: int) -> None:
    """Raise the OSError that an NLMSG_ERROR carries; nothing for an acknowledgement."""
    number = -struct.unpack_from("=i", payload)[0]
    if number == 0:
        return
    text = os.strerror(number)
    if flags & NLM_F_ACK_TLVS:
        original = struct.unpack_from("=I", payload, 4)[0]
        start = 20 if flags & NLM_F_CAPPED else 4 + ((original + 3) & ~3)
        said = attributes(payload, start).get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode("utf-8", "replace")
        text = f"{text} ({said})" if said else text
    raise OSError(number, text)
