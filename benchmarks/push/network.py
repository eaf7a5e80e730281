"""The inventory of this benchmark: one POP, one switch, as many hosts as asked for, two providers."""

from __future__ import annotations

from pathlib import Path

POP = "bench"
SWITCH = f"sw1.{POP}"
ROUTES = 235
"""Routes in the operator's own part of every host's configuration: with them it has about 20 kB."""

NETWORK = """\
name: bench
asn: 64500
own_prefixes: [192.0.2.0/24, "2001:db8:1::/48"]
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


def hosts(size: int) -> list[str]:
    """The names of the hosts."""
    return [f"h{number:03d}.{POP}" for number in range(1, size + 1)]


def write_inventory(folder: Path, size: int) -> None:
    """``folder``/inventory with ``size`` hosts."""
    texts = {"network.yml": NETWORK, "providers.yml": PROVIDERS, "lab.yml": SPEAKERS, f"pops/{POP}.yml": _pop(size)}
    for name, text in texts.items():
        path = folder / "inventory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


def write_change(folder: Path, serial: int) -> None:
    """The operator's own part of every host's configuration, another one for every ``serial``: routes in their own table."""
    path = folder / "templates/bird/local-host.conf.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    routes = "".join(
        f"    route 10.{64 + (serial * ROUTES + number) // 256 % 128}.{(serial * ROUTES + number) % 256}.0/24 blackhole;"
        "  # the operator's own\n"
        for number in range(ROUTES)
    )
    text = f"\n{mark(serial)}\nipv4 table own4;\n\nprotocol static own {{\n    ipv4 {{ table own4; }};\n{routes}}}\n"
    path.write_text(text, encoding="ascii")


def mark(serial: int) -> str:
    """The line that tells one change from another."""
    return f"# change {serial}"


def _pop(size: int) -> str:
    names = [name.partition(".")[0] for name in hosts(size)]
    ports = ", ".join(["swp1", "swp2", *(f"port{number}" for number in range(1, size + 1))])
    originators = ", ".join(names)
    devices = "".join(_host(name, number) for number, name in enumerate(names, start=1))
    return f"""\
name: {POP}
switches:
  - name: sw1
    ssh: {{address: 198.18.1.1}}
    fabric: {{interface: br0, ipv4: 10.1.1.1/24, ipv6: "fd00:1:1::1/64"}}
    ports: [{ports}]
hosts:
{devices}circuits:
{_circuit(1, "northtel")}{_circuit(2, "southnet")}prefixes:
  - {{prefix: 192.0.2.0/24, originators: [{originators}]}}
  - {{prefix: "2001:db8:1::/48", originators: [{originators}]}}
"""


def _host(name: str, number: int) -> str:
    last = 10 + number
    return f"""\
  - name: {name}
    ssh: {{address: 198.18.1.{last}}}
    service: [192.0.2.{last}, "2001:db8:1::{last}"]
    uplinks:
      - {{interface: eth0, switch: sw1, port: port{number}, ipv4: 10.1.1.{last}/24, ipv6: "fd00:1:1::{last}/64"}}
"""


def _circuit(number: int, provider: str) -> str:
    local, neighbor = 4 * number + 2, 4 * number + 1
    return f"""\
  - id: {number}
    name: {provider}-1
    provider: {provider}
    switch: sw1
    port: swp{number}
    ipv4: {{local: 203.0.113.{local}/30, neighbor: 203.0.113.{neighbor}}}
    ipv6: {{local: "2001:db8:c:{number}::2/64", neighbor: "2001:db8:c:{number}::1"}}
"""
