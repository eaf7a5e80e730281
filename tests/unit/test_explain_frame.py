"""Of several equal next hops, a row of ``netorch explain`` names the one that its frame left to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from netorch.app.explaining import as_sent
from netorch.app.ways import Known, Way
from netorch.model.facts import Neighbour
from netorch.model.trace import KernelAnswer, KernelHop, KernelRoute, SeenFrame, TraceFinding
from netorch.model.types import Family, Mac
from netorch.plan.egress import Decision

A, B = (KernelHop(ip_address(f"203.0.113.{number}"), f"eth{number}") for number in (0, 1))
MACS = {A: "02:00:00:00:00:0a", B: "02:00:00:00:00:0b"}
NEIGHBOURS = tuple(
    Neighbour(Family.IPV4, hop.interface, ip_address(str(hop.gateway)), Mac(mac), "permanent")
    for hop, mac in MACS.items()
)


def way(interface: str, mac: str) -> Way:
    """To two next hops; the kernel answers with A, the frame left by ``interface`` to ``mac``."""
    prefix = ip_network("1.2.0.0/16")
    answer = KernelAnswer(route=KernelRoute(prefix, 254, 1, 12, (A, B)), hop=A)
    frame = SeenFrame(interface, Mac(mac), Mac("02:00:00:00:00:01"), ip_address("192.0.2.11"))
    decision = Decision(table=254, prefix=prefix, hops=frozenset((A, B)))
    finding = TraceFinding(answer, frame=frame)
    return Way("h1.pop1", ip_address("1.2.3.4"), 0, decision, Known({}), finding, "")


@pytest.mark.parametrize("hop", [A, B])
def test_next_hop_is_that_of_the_frame(hop: KernelHop) -> None:
    """Whichever of them the kernel would take for another flow."""
    assert as_sent(way(hop.interface, MACS[hop]), NEIGHBOURS).finding.kernel.hop == hop


def test_strange_frame_changes_nothing() -> None:
    """A MAC address of nobody, one of another interface, and no frame at all: the kernel's word stays."""
    for seen in (way("eth1", "02:00:00:00:00:99"), way("eth1", MACS[A])):
        assert as_sent(seen, NEIGHBOURS) == seen
    unsent = way("eth0", MACS[A])
    unsent = replace(unsent, finding=replace(unsent.finding, frame=None))
    assert as_sent(unsent, NEIGHBOURS) == unsent
