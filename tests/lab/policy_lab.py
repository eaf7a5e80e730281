"""A switch for each release of BIRD and FRR, whose neighbours are ExaBGP and say what a table of routes tells them to."""

from __future__ import annotations

import json
import re
import shutil
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
from tests.policy.table import DROPPING, FOLDER, Entry, everything, table
from tests.waiting import wait_until

RELEASES = {
    "pop1": ("bird", "2.0.12"),
    "pop2": ("frr", "8.4.4"),
    "pop3": ("bird", "2.17"),
    "pop4": ("bird", "3.1"),
    "pop5": ("frr", "10.3"),
}
SWITCHES = {pop: f"sw1.{pop}" for pop in RELEASES}
DAEMONS = {pop: daemon for pop, (daemon, _) in RELEASES.items()}
SHIPPED = ("pop1", "pop2")
"""Those in tests/policy/inventory. The others are made of the first."""

_FIRST_CIRCUIT = {"pop1": 68, "pop3": 4, "pop4": 36, "pop5": 100}
"""The last byte of the /30 of a POP's first circuit; the second POP's is 132."""
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
    rejections: dict[str, Any] = field(default_factory=dict)

    @property
    def pops(self) -> tuple[Pop, ...]:
        return self.quick.lab.inventory.pops

    def circuit(self, pop: str, provider: str) -> Circuit:
        """The provider's circuit in a POP."""
        found = self.quick.lab.inventory.pop(pop)
        return next(circuit for circuit in found.circuits if circuit.provider == provider)

    def providers(self, pop: str) -> tuple[Provider, ...]:
        """Those with a circuit in a POP."""
        here = {circuit.provider for circuit in self.quick.lab.inventory.pop(pop).circuits}
        return tuple(provider for provider in self.quick.lab.inventory.providers if provider.name in here)

    def sent(self, pop: str, section: str) -> tuple[Entry, ...]:
        """The entries of one section that somebody announces in a POP."""
        here = {provider.name for provider in self.providers(pop)}
        return tuple(entry for entry in table(section) if entry.provider in here)

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
        names = [provider.name for provider in self.providers(pop)]
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
        return {
            route["prefix"]: route["reason"]
            for route in self.rejections_of(provider)["routes"]
            if route["device"] == SWITCHES[pop]
        }

    def rejections_of(self, provider: str) -> Any:
        """The whole of ``netorch rejected -o json``, of all POPs; asked once."""
        if provider not in self.rejections:
            command = ("rejected", provider, "--limit", "1000", "-o", "json")
            self.rejections[provider] = self.quick.project(*command).document
        return self.rejections[provider]

    def has_lists(self, pop: str) -> bool:
        """Whether the switch has the validator's list, by ``netorch status``, which has FRR ask again where that is needed."""
        said = self.quick.project("status", SWITCHES[pop], "--interval", "0.1", "-o", "json", code=None)
        rows = [row for device in said.document["devices"] for row in device.get("validators") or ()]
        return [bool(row["state"] == "up" and row["ipv4_entries"] and row["ipv6_entries"]) for row in rows] == [True]

    def heard(self, pop: str, provider: str) -> dict[str, tuple[int, ...]]:
        """What a provider hears of a POP's switch, by its own record: AS paths by prefix."""
        circuit = self.circuit(pop, provider)
        ours = {str(one.local.ip) for one in (circuit.ipv4, circuit.ipv6) if one is not None}
        heard: dict[str, tuple[int, ...]] = {}
        for line in self.quick.lab.run(provider, "cat", SEEN).splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # it is being written
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


def inventory_files() -> dict[str, str]:
    """The inventory of tests/policy with a POP for every release, by path."""
    folder = FOLDER / "inventory"
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.glob("**/*.yml")}
    others = [int(pop.removeprefix("pop")) for pop in RELEASES if pop not in SHIPPED]
    files |= {f"pops/pop{number}.yml": _further_pop(files["pops/pop1.yml"], number) for number in others}
    own = "".join(f", 45.{number}.0.0/24, 2001:db8:{number}::/48" for number in others)
    files["network.yml"] = files["network.yml"].replace("2001:db8:2::/48]", f"2001:db8:2::/48{own}]")
    return files


