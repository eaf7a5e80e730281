"""How long a host's packets are lost when a provider's router is swapped for one with another MAC."""

from __future__ import annotations

import statistics
import time
from typing import Any

from tests.lab.mirror_bed import MAC_A, MAC_B, V4, V6, running_bed
from tests.lab.mirror_routers import Router, set_neighbour_sysctls
from tests.lab.mirror_stream import RATE, Stream
from tests.waiting import wait_until

SWAPS = 20
GOAL_MS = {True: 50, False: 2000}


def failover(swaps: int = SWAPS) -> list[dict[str, Any]]:
    """A row for each family and each way; milliseconds of a stream of 1,000 packets a second."""
    rows = []
    with running_bed(hosts=1) as bed:
        set_neighbour_sysctls(bed.switch.space)
        routers = [Router(bed, "n1", MAC_A), Router(bed, "n2", MAC_B)]
        try:
            routers[0].plug()
            wait_until(lambda: bed.host.has(MAC_A, V4) and bed.host.has(MAC_A, V6), what="both families are mirrored")
            for announced in (True, False):
                for address in (V4, V6):
                    with Stream(bed, routers, family=6 if ":" in address else 4) as stream:
                        stream.wait_for(1)
                        for turn in range(swaps):
                            # At any moment of the feed's rhythm of probes.
                            time.sleep(0.5 + 0.75 * turn / swaps)
                            _swap(stream, *routers, announced=announced)
                            routers.reverse()
                        time.sleep(0.5)
                    rows.append(_row(stream, address, announced=announced, swaps=swaps))
        finally:
            for router in routers:
                router.close()
    return rows


def _swap(stream: Stream, old: Router, new: Router, *, announced: bool) -> None:
    before = len(stream.arrived_at(new.mac))
    Router.swap(old, new, announced=announced)
    stream.wait_for(before + 50, mac=new.mac)


def _row(stream: Stream, address: str, *, announced: bool, swaps: int) -> dict[str, Any]:
    lost = [length * 1000 / RATE for length in runs(stream.lost)]
    return {
        "family": "IPv6" if ":" in address else "IPv4",
        "announced": announced,
        "swaps": swaps,
        "median_ms": statistics.median(lost) if lost else 0.0,
        "max_ms": max(lost, default=0.0),
        "goal_ms": GOAL_MS[announced],
    }


def runs(numbers: list[int]) -> list[int]:
    """The lengths of the runs of packets that were lost one after the other; gaps of a few packets belong together."""
    lengths: list[int] = []
    last = None
    for number in numbers:
        if last is not None and number - last < RATE // 10:
            lengths[-1] += number - last
        else:
            lengths.append(1)
        last = number
    return lengths
