"""One POP of both daemons: an FRR switch beside a BIRD one, hosts of either; and what a dead switch costs its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.lab import expected_prefixes, start_node, stop_node
from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, POP, PROVIDERS, int_of, service
from tests.lab.labs import Lab
from tests.lab.matrix.pop import Release, all_up, example_of
from tests.lab.matrix.tables import wait_until_exact
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.lab.steady_ping import Steady, steady_ping
from tests.waiting import wait_until

RELEASES = {
    "sw1": Release("frr", "10.3"),
    "sw2": Release("bird", "3.1"),
    "h1": Release("bird", "2.17"),
    "h2": Release("frr", "8.4.4"),
    "h3": Release("bird", "2.0.12"),
}
UPLINKS = {"sw1.pop1": "eth0", "sw2.pop1": "eth1"}
ON_BOTH = "northtel"
"""The provider that has a circuit on each switch."""

INTERVAL_S = 0.001


@dataclass(frozen=True)
class Death:
    """Which switch ends, and whether its kernel goes on forwarding, as when only its daemons have died."""

    switch: str
    forwards: bool

    def __str__(self) -> str:
        what = "its daemons" if self.forwards else "its power"
        return f"{RELEASES[self.switch.partition('.')[0]]} loses {what}"


DEATHS = tuple(Death(switch, forwards) for switch in UPLINKS for forwards in (False, True))


@contextmanager
def mixed_pop(folder: Path) -> Iterator[QuickLab]:
    """The POP, deployed, every table exact."""
    with quick_lab(folder, example_of(RELEASES), name="mixed") as quick:
        quick.project("deploy", POP, "--yes", timeout_s=180)
        wait_until(lambda: all_up(quick), timeout_s=60, what="every session is up")
        wait_until_exact(quick.lab)
        yield quick


def target_through(lab: Lab, host: str, switch: str) -> str:
    """An address behind the provider on both switches alone, which ``host`` reaches through ``switch``."""
    others = (expected_prefixes(lab.inventory, p, Family.IPV4)[0] for p in PROVIDERS if p != ON_BOTH)
    prefixes = expected_prefixes(lab.inventory, ON_BOTH, Family.IPV4)[0].difference(*others)
    source = service(lab.inventory, host, Family.IPV4)
    for prefix in sorted(prefixes, key=int_of):
        for last in range(2, 34):
            target = str(prefix.network_address + last)
            if f"dev {UPLINKS[switch]} " in lab.run(host, "ip", "route", "get", target, "from", source):
                return target
    raise AssertionError(f"{host} reaches nothing of {ON_BOTH} through {switch}")


def uses_only(lab: Lab, host: str, switch: str) -> bool:
    """Whether no route of BGP leads ``host`` through the other switch."""
    (other,) = (uplink for name, uplink in UPLINKS.items() if name != switch)
    routes = lab.run(host, "ip", "route", "show", "table", "main").splitlines()
    learned = " ".join(line for line in routes if "proto kernel" not in line)
    return f"dev {UPLINKS[switch]} " in learned and f"dev {other} " not in learned


def play_death(quick: QuickLab, death: Death, folder: Path) -> dict[str, Steady]:
    """What became of a thousand pings a second from every host, each by way of the switch that ends; the switch is dead after."""
    lab = quick.lab
    (left,) = (name for name in UPLINKS if name != death.switch)
    with ExitStack() as stack:
        streams = {}
        for host in HOSTS:
            target, source = target_through(lab, host, death.switch), service(lab.inventory, host, Family.IPV4)
            stream = steady_ping(lab, host, target, "-I", source, folder=folder, interval_s=INTERVAL_S)
            streams[host] = stack.enter_context(stream)
        stop_node(death.switch, lab.settings, keeps_carrier=death.forwards)
        for host in HOSTS:
            _wait_until_moved(lab, host, left)
    return streams


def revive(quick: QuickLab, death: Death) -> None:
    """Start the switch again; every session and table is as before."""
    start_node(death.switch, quick.lab.settings)
    wait_until(lambda: all_up(quick), timeout_s=120, what="every session is up again")
    wait_until_exact(quick.lab)


def _wait_until_moved(lab: Lab, host: str, switch: str) -> None:
    target = target_through(lab, host, switch)
    source = service(lab.inventory, host, Family.IPV4)
    wait_until(lambda: uses_only(lab, host, switch), timeout_s=60, what=f"{host} uses {switch} alone")
    wait_until(lambda: lab.ping(host, target, "-I", source), timeout_s=120, what=f"{host} is answered")
    # The streams go on for a while: what is lost at their end cannot be told from what is on its way.
    lab.run(host, "ping", "-n", "-q", "-c", "20", "-i", "0.05", "-I", source, target)
