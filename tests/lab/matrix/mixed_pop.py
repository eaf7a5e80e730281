"""One POP of both daemons: an FRR switch beside a BIRD one, hosts of either; and what a dead switch costs its hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.lab import start_node, stop_node
from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, POP
from tests.lab.labs import Lab
from tests.lab.matrix.pop import Release, all_up, example_of
from tests.lab.matrix.tables import wait_until_exact
from tests.lab.matrix.ways import Stream, choose_streams, elsewhere
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
            return
        if self.what == POWER:
            # First, since the kernel of a node whose processes end closes their sessions in due form.
            lab.sh(
                self.switch,
                "for port in /sys/class/net/br0/brif/*; do echo link set dev ${port##*/} down; done | ip -batch -",
            )
        stop_node(self.switch, lab.settings, keeps_carrier=self.what == DAEMONS)


DEATHS = tuple(Death(switch, what) for switch in UPLINKS for what in (POWER, DAEMONS, FORWARDING))


@contextmanager
def mixed_pop(folder: Path) -> Iterator[QuickLab]:
    """The POP, deployed, every table exact; BFD with the providers, too."""
    files = example_of(RELEASES)
    files["pops/pop1.yml"] = files["pops/pop1.yml"].replace("    capacity:", "    bfd: true\n    capacity:")
    with quick_lab(folder, files, name="mixed") as quick:
        quick.deploy(POP)
        wait_until(lambda: all_up(quick), timeout_s=60, what="every session is up")
        wait_until_exact(quick.lab)
        yield quick


def uses_only(lab: Lab, host: str, switch: str) -> bool:
    """Whether no route of BGP leads ``host`` through the other switch."""
    (other,) = (uplink for name, uplink in UPLINKS.items() if name != switch)
    routes = lab.run(host, "ip", "route", "show", "table", "main").splitlines()
    learned = " ".join(line for line in routes if "proto kernel" not in line)
    return f"dev {UPLINKS[switch]} " in learned and f"dev {other} " not in learned


def play_death(quick: QuickLab, death: Death, folder: Path) -> dict[str, Steady]:
    """What became of a thousand pings a second from every host; the switch is dead after.

    All of them and all of their answers are seen to pass that switch before it dies, and the other one after.
    """
    lab = quick.lab
    (left,) = (name for name in UPLINKS if name != death.switch)
    wait_until_exact(lab, (Family.IPV4,))
    chosen = choose_streams(lab, death.switch, folder)
    with ExitStack() as stack:
        streams = {}
        for host, way in chosen.items():
            stream = steady_ping(lab, host, way.target, "-I", way.source, folder=folder, interval_s=INTERVAL_S)
            streams[host] = stack.enter_context(stream)
        strays = elsewhere(lab, chosen.values(), death.switch, folder=folder, watched=UPLINKS)
        assert not strays, f"the streams are to die with {death.switch}: {strays}"
        death.happen(lab)
        wait_until(
            lambda: all(uses_only(lab, host, left) for host in HOSTS), timeout_s=60, what=f"all use {left} alone"
        )
        _wait_until_moved(lab, chosen.values(), left, folder)
    return streams


def revive(quick: QuickLab, death: Death) -> None:
    """Start the switch again; every session is up, and every table is as before."""
    if death.what == FORWARDING:
        stop_node(death.switch, quick.lab.settings)
    start_node(death.switch, quick.lab.settings)
    wait_until(lambda: all_up(quick), timeout_s=120, what="every session is up again")
    wait_until_exact(quick.lab)


def _wait_until_moved(lab: Lab, streams: Collection[Stream], switch: str, folder: Path) -> None:
    # They are watched for a while: what is lost at their end cannot be told from what is on its way.
    last: list[str] = []

    def moved() -> bool:
        last[:] = elsewhere(lab, streams, switch, folder=folder, watched=(switch,))
        return not last

    try:
        wait_until(moved, timeout_s=120, what=f"every stream passes {switch}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
