"""One lab for the tests of explain, steer and exec: the example's first POP, with FRR on two of its hosts."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from netorch.lab import exec_in, expected_prefixes, provider_interface
from netorch.model.types import Family, IPNetwork, Mac
from tests.lab.deployed_pop import HOSTS, PROVIDERS, circuits, int_of, mac, mark, neighbors
from tests.lab.labs import Lab
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

POP = "pop1"
ON_BIRD, ON_FRR = "h1.pop1", "h2.pop1"
TRANSIT = ("northtel", "southnet")
PEER = "meadow"


def egress_files() -> dict[str, str]:
    """The first POP alone, with BIRD on h1 and FRR of both releases on the others."""
    files = quick_example()
    del files["pops/pop2.yml"]
    for name, address, version in (("h2", "198.18.1.12", "8.4.4"), ("h3", "198.18.1.13", "10.3")):
        host = f"  - name: {name}\n    ssh: {{address: {address}}}\n"
        files = edited(files, "pops/pop1.yml", (host, f"{host}    daemon: frr\n    version: '{version}'\n"))
    return files


@contextmanager
def egress_lab(folder: Path) -> Iterator[QuickLab]:
    """The POP, deployed, with every route of every provider on every host."""
    with quick_lab(folder, egress_files(), name="eg") as up:
        up.deploy(POP)
        for family in Family:
            prefix = by_all(up.lab, family)[0]
            for host in HOSTS:
                wait_until(lambda: taken(up.lab, host, prefix), timeout_s=30, what=f"{host} has {prefix}")  # noqa: B023
        yield up


def by_all(lab: Lab, family: Family) -> list[IPNetwork]:
    """What every provider announces, in order: the peer's routes are preferred there."""
    prefixes = frozenset.intersection(*(expected_prefixes(lab.inventory, p, family)[0] for p in PROVIDERS))
    return sorted(prefixes, key=int_of)


def address_in(prefix: IPNetwork) -> str:
    """An address behind the providers that announce ``prefix``."""
    return str(prefix.network_address + 7)


def route_get(lab: Lab, host: str, destination: str, number: int = 0) -> dict[str, Any] | None:
    """What ``ip route get`` says; None where there is no route."""
    done = exec_in(host, ("ip", "-j", "route", "get", destination, "mark", str(number)), lab.settings)
    return dict(json.loads(done.stdout)[0]) if done.returncode == 0 else None


def taken(lab: Lab, host: str, prefix: IPNetwork, number: int = 0) -> str:
    """The provider that packets of ``host`` to ``prefix`` leave through, by its kernel; "" for none."""
    found = route_get(lab, host, address_in(prefix), number)
    family = Family.IPV4 if prefix.version == 4 else Family.IPV6
    gateway = found.get("gateway") if found else None
    return next((name for name in PROVIDERS if gateway in neighbors(lab.inventory, name, family)), "")


def wait_until_taken(lab: Lab, provider: str, prefix: IPNetwork, *, hosts: tuple[str, ...] = HOSTS) -> None:
    """Return once packets of all ``hosts`` to ``prefix`` leave through ``provider``."""
    for host in hosts:
        wait_until(
            lambda: taken(lab, host, prefix) == provider,  # noqa: B023
            timeout_s=30,
            what=f"{host} sends to {prefix} through {provider}",
        )


def macs_of(lab: Lab, provider: str) -> set[Mac]:
    """The MAC addresses of a provider's routers."""
    return {mac(lab, provider, provider_interface(circuit)) for circuit in circuits(lab.inventory, provider)}


def number_of(lab: Lab, provider: str) -> int:
    """Its mark."""
    return int(mark(lab.inventory, provider))


def static_sender(address: IPv4Address, port: int) -> bytes:
    """A program for x86-64 without any library: it sends one UDP packet to ``address``, and ends."""
    text, data = (
        0x400000,
        b"mark" + struct.pack("<H", socket.AF_INET) + struct.pack("!H", port) + address.packed + bytes(8),
    )
    before = bytes.fromhex("b829000000bf02000000be0200000031d20f0589c7b82c000000")  # socket(2, 2, 0); sendto(it,
    middle = bytes.fromhex("ba040000004531d2")  # 4 bytes, no flags,
    after = bytes.fromhex("41b9100000000f05b83c00000031ff0f05")  # 16 bytes of address); exit(0)
    code_length = len(before) + 7 + len(middle) + 7 + len(after)
    message_at = code_length - (len(before) + 7)
    address_at = code_length + 4 - (len(before) + 7 + len(middle) + 7)
    load_message, load_address = (
        b"\x48\x8d\x35" + struct.pack("<i", message_at),
        b"\x4c\x8d\x05" + struct.pack("<i", address_at),
    )
    body = before + load_message + middle + load_address + after + data
    size = 120 + len(body)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = identity + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, text + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, text, text, size, size, 0x1000) + body
