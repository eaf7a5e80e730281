"""A POP with a switch for each daemon that switches run, side by side: the same providers, the same routes, one host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netorch.model.inventory import Circuit
from netorch.model.types import Family
from tests.lab.quick_lab import QuickLab, quick_lab

DAEMONS = {"sw1.pop1": ("bird", "2.0.12"), "sw2.pop1": ("frr", "8.4.4"), "sw3.pop1": ("frr", "10.3")}
"""By switch: daemon and release."""

SWITCHES = tuple(DAEMONS)
FRR_SWITCHES = tuple(name for name, (daemon, _) in DAEMONS.items() if daemon == "frr")
HOST = "h1.pop1"

_ASNS = {"northtel": 64496, "southnet": 64497, "meadow": 64498}

_NETWORK = """
name: three
asn: 64500
own_prefixes: [192.0.2.0/24, 2001:db8:1::/48]
ssh: {user: root, identity: ../.lab/id_ed25519, known_hosts: ../.lab/known_hosts}
plugins: [drain, arp_mirror]
"""


def files(
    providers: Mapping[str, str],
    *,
    network: str = "",
    lab: str = "",
    speaker: str = "prefixes_ipv4: 10, prefixes_ipv6: 10",
) -> dict[str, str]:
    """The inventory: each of ``providers`` (name to further keys of its own) has a circuit on every switch; ``network`` and
    ``lab`` are further lines of those files, ``speaker`` is how many prefixes each announces."""
    listed = "".join(
        f"  - {{name: {name}, id: {number}, asn: {_ASNS[name]}, {more}}}\n"
        for number, (name, more) in enumerate(providers.items(), start=1)
    )
    speakers = "".join(f"  - {{provider: {name}, {speaker}, delay_ms: 0}}\n" for name in providers)
    return {
        "network.yml": _NETWORK + network,
        "providers.yml": f"providers:\n{listed}",
        "lab.yml": f"speakers:\n{speakers}{lab}",
        "pops/pop1.yml": _pop(tuple(providers)),
    }


def _pop(providers: tuple[str, ...]) -> str:
    ports = ", ".join([*(f"swp{number}" for number in range(1, len(providers) + 1)), "swp11"])
    switches, uplinks, circuits = "", "", ""
    for at, (name, (daemon, version)) in enumerate(DAEMONS.items(), start=1):
        short = name.partition(".")[0]
        fabric = f'interface: br0, ipv4: 10.1.{at}.1/24, ipv6: "fd00:1:{at}::1/64"'
        switches += f"""
  - name: {short}
    ssh: {{address: 198.18.1.{at}}}
    fabric: {{{fabric}}}
    ports: [{ports}]
    daemon: {daemon}
    version: '{version}'
"""
        host = (
            f'interface: eth{at - 1}, switch: {short}, port: swp11, ipv4: 10.1.{at}.11/24, ipv6: "fd00:1:{at}::11/64"'
        )
        uplinks += f"      - {{{host}}}\n"
        circuits += "".join(_circuit(at, short, number, name) for number, name in enumerate(providers, start=1))
    return f"""
name: pop1
switches:{switches}
hosts:
  - name: h1
    ssh: {{address: 198.18.1.11}}
    service: [192.0.2.11, "2001:db8:1::11"]
    uplinks:
{uplinks}
circuits:{circuits}
prefixes:
  - {{prefix: 192.0.2.0/24, originators: [h1]}}
  - {{prefix: "2001:db8:1::/48", originators: [h1]}}
"""


def _circuit(at: int, switch: str, number: int, provider: str) -> str:
    known, base = 10 * at + number, 16 * at + 4 * number
    return f"""
  - id: {known}
    name: {provider}-{switch}
    provider: {provider}
    switch: {switch}
    port: swp{number}
    ipv4: {{local: 203.0.113.{base + 2}/30, neighbor: 203.0.113.{base + 1}}}
    ipv6: {{local: "2001:db8:c:{known}::2/64", neighbor: "2001:db8:c:{known}::1"}}
"""


@dataclass
class Trio:
    """The lab, deployed, and what its switches hold by their daemons' own words."""

    quick: QuickLab

    def circuit(self, switch: str, provider: str) -> Circuit:
        """A provider's circuit on a switch."""
        circuits = self.quick.lab.inventory.circuits
        return next(one for one in circuits if (one.switch, one.provider) == (switch, provider))

    def session(self, switch: str, provider: str, family: Family) -> str:
        """The name of a session."""
        return f"{provider}_{self.circuit(switch, provider).id}_v{family.number}"

    def neighbor(self, switch: str, provider: str, family: Family) -> str:
        """The provider's address."""
        addresses = self.circuit(switch, provider).addresses(family)
        assert addresses is not None
        return str(addresses.neighbor)

    def accepted(self, switch: str, prefix: str) -> bool:
        """Whether the switch has a route for exactly ``prefix``, to be sent to hosts."""
        if DAEMONS[switch][0] == "bird":
            return prefix in self.quick.lab.run(switch, "birdc", "show", "route", "where", "net", "=", prefix)
        family = "ipv6" if ":" in prefix else "ipv4"
        said = self.quick.lab.run(switch, "vtysh", "-c", f"show bgp {family} unicast {prefix} json")
        return said.lstrip().startswith("{") and bool(json.loads(said).get("paths"))

    def count(self, switch: str, provider: str, family: Family) -> int | None:
        """How many routes of a session are accepted; None while it is not up."""
        if DAEMONS[switch][0] == "bird":
            name = self.session(switch, provider, family)
            said = self.quick.lab.run(switch, "birdc", "show", "protocols", "all", name)
            if " Established " not in said:
                return None
            return int(said.partition("Routes:")[2].split()[0])
        address = self.neighbor(switch, provider, family)
        said = json.loads(self.quick.lab.run(switch, "vtysh", "-c", f"show bgp neighbors {address} json"))
        row: dict[str, Any] = said[address]
        if row["bgpState"] != "Established":
            return None
        return int(row["addressFamilyInfo"][f"{family.value}Unicast"]["acceptedPrefixCounter"])

    def device(self, switch: str) -> Any:
        """What ``netorch status`` says of a switch."""
        said = self.quick.project("status", switch, "--interval", "0.1", "-o", "json", code=None)
        return said.document["devices"][0]


@contextmanager
def three_daemons(folder: Path, inventory: Mapping[str, str], *, name: str) -> Iterator[Trio]:
    """The lab of ``inventory``, deployed, for the time of the block."""
    with quick_lab(folder, inventory, name=name) as quick:
        quick.deploy("pop1")
        yield Trio(quick)
