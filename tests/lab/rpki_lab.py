"""Three switches that ask two validators, with one provider; and what is looked at again and again while these fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from netorch.inventory import load_inventory
from netorch.lab import set_service
from netorch.lab.nodes import Machine
from netorch.lab.plan import plan_from_json
from netorch.lab.routes import good_routes
from netorch.lab.validators import LIST, roas_text
from netorch.model.lab import LabValidator, Roa
from netorch.model.types import Family
from tests.lab.three_daemons import DAEMONS, FRR_SWITCHES, SWITCHES, Trio, files, three_daemons
from tests.waiting import wait_until

NORTHTEL = "northtel"
FIRST, SECOND = "rpki1", "rpki2"
VALIDATORS = (FIRST, SECOND)
OTHER_ASN = 3999
SENT = 40
"""So many prefixes of each family does northtel announce."""

TIMEOUT_S = 60.0
"""Nothing here takes more than seconds on an idle machine."""

_SOURCES = """
rpki:
  validators:
    - {name: rpki1, address: 198.18.9.1, port: 8282}
    - {name: rpki2, address: 198.18.9.2}
  refresh_s: 1
  retry_s: 1
"""


def inventory_files(*, network: str = "", provider: str = "") -> dict[str, str]:
    """The inventory; validators are asked every second. ``network`` are further lines, ``provider`` further keys of northtel."""
    timers = "    refresh_s: 1\n    retry_s: 1\n    expire_s: 600\n    roas:\n"
    roas = "".join(f"      - {{prefix: {r.prefix}, max_length: {r.max_length}, asn: {r.asn}}}\n" for r in listed())
    played = "".join(f"  - name: {name}\n{timers}{roas}" for name in VALIDATORS)
    return files(
        {NORTHTEL: f"relation: transit{provider}"},
        network=_SOURCES + network,
        lab=f"validators:\n{played}",
        speaker=f"prefixes_ipv4: {SENT}, prefixes_ipv6: {SENT}",
    )


def announced(family: Family = Family.IPV4) -> list[tuple[str, int]]:
    """What northtel announces that is good otherwise: prefix and origin."""
    texts = files({NORTHTEL: "relation: transit"}, speaker=f"prefixes_ipv4: {SENT}, prefixes_ipv6: {SENT}")
    routes = good_routes(load_inventory(texts, folder="/srv/inventory"), NORTHTEL, family)
    return [(str(ip_network((address, length))), path[-1]) for address, length, path in routes]


def roa(prefix: str, asn: int) -> Roa:
    """An entry for exactly ``prefix``."""
    network = ip_network(prefix)
    return Roa(network, network.prefixlen, asn)


VALID, INVALID, UNLISTED = announced()[:3]
"""A valid route, one that is invalid, one that is on no list; each is a prefix with its origin."""

INVALID6 = announced(Family.IPV6)[0]
ENTRIES = (11, 1)
"""So many entries of each family does either validator list."""


def listed() -> list[Roa]:
    """One route is valid, one invalid of each family, all others not found; and our own prefix is valid."""
    fill = [roa(f"45.{number}.0.0/16", OTHER_ASN) for number in range(8)]
    own = [roa("192.0.2.0/24", 64500)]
    return [roa(*VALID), roa(INVALID[0], OTHER_ASN), roa(INVALID6[0], OTHER_ASN), *own, *fill]


@dataclass
class Bed(Trio):
    """The lab, its validators, and what its switches make of them."""

    def counts(self, switch: str) -> tuple[int | None, int | None]:
        """How many routes of northtel the switch has accepted, of each family."""
        return self.count(switch, NORTHTEL, Family.IPV4), self.count(switch, NORTHTEL, Family.IPV6)

    def beginnings(self, switch: str) -> tuple[str, ...]:
        """What tells northtel's sessions from those before them: BIRD's moments, FRR's counts."""
        if DAEMONS[switch][0] == "bird":
            names = [self.session(switch, NORTHTEL, family) for family in Family]
            said = (self.quick.lab.run(switch, "birdc", "show", "protocols", name) for name in names)
            return tuple(text.splitlines()[-1] for text in said)
        addresses = [self.neighbor(switch, NORTHTEL, family) for family in Family]
        rows = json.loads(self.quick.lab.run(switch, "vtysh", "-c", "show bgp neighbors json"))
        return tuple(str(rows[address]["connectionsEstablished"]) for address in addresses)

    def validators(self, switch: str) -> dict[str, Any]:
        """The validators as ``netorch status`` says them, which also has an FRR's agent look."""
        return {row["validator"]: row for row in self.device(switch)["validators"]}

    def states(self, switch: str) -> dict[str, str]:
        """Their states alone."""
        return {name: row["state"] for name, row in self.validators(switch).items()}

    def entries(self, switch: str) -> int:
        """How many IPv4 entries the switch's daemon has, asked directly."""
        if DAEMONS[switch][0] == "bird":
            said = self.quick.lab.run(switch, "birdc", "show", "route", "table", "validated_ipv4", "count")
            return int(said.partition(" routes for ")[2].split()[0])  # each is there once for each validator
        said = self.quick.lab.run(switch, "vtysh", "-c", "show rpki prefix-table")
        return len({line for line in said.splitlines() if line[:1].isdigit() and ":" not in line})

    def list(self, name: str, roas: list[Roa]) -> None:
        """Give a validator another list, whole or not at all; it reads it within a second."""
        text = roas_text(LabValidator(name, tuple(roas)))
        self.quick.lab.sh(name, f"cat > {LIST}.new; mv {LIST}.new {LIST}", stdin=text)

    def run_validators(self, *, running: bool, names: tuple[str, ...] = VALIDATORS) -> None:
        """Start or kill validators."""
        for name in names:
            set_service(name, "stayrtr", self.quick.lab.settings, running=running)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a validator's process."""
        settings = self.quick.lab.settings
        node = plan_from_json(settings.plan_file.read_text()).node(name)
        pid = next(one.pid for one in Machine(node, settings).services() if one.name == "stayrtr")
        self.quick.lab.run(name, "kill", f"-{number}", str(pid))

    def check(self) -> tuple[int, str]:
        """What a monitoring system is told."""
        said = self.quick.project("check", "pop1", code=None)
        return said.code, said.out

    def asks(self, switch: str) -> bool:
        """Whether an FRR asks the first validator, by its own words; where it does not, its agent looks."""
        said = self.quick.lab.run(switch, "vtysh", "-c", "show rpki cache-connection json")
        rows = json.loads(said).get("connections", ()) if said.lstrip().startswith("{") else ()
        if any(row["host"] == "198.18.9.1" and row["state"] == "connected" for row in rows):
            return True
        self.device(switch)
        return False

    def judges(self, switch: str) -> bool:
        """Whether a switch has the whole list and refuses what that calls invalid, no more; if not, an FRR's agent looks."""
        if self._judges(switch):
            return True
        if switch in FRR_SWITCHES:
            self.device(switch)
        return False

    def _judges(self, switch: str) -> bool:
        return (
            self.entries(switch) == ENTRIES[0]
            and self.accepted(switch, VALID[0])
            and not self.accepted(switch, INVALID[0])
            and not self.accepted(switch, INVALID6[0])
        )

    def until(self, condition: Callable[[str], bool], *, what: str, switches: tuple[str, ...] = SWITCHES) -> None:
        """Return once ``condition`` has held for each switch, one after the other."""
        for switch in switches:
            wait_until(partial(condition, switch), timeout_s=TIMEOUT_S, what=f"{switch}: {what}")

    def mend(self) -> None:
        """Both validators run and list what they did at first, and all switches are at work with it."""
        for name in VALIDATORS:
            self.list(name, listed())
        self.run_validators(running=True)
        self.until(self.asks, what="the first validator is asked", switches=FRR_SWITCHES)
        self.until(self.judges, what="routes are judged by the list")


@contextmanager
def rpki_lab(folder: Path, inventory: dict[str, str], *, name: str) -> Iterator[Bed]:
    """The lab, deployed, for the time of the block."""
    with three_daemons(folder, inventory, name=name) as up:
        yield Bed(up.quick)
