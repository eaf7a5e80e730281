"""Inventories of any size: POPs of one switch, as many hosts as asked for, and two providers."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

NETWORK = """\
name: bench
asn: 64500
own_prefixes: [172.16.0.0/12, "2001:db8::/32"]
ssh: {user: root, identity: ../.lab/id_ed25519, known_hosts: ../.lab/known_hosts}
defaults: {daemon: bird, version: 2.0.12}
templates: ../templates
plugins: [drain, arp_mirror, describe]
"""

PROVIDERS = """\
providers:
  - {name: northtel, id: 1, asn: 64496, relation: transit}
  - {name: southnet, id: 2, asn: 64497, relation: transit}
"""

SPEAKERS = """\
speakers:
  - {provider: northtel, prefixes_ipv4: 10, prefixes_ipv6: 10, delay_ms: 0}
  - {provider: southnet, prefixes_ipv4: 10, prefixes_ipv6: 10, delay_ms: 0}
"""

ROUTES = 235
"""Routes in the operator's own part of every host's configuration: with them it has about 20 kB."""


def host_names(pop: int, hosts: int) -> list[str]:
    """The names of the hosts of POP number ``pop``, from 1 on."""
    return [f"h{number:03d}.pop{pop}" for number in range(1, hosts + 1)]


def write_inventory(folder: Path, hosts: Sequence[int]) -> None:
    """``folder``/inventory with a POP for each of ``hosts``, and the operator's own templates beside it."""
    texts = {"network.yml": NETWORK, "providers.yml": PROVIDERS, "lab.yml": SPEAKERS}
    texts |= {f"pops/pop{pop}.yml": _pop(pop, size) for pop, size in enumerate(hosts, start=1)}
    for name, text in texts.items():
        path = folder / "inventory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    write_change(folder, 0)


def write_change(folder: Path, serial: int) -> None:
    """The operator's own part of every host's configuration, another one for every ``serial``: routes in their own table."""
    path = folder / "templates/bird/local-host.conf.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = IPv4Address("10.0.0.0") + serial % 16 * ROUTES * 256
    routes = "".join(f"    route {first + 256 * n}/24 blackhole;  # the operator's own\n" for n in range(ROUTES))
    text = f"\n{mark(serial)}\nipv4 table own4;\n\nprotocol static own {{\n    ipv4 {{ table own4; }};\n{routes}}}\n"
    path.write_text(text, encoding="ascii")


def mark(serial: int) -> str:
    """The line that tells one change from another."""
    return f"# change {serial}"


def _pop(pop: int, hosts: int) -> str:
    names = [name.partition(".")[0] for name in host_names(pop, hosts)]
    ports = ", ".join(["swp1", "swp2", *(f"port{number}" for number in range(1, hosts + 1))])
    originators = ", ".join(names)
    devices = "".join(_host(pop, name, number) for number, name in enumerate(names, start=1))
    return f"""\
name: pop{pop}
switches:
  - name: sw1
    ssh: {{address: {_management(pop, 0)}}}
    fabric: {{interface: br0, ipv4: 10.{pop}.0.1/16, ipv6: "fd00:{pop:x}::1/64"}}
    ports: [{ports}]
hosts:
{devices}circuits:
{_circuit(pop, 2 * pop - 1, "northtel", "swp1")}{_circuit(pop, 2 * pop, "southnet", "swp2")}prefixes:
  - {{prefix: {_service(pop, 0)}/20, originators: [{originators}]}}
  - {{prefix: "2001:db8:{pop:x}::/48", originators: [{originators}]}}
"""


def _host(pop: int, name: str, number: int) -> str:
    fabric = IPv4Address(f"10.{pop}.0.0") + 10 + number
    uplink = f'ipv4: {fabric}/16, ipv6: "fd00:{pop:x}::{10 + number:x}/64"'
    return f"""\
  - name: {name}
    ssh: {{address: {_management(pop, number)}}}
    service: [{_service(pop, number)}, "2001:db8:{pop:x}::{number:x}"]
    uplinks: [{{interface: eth0, switch: sw1, port: port{number}, {uplink}}}]
"""


def _management(pop: int, number: int) -> IPv4Address:
    return IPv4Address("198.18.0.1") + 1024 * pop + number


def _service(pop: int, number: int) -> IPv4Address:
    return IPv4Address("172.16.0.0") + 4096 * pop + number


def _circuit(pop: int, number: int, provider: str, port: str) -> str:
    first = IPv4Address("203.0.113.0") + 4 * (number - 1)
    network = f"2001:db8:ff00:{number:x}::"
    return f"""\
  - id: {number}
    name: {provider}-pop{pop}
    provider: {provider}
    switch: sw1
    port: {port}
    ipv4: {{local: {first + 2}/30, neighbor: {first + 1}}}
    ipv6: {{local: "{network}2/64", neighbor: "{network}1"}}
"""
