"""Two switches, one with BIRD and one with FRR, whose neighbours are ExaBGP and say what a table of routes tells them to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netorch.lab import set_service
from netorch.model.inventory import Circuit, Pop, Provider
from netorch.model.types import Family
from netorch.parse import parse_routes
from netorch.parse.frr import read_bgp_routes
from netorch.parse.frr.received import read_accepted
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.policy.table import FOLDER, Entry, everything
from tests.waiting import wait_until

SWITCHES = {"pop1": "sw1.pop1", "pop2": "sw1.pop2"}
DAEMONS = {"pop1": "bird", "pop2": "frr"}
SEEN = "/run/seen.json"
_CONFIGURATION = "/etc/exabgp/exabgp.conf"
_FRR_NAMES = {
    "gracefulShutdown": "65535:0",
    "noLlgr": "65535:7",
    "no-llgr": "65535:7",
    "noExport": "65535:65281",
    "noPeer": "65535:65284",
}


@dataclass
class PolicyLab:
    """The lab, deployed, with all routes sent."""

    quick: QuickLab
    rejections: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def pops(self) -> tuple[Pop, ...]:
        return self.quick.lab.inventory.pops

    def circuit(self, pop: str, provider: str) -> Circuit:
        """The provider's circuit in a POP."""
        found = self.quick.lab.inventory.pop(pop)
        return next(circuit for circuit in found.circuits if circuit.provider == provider)

    def accepted(self, pop: str, provider: str, family: Family) -> frozenset[str]:
        """The prefixes that a switch accepted of a provider."""
        if DAEMONS[pop] == "bird":
            name = f"{provider}_{self.circuit(pop, provider).id}_v{family.number}"
            routes = parse_routes(self.run(pop, "birdc", f"show route protocol {name}"), details=False)
            return frozenset(str(route.prefix) for route in routes)
        command = f"show bgp {family.value} unicast neighbors {self.neighbor(pop, provider, family)} routes json"
        return read_accepted(self.run(pop, "vtysh", "-c", command))

    def all_accepted(self, pop: str) -> dict[tuple[str, Family], frozenset[str]]:
        """The same of every provider."""
        names = [provider.name for provider in self.quick.lab.inventory.providers]
        return {(name, family): self.accepted(pop, name, family) for name in names for family in Family}

    def communities(self, pop: str, entry: Entry) -> frozenset[str]:
        """The communities that an accepted route has come to have, of every kind."""
        if DAEMONS[pop] == "bird":
            found = parse_routes(self.run(pop, "birdc", f"show route {entry.written} all"), details=True)
        else:
            command = f"show bgp {entry.family.value} unicast {entry.written} json"
            found = read_bgp_routes(self.run(pop, "vtysh", "-c", command))
        (attributes,) = [route.bgp for route in found if route.bgp is not None]
        return frozenset((*attributes.communities, *attributes.large_communities, *attributes.extended_communities))

    def neighbor(self, pop: str, provider: str, family: Family) -> str:
        """The provider's address towards a POP's switch."""
        addresses = self.circuit(pop, provider).addresses(family)
        assert addresses is not None
        return str(addresses.neighbor)

    def run(self, pop: str, *argv: str) -> str:
        """What a command says on a POP's switch."""
        return self.quick.lab.run(SWITCHES[pop], *argv)

    def rejected(self, pop: str, provider: str) -> dict[str, str]:
        """What ``netorch rejected`` says: reasons by prefix."""
        if (pop, provider) not in self.rejections:
            command = ("rejected", provider, "--pop", pop, "--limit", "1000", "-o", "json")
            self.rejections[pop, provider] = self.quick.project(*command).document
        return {route["prefix"]: route["reason"] for route in self.rejections[pop, provider]["routes"]}

    def heard(self, pop: str, provider: str) -> dict[str, tuple[int, ...]]:
        """What a provider hears of a POP's switch, by its own record: AS paths by prefix."""
        circuit = self.circuit(pop, provider)
        ours = {str(one.local.ip) for one in (circuit.ipv4, circuit.ipv6) if one is not None}
        heard: dict[str, tuple[int, ...]] = {}
        for line in self.quick.lab.run(provider, "cat", SEEN).splitlines():
            said = json.loads(line)
            if said.get("type") == "update" and said["neighbor"]["address"]["peer"] in ours:
                _take(heard, said["neighbor"]["message"].get("update", {}))
        return heard


def _take(heard: dict[str, tuple[int, ...]], update: dict[str, Any]) -> None:
    for gone in update.get("withdraw", {}).values():
        for one in gone:
            heard.pop(one["nlri"], None)
    segments = update.get("attribute", {}).get("as-path", {})
    path = tuple(number for one in segments.values() for number in one["value"])
    for hops in update.get("announce", {}).values():
        for one in (nlri for found in hops.values() for nlri in found):
            if "nlri" in one:
                heard[one["nlri"]] = path


