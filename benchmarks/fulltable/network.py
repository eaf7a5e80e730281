"""The smallest POP with two providers: one switch, one host, and two full tables."""

from __future__ import annotations

from pathlib import Path

from netorch.app.inventory import read_inventory
from netorch.model.inventory import Inventory

SWITCH, HOST = "sw1.pop1", "h1.pop1"
PROVIDERS = ("northtel", "southnet")
TABLES = {"northtel": 1001, "southnet": 1002}
UPLINK = "eth0"

_NETWORK = """name: fulltable
asn: 64500
own_prefixes: [192.0.2.0/24]
ssh: {user: root, identity: ../.lab/id_ed25519, known_hosts: ../.lab/known_hosts}
defaults: {daemon: bird, version: 2.0.12}
plugins: [drain, arp_mirror, describe]
"""

_PROVIDERS = """providers:
  - {name: northtel, id: 1, asn: 64496, relation: transit}
  - {name: southnet, id: 2, asn: 64497, relation: transit}
"""

_LAB = """speakers:
  - {{provider: northtel, prefixes_ipv4: {prefixes}, prefixes_ipv6: 0}}
  - {{provider: southnet, prefixes_ipv4: {prefixes}, prefixes_ipv6: 0}}
"""

_POP = """name: pop1
switches:
  - name: sw1
    ssh: {address: 198.18.1.1}
    fabric: {interface: br0, ipv4: 10.1.1.1/24, ipv6: fd00:1:1::1/64}
    ports: [swp1, swp2, swp11]
hosts:
  - name: h1
    ssh: {address: 198.18.1.11}
    service: [192.0.2.11]
    uplinks:
      - {interface: eth0, switch: sw1, port: swp11, ipv4: 10.1.1.11/24, ipv6: fd00:1:1::11/64}
circuits:
  - id: 1
    name: northtel-pop1
    provider: northtel
    switch: sw1
    port: swp1
    ipv4: {local: 203.0.113.2/30, neighbor: 203.0.113.1}
  - id: 2
    name: southnet-pop1
    provider: southnet
    switch: sw1
    port: swp2
    ipv4: {local: 203.0.113.6/30, neighbor: 203.0.113.5}
prefixes:
  - {prefix: 192.0.2.0/24, originators: [h1]}
"""


def write_inventory(folder: Path, prefixes: int) -> Inventory:
    """Write the inventory to ``folder`` and read it back; each provider announces ``prefixes``."""
    (folder / "pops").mkdir(parents=True)
    texts = {
        "network.yml": _NETWORK,
        "providers.yml": _PROVIDERS,
        "lab.yml": _LAB.format(prefixes=prefixes),
        "pops/pop1.yml": _POP,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read_inventory(folder)


def session_of(provider: str) -> str:
    """The name of the session to our switch at ``provider``'s own daemon in the lab."""
    return {"northtel": "circuit1_4", "southnet": "circuit2_4"}[provider]
