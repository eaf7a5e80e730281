"""A name server behind the lab's providers: every name has the same two addresses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from netorch.lab import INTERNET_NODE, lab_status
from netorch.model.types import Family
from tests.lab.labs import Lab

_RESOLVER_FILE = "/etc/resolv.conf"
_SERVER = """
import select, socket, sys
four, six = sys.argv[1:]
sockets = []
for kind, address in ((socket.AF_INET, four), (socket.AF_INET6, six)):
    one = socket.socket(kind, socket.SOCK_DGRAM)
    one.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
    one.bind((address, 53))
    sockets.append(one)
has = {1: socket.inet_pton(socket.AF_INET, four), 28: socket.inet_pton(socket.AF_INET6, six)}
print("ready", flush=True)
while True:
    for one in select.select(sockets, [], [])[0]:
        query, client = one.recvfrom(2048)
        end = query.index(b"\\0", 12) + 5
        kind = int.from_bytes(query[end - 4 : end - 2], "big")
        record = has.get(kind, b"")
        answer = query[:2] + b"\\x85\\x80\\0\\1" + (b"\\0\\1" if record else b"\\0\\0") + bytes(4) + query[12:end]
        if record:
            answer += b"\\xc0\\x0c" + query[end - 4 : end] + bytes(4) + len(record).to_bytes(2, "big") + record
        one.sendto(answer, client)
"""


@contextmanager
def name_server(lab: Lab, addresses: dict[Family, str]) -> Iterator[None]:
    """One that answers on both ``addresses``, which the Internet has, for the time of the block. Source: RFC 1035, section 4."""
    netns = next(status.netns for status in lab_status(lab.settings) if status.name == INTERNET_NODE)
    argv = ["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-c", _SERVER, *(addresses[f] for f in Family)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()


@contextmanager
def resolving_by(lab: Lab, host: str, address: str) -> Iterator[None]:
    """Programs on ``host`` ask the server at ``address`` for names, for the time of the block."""
    before = lab.sh(host, f"cat {_RESOLVER_FILE} 2>/dev/null || true")
    lab.run(host, "sh", "-c", f"cat > {_RESOLVER_FILE}", stdin=f"nameserver {address}\n")
    try:
        yield
    finally:
        lab.run(host, "sh", "-c", f"cat > {_RESOLVER_FILE}", stdin=before)