@contextmanager
def policy_lab(folder: Path, frr: str) -> Iterator[PolicyLab]:
    """The lab with FRR ``frr`` on one switch, deployed, once it has all that is to be accepted."""
    files = {
        str(path.relative_to(FOLDER / "inventory")): path.read_text() for path in FOLDER.glob("inventory/**/*.yml")
    }
    files["pops/pop2.yml"] = files["pops/pop2.yml"].replace("version: 8.4.4", f"version: '{frr}'")
    with quick_lab(folder, files, name="policy") as quick:
        lab = PolicyLab(quick)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda provider: _instruct(lab, provider), quick.lab.inventory.providers))
        quick.project("deploy", "pop1", "pop2", "--yes", timeout_s=180)
        wait_until(lambda: not missing(lab), timeout_s=90, what="every good route is accepted")
        yield lab


def _instruct(lab: PolicyLab, provider: Provider) -> None:
    quick = lab.quick
    set_service(provider.name, "exabgp", quick.lab.settings, running=False)
    quick.lab.run(provider.name, "sh", "-c", f"cat > {_CONFIGURATION}", stdin=_configuration(lab, provider))
    set_service(provider.name, "exabgp", quick.lab.settings, running=True)


def missing(lab: PolicyLab) -> list[str]:
    """What is to be accepted and is not there yet."""
    wanted = [entry for entry in everything() if not entry.refused]
    found = {pop: lab.all_accepted(pop) for pop in SWITCHES}
    return [
        f"{pop} {entry.provider} {entry.prefix}"
        for pop in SWITCHES
        for entry in wanted
        if entry.written not in found[pop][entry.provider, entry.family]
    ]


def _configuration(lab: PolicyLab, provider: Provider) -> str:
    """ExaBGP's: a session to each switch for each family, with all that the table has for it."""
    asn = lab.quick.lab.inventory.asn
    blocks = [f'process watch {{\n  run /bin/sh -c "cat > {SEEN}";\n  encoder json;\n}}']
    for pop in lab.pops:
        circuit = lab.circuit(pop.name, provider.name)
        for family in Family:
            addresses = circuit.addresses(family)
            assert addresses is not None
            routes = [
                _route(lab, pop.name, entry, provider)
                for entry in everything()
                if (entry.provider, entry.family) == (provider.name, family)
            ]
            blocks.append(f"""neighbor {addresses.local.ip} {{
  router-id 198.51.100.{200 + provider.id};
  local-address {addresses.neighbor};
  local-as {provider.asn};
  peer-as {asn};
  hold-time 90;
  family {{ {family.value} unicast; }}
  api {{ processes [ watch ]; receive {{ parsed; update; }} }}
  static {{
{_lines(routes)}
  }}
}}""")
    return "\n".join(blocks) + "\n"


def _lines(routes: Iterable[str]) -> str:
    return "\n".join(f"    {route}" for route in routes)


def _route(lab: PolicyLab, pop: str, entry: Entry, provider: Provider) -> str:
    words = [
        f"route {entry.prefix} next-hop {_hop(lab, pop, entry)}",
        f"as-path {_path(entry.path or f'{provider.asn} 3000')}",
    ]
    for name, values in (
        ("community", entry.communities),
        ("large-community", entry.large),
        ("extended-community", entry.extended),
    ):
        if values:
            words.append(f"{name} [ {' '.join(values)} ]")
    if entry.otc is not None:
        words.append(f"attribute [ 0x23 0xc0 0x{entry.otc:08x} ]")  # RFC 9234 section 5
    return f"{' '.join(words)};"


def _path(text: str) -> str:
    """``1 2 (3 4) 5`` in ExaBGP's words."""
    parts = text.replace("(", "|(").replace(")", ")|").split("|")
    return (
        " ".join(part if part.startswith("(") else f"[ {part.strip()} ]" for part in parts if part.strip())
        .replace("(", "( ")
        .replace(")", " )")
    )


def _hop(lab: PolicyLab, pop: str, entry: Entry) -> str:
    own = lab.circuit(pop, entry.provider).addresses(entry.family)
    assert own is not None
    if entry.hop in ("", "ours"):
        return str(own.local.ip if entry.hop else own.neighbor)
    if entry.hop[0].isdigit():
        return entry.hop
    other = lab.circuit(pop, entry.hop).addresses(entry.family)
    assert other is not None
    return str(other.neighbor)


def plain(communities: Iterable[str], asn: int) -> frozenset[str]:
    """Communities without those that netorch adds, in numbers."""
    numbers = (_FRR_NAMES.get(one, one) for one in communities)
    return frozenset(one for one in numbers if not one.startswith(tuple(f"{asn}:{kind}:" for kind in (1, 2, 3))))
