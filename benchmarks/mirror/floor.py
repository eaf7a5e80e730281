"""The least that a mirror can do: a netlink subscriber, an open TCP connection to each host, a netlink writer there.

No checks, no TLS, no second family, no repair: an address is looked for in the kernel's message, its six bytes of MAC are
sent as they are, and each host writes them into a message that was made beforehand.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from netorch.io.netlink.neighbour_writer import neighbour_message
from tests.lab.mirror_bed import Bed
from tests.lab.namespaces import CLONE_NEWNET, LIBC

_PORT = 7200
_SWITCH = "10.1.1.1"
_NEIGHBOURS = 1 << 2  # RTMGRP_NEIGH, linux/rtnetlink.h
_RTM_NEWNEIGH, _REQUEST_CREATE_REPLACE = 28, 0x0501
_PERMANENT = 0x80
_LLADDR_AHEAD = b"\x0a\x00\x02\x00"  # an attribute of ten bytes, NDA_LLADDR
_HEADER = struct.Struct("=IHHII")


@contextmanager
def floor_running(bed: Bed, address: str) -> Iterator[None]:
    """The bare feed on the switch and a bare mirror on every host, for this one address, while the block runs."""
    context = multiprocessing.get_context("fork")
    ready = context.Semaphore(0)
    mirrors = [context.Process(target=_mirror, args=(host.space.pid, address, ready)) for host in bed.hosts]
    feed = context.Process(target=_feed, args=(bed.switch.space.pid, address, len(mirrors), ready))
    feed.start()
    ready.acquire()
    try:
        for mirror in mirrors:
            mirror.start()
        for _ in (*mirrors, feed):
            ready.acquire()
        yield
    finally:
        for process in (feed, *mirrors):
            process.kill()
            process.join()


def _enter(pid: int) -> None:
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    assert LIBC.setns(descriptor, CLONE_NEWNET) == 0
    os.close(descriptor)


def _feed(pid: int, address: str, hosts: int, ready: multiprocessing.synchronize.Semaphore) -> None:
    _enter(pid)
    with socket.create_server((_SWITCH, _PORT), backlog=128) as listener:
        ready.release()
        lines = [listener.accept()[0] for _ in range(hosts)]
    for line in lines:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    events.bind((0, _NEIGHBOURS))
    wanted = socket.inet_aton(address)
    ready.release()
    while True:
        event = events.recv(65536)
        place = event.find(_LLADDR_AHEAD, 28)
        if wanted in event and place >= 0:
            for line in lines:
                line.sendall(event[place + 4 : place + 10])


def _mirror(pid: int, address: str, ready: multiprocessing.synchronize.Semaphore) -> None:
    _enter(pid)
    line = socket.create_connection((_SWITCH, _PORT))
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    attributes = struct.pack("=HH6s2xHHB3x", 10, 2, bytes(6), 5, 12, 0)
    index = socket.if_nametoindex("eth0")
    body = neighbour_message(index, address, state=_PERMANENT, flags=0, attributes=attributes)
    message = bytearray(_HEADER.pack(_HEADER.size + len(body), _RTM_NEWNEIGH, _REQUEST_CREATE_REPLACE, 1, 0) + body)
    place = len(message) - len(attributes) + 4
    ready.release()
    while data := line.recv(4096):
        message[place : place + 6] = data[-6:]
        kernel.send(message)
