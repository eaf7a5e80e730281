"""A provider's router is swapped for one with another MAC under traffic: what happens, in which order; not how fast.

How fast is measured by ``./dev bench mirror``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netorch.agent.clock import uptime
from tests.lab.faults.mirror_watch import Watch
from tests.lab.mirror_bed import MAC_A, MAC_B, V4, V6, Bed, running_bed
from tests.lab.mirror_routers import Router, set_neighbour_sysctls
from tests.lab.mirror_stream import Stream
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture
def bed() -> Iterator[Bed]:
    with running_bed(hosts=1) as made:
        set_neighbour_sysctls(made.switch.space)
        yield made


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "silent"])
@pytest.mark.parametrize("address", [V4, V6])
def test_traffic_follows_a_swapped_router(bed: Bed, address: str, announced: bool) -> None:
    """The switch learns the new MAC, then the host has it, then packets come to the new router, and go on; the host's entry
    changes once, in one step."""
    routers = [Router(bed, "n1", MAC_A), Router(bed, "n2", MAC_B)]
    try:
        routers[0].plug()
        wait_until(lambda: bed.host.has(MAC_A, address), what="the first router is mirrored")
        with (
            Watch(bed, [("eth0", address)]) as watch,
            Stream(bed, routers, family=6 if ":" in address else 4) as stream,
        ):
            stream.wait_for(100, mac=MAC_A)
            Router.swap(*routers, announced=announced)
            swapped = uptime()
            wait_until(lambda: bed.switch.entry(address)["mac"] == MAC_B, what="the switch knows the second router")
            stream.wait_for(100, mac=MAC_B)
            watch.finish()
        macs = [span.mac for span in watch.spans]
        assert macs == [MAC_A, MAC_B]
        assert watch.spans[1].since > swapped - 1
        learnt = bed.switch.entry(address)["since"]
        assert learnt <= bed.host.entry(address)["since"]
        first = stream.arrived_at(MAC_B)[0].number
        assert all(arrival.number < first for arrival in stream.arrived_at(MAC_A))
        assert not [number for number in stream.lost if first < number < stream.arrived_at(MAC_B)[-1].number]
    finally:
        for router in routers:
            router.close()
