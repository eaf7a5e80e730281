"""Sends echo requests in a steady rhythm, and writes which of them were answered: ``echo_sender.py DESTINATION INTERVAL_S``.

What ``ping -i 0.008`` does, which keeps a processor busy all the time: below 10 ms it does not sleep. ``-I`` is the address to
send from, ``-m`` a mark. The first answer is told at once, everything at the end, which SIGINT is.

Source: RFC 792, RFC 4443; linux/icmp.h, linux/icmpv6.h; iputils 20221126, ping/ping_common.c, main_loop().
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from time import monotonic  # noqa: TID251 - the packets' own rhythm

CATCH_UP = 20
"""How many packets may follow each other at once after the sender had to wait for the processor."""

SIZE = 1000
BUFFER = 1 << 20
ECHO_REPLY, ECHO_REQUEST = 0, 8
ECHO_REPLY_6, ECHO_REQUEST_6 = 129, 128
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_HEAD = struct.Struct("!BBHHHI")  # type, code, checksum, identifier, number's lower half, number


class Echoes:
    """The packets to ``destination`` from ``source`` ("" for the kernel's choice), with ``mark``, and what came back."""

    def __init__(self, destination: str, *, source: str, mark: int) -> None:
        self.sent = 0
        self.answered: list[int] = []
        self._destination = destination
        self._is_six = ":" in destination
        self._identifier = os.getpid() & 0xFFFF
        if self._is_six:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            passed = [0xFFFFFFFF] * 8
            passed[ECHO_REPLY_6 >> 5] &= ~(1 << (ECHO_REPLY_6 & 31))
            self.socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *passed))
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.socket.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << ECHO_REPLY)))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        self.socket.setblocking(False)
        if source:
            self.socket.bind((source, 0))

    def send(self) -> None:
        """The next one."""
        self.sent += 1
        with suppress(OSError):  # no way to send it by: it is lost
            self.socket.sendto(self._request(self.sent), (self._destination, 0))

    def take(self) -> None:
        """Whatever has come."""
        while True:
            try:
                data = self.socket.recv(2048)
            except OSError:  # nothing more
                return
            start = 0 if self._is_six else (data[0] & 15) * 4
            if len(data) >= start + _HEAD.size:
                kind, _, _, identifier, _, number = _HEAD.unpack_from(data, start)
                if (kind, identifier) == (ECHO_REPLY_6 if self._is_six else ECHO_REPLY, self._identifier):
                    self.answered.append(number)

    def _request(self, number: int) -> bytes:
        kind = ECHO_REQUEST_6 if self._is_six else ECHO_REQUEST
        words = (kind << 8, self._identifier, number & 0xFFFF, number >> 16, number & 0xFFFF)
        total = sum(words)  # the rest is zero; of ICMPv6 the kernel knows
        total = (total & 0xFFFF) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xFFFF
        return _HEAD.pack(kind, 0, checksum, self._identifier, number & 0xFFFF, number).ljust(SIZE + 8, b"\0")


def run(echoes: Echoes, interval_s: float) -> None:
    """Until SIGINT."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGINT, lambda *_: None)
    due, is_told = monotonic(), False
    while True:
        now = monotonic()
        due = max(due, now - CATCH_UP * interval_s)
        while due <= now:
            echoes.send()
            due += interval_s
        ready, _, _ = select.select([echoes.socket, reader], [], [], max(0.0, due - monotonic()))
        echoes.take()
        if echoes.answered and not is_told:
            is_told = True
            print("answered", flush=True)  # noqa: T201 - whoever waits for it reads this
        if reader in ready:
            return


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("destination")
    parser.add_argument("interval_s", type=float)
    parser.add_argument("-I", dest="source", default="")
    parser.add_argument("-m", dest="mark", type=int, default=0)
    options = parser.parse_args()
    echoes = Echoes(options.destination, source=options.source, mark=options.mark)
    run(echoes, options.interval_s)
    sys.stdout.write("".join(f"{number}\n" for number in echoes.answered) + f"sent {echoes.sent}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
