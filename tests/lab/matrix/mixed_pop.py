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
    "sw1": Release("frr", "8.4.4"),
    "sw2": Release("bird", "3.1"),
    "h1": Release("bird", "2.17"),
    "h2": Release("frr", "10.3"),
    "h3": Release("bird", "2.0.12"),
}
UPLINKS = {"sw1.pop1": "eth0", "sw2.pop1": "eth1"}
ON_BOTH = "northtel"
"""The provider that has a circuit on each switch."""

INTERVAL_S = 0.001


POWER, DAEMONS, FORWARDING = "its power", "its daemons", "every frame"
"""What a switch may lose: its neighbours lose the carrier; or its kernel goes on forwarding; or nothing tells but silence."""


@dataclass(frozen=True)
class Death:
    """Which switch ends, and what it loses."""

    switch: str
    what: str

    def __str__(self) -> str:
        return f"{RELEASES[self.switch.partition('.')[0]]} loses {self.what}"

    def happen(self, lab: Lab) -> None:
        """It does."""
        if self.what == FORWARDING:
            lab.sh(
                self.switch, "for port in /sys/class/net/br0/brif/*; do bridge link set dev ${port##*/} state 0; done"
            )
        else:
            stop_node(self.switch, lab.settings, keeps_carrier=self.what == DAEMONS)


DEATHS = tuple(Death(switch, what) for switch in UPLINKS for what in (POWER, DAEMONS, FORWARDING))


@contextmanager
def mixed_pop(folder: Path) -> Iterator[QuickLab]:
    """The POP, deployed, every table exact; BFD with the providers, too."""
    files = example_of(RELEASES)
    files["pops/pop1.yml"] = files["pops/pop1.yml"].replace("    capacity:", "    bfd: true\n    capacity:")
    with quick_lab(folder, files, name="mixed") as quick:
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
    """What became of a thousand pings a second from every host; the switch is dead after.

    Their target is one that ``ip route get`` leads through that switch; the kernel's hash of a ping may lead elsewhere.
    """
    lab = quick.lab
    (left,) = (name for name in UPLINKS if name != death.switch)
    with ExitStack() as stack:
        streams = {}
        for host in HOSTS:
            target, source = target_through(lab, host, death.switch), service(lab.inventory, host, Family.IPV4)
            stream = steady_ping(lab, host, target, "-I", source, folder=folder, interval_s=INTERVAL_S)
            streams[host] = stack.enter_context(stream)
        death.happen(lab)
        for host in HOSTS:
            _wait_until_moved(lab, host, left)
    return streams


def revive(quick: QuickLab, death: Death) -> None:
    """Start the switch again; every session is up, and the tables of IPv4 are as before (those of IPv6: docs/matrix.md)."""
    if death.what == FORWARDING:
        stop_node(death.switch, quick.lab.settings)
    start_node(death.switch, quick.lab.settings)
    wait_until(lambda: all_up(quick), timeout_s=120, what="every session is up again")
    wait_until_exact(quick.lab, (Family.IPV4,))


def _wait_until_moved(lab: Lab, host: str, switch: str) -> None:
    target = target_through(lab, host, switch)
    source = service(lab.inventory, host, Family.IPV4)
    wait_until(lambda: uses_only(lab, host, switch), timeout_s=60, what=f"{host} uses {switch} alone")
    wait_until(lambda: lab.ping(host, target, "-I", source), timeout_s=120, what=f"{host} is answered")
    # The streams go on for a while: what is lost at their end cannot be told from what is on its way.
    lab.run(host, "ping", "-n", "-q", "-c", "20", "-i", "0.05", "-I", source, target)