def _further_pop(text: str, number: int) -> str:
    """The first POP's file with another number: other addresses, other circuits, another release."""
    pop = f"pop{number}"
    daemon, version = RELEASES[pop]
    moved = _FIRST_CIRCUIT[pop] - _FIRST_CIRCUIT["pop1"]
    for find, put in (
        (r"pop1", pop),
        (r"198\.18\.1\.", f"198.18.{number}."),
        (r"10\.1\.1\.", f"10.{number}.1."),
        (r"fd00:1:1:", f"fd00:{number}:1:"),
        (r"192\.0\.2\.", f"45.{number}.0."),
        (r"2001:db8:1:", f"2001:db8:{number}:"),
        (r"2001:db8:c:1(\d)", rf"2001:db8:c:{number}\1"),
        (r"- id: 1(\d)", rf"- id: {number}\1"),
        (r"    default_route_via: northtel\n", rf"\g<0>    daemon: {daemon}\n    version: '{version}'\n"),
    ):
        text = re.sub(find, put, text)
    if daemon == "frr":
        text = re.sub(rf"  - id: \d+\n    name: \S+\n    provider: {DROPPING}\n(?:    .*\n)+", "", text)
    return re.sub(r"(203\.0\.113|80\.249\.216)\.(\d+)", lambda found: f"{found[1]}.{int(found[2]) + moved}", text)


@contextmanager
def policy_lab(folder: Path) -> Iterator[PolicyLab]:
    """The lab, deployed, once every switch has all that is to be accepted, and has held it against the validator's list."""
    shutil.copytree(FOLDER / "registries", folder / "registries")
    with quick_lab(folder, inventory_files(), name="policy") as quick:
        lab = PolicyLab(quick)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda provider: _instruct(lab, provider), quick.lab.inventory.providers))
            list(pool.map(lambda pop: quick.project("deploy", pop, "--yes", timeout_s=300), RELEASES))
        for pop in RELEASES:
            wait_until(lambda: lab.has_lists(pop), timeout_s=90, what=f"{pop} has the validator's list")  # noqa: B023
            if DAEMONS[pop] == "frr":  # it does not reliably look again at what came before the list (docs/rpki.md)
                for family in Family:
                    lab.run(pop, "vtysh", "-c", f"clear bgp {family.value} unicast * soft in")
        wait_until(lambda: not missing(lab), timeout_s=90, what="every good route is accepted, no invalid one")
        yield lab


def _instruct(lab: PolicyLab, provider: Provider) -> None:
    quick = lab.quick
    set_service(provider.name, "exabgp", quick.lab.settings, running=False)
    quick.lab.run(provider.name, "sh", "-c", f"cat > {_CONFIGURATION}", stdin=_configuration(lab, provider))
    set_service(provider.name, "exabgp", quick.lab.settings, running=True)


def missing(lab: PolicyLab) -> list[str]:
    """What is to be accepted and is not there yet, and what is there and contradicts the validator's list."""
    found = {pop: lab.all_accepted(pop) for pop in SWITCHES}
    return [
        f"{pop} {entry.provider} {entry.prefix}"
        for pop in SWITCHES
        for entry in everything()
        if (entry.provider, entry.family) in found[pop]
        and entry.refused in ("", "rpki_invalid")
        and (entry.written in found[pop][entry.provider, entry.family]) != (entry.refused == "")
    ]


def _configuration(lab: PolicyLab, provider: Provider) -> str:
    """ExaBGP's: a session to each switch for each family, with all that the table has for it."""
    asn = lab.quick.lab.inventory.asn
    blocks = [f'process watch {{\n  run /bin/sh -c "cat > {SEEN}";\n  encoder json;\n}}']
    for pop in lab.pops:
        if provider not in lab.providers(pop.name):
            continue
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
