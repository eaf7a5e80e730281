"""The kernel's own insert rate: the very routes that the host held, into a namespace that has nothing else to do."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fulltable.kernel import BATCH
from benchmarks.fulltable.network import HOST, UPLINK
from benchmarks.fulltable.pop import WAIT_S, Pop, in_namespace
from netorch.model.inventory import Host
from netorch.model.types import Family

_NETNS = "fulltable-floor"


def ip_batch_seconds(pop: Pop, folder: Path) -> float:
    """``ip -batch`` with one line a route: a message and its acknowledgement each, as BIRD does it."""
    with _twin(pop):
        start = time.perf_counter()
        _ip("-n", _NETNS, "-batch", str(folder / BATCH))
        return time.perf_counter() - start


def burst_seconds(pop: Pop, folder: Path) -> float:
    """Netlink messages that are ready, many to a system call, without acknowledgements."""
    with _twin(pop):
        return float(in_namespace(_NETNS, "insert", str(folder)))


@contextlib.contextmanager
def _twin(pop: Pop) -> Iterator[None]:
    """A namespace with the host's addresses and an uplink of the same index. It must end with the host's routes."""
    wanted = pop.counts(HOST)
    host = pop.inventory.device(HOST)
    assert isinstance(host, Host)
    index = _ip("-n", f"{pop.settings.prefix}{HOST}", "-o", "link", "show", "dev", UPLINK).split(":", 1)[0]
    hops = [
        addresses.neighbor
        for circuit in pop.inventory.circuits
        if (addresses := circuit.addresses(Family.IPV4)) is not None
    ]
    uplink = host.uplinks[0].ipv4
    _ip("netns", "add", _NETNS)
    try:
        _ip("-n", _NETNS, "link", "add", "name", UPLINK, "index", index, "type", "veth", "peer", "name", "other")
        for interface in ("lo", "other", UPLINK):
            _ip("-n", _NETNS, "link", "set", interface, "up")
        for address in host.service:
            _ip("-n", _NETNS, "addr", "add", str(address), "dev", "lo")
        for hop in hops:
            _ip("-n", _NETNS, "addr", "add", str(uplink.ip), "peer", str(hop), "dev", UPLINK)
        yield
        found = in_namespace(_NETNS, "count")
        assert {int(table): routes for table, routes in found.items()} == wanted, found
    finally:
        _ip("netns", "del", _NETNS)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr[:2000]}"
    return done.stdout
