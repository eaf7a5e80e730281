"""Connections between the mirror's agents come back quickly, and are not lost for what has nothing to do with them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from netorch.agent.clock import now
from tests.lab.mirror_bed import MAC_A, STATE, V4, Bed, batch, running_bed
from tests.lab.mirror_certificates import TestAuthority
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
PKI = f"{STATE}/pki"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with running_bed(hosts=1) as made:
        yield made


def test_interfaces_that_come_and_go_cost_no_connection(bed: Bed) -> None:
    """A host on which containers start has dozens of changes a second: its feed bears them, and knows the MACs in the end."""
    before = bed.host.status()
    for round_number in range(30):
        batch(
            bed.host.space,
            f"link add c{round_number} address 02:dd:00:00:00:{round_number:02x} type bridge",
            f"link set c{round_number} up",
        )
    last = "02:dd:00:00:00:1d"
    bed.learn(last)
    wait_until(
        lambda: bed.switch.entry()["refusal"] != "", what=f"the feed knows that {last} is the host's own", timeout_s=10
    )
    after = bed.host.status()
    assert after["counters"]["resyncs"] == before["counters"]["resyncs"]
    assert bed.is_up()


def test_new_certificate_ends_the_wait(bed: Bed) -> None:
    """A host that was refused for long tries again as soon as it has another certificate, not when its wait is over."""
    bed.authority.install(bed.host.path(PKI), TestAuthority("other").leaf(bed.host.name))
    bed.switch.stop()
    bed.host.send_signal(signal.SIGHUP)
    wait_until(lambda: not bed.is_up(), what="the feed is lost")
    bed.switch.start()
    attempts = bed.switch.status()["counters"]["refused_connections"]
    wait_until(
        lambda: bed.switch.status()["counters"]["refused_connections"] >= attempts + 3,
        what="it was refused, and waits for seconds",
        timeout_s=20,
    )
    bed.authority.install(bed.host.path(PKI), bed.leaves[bed.host.name])
    asked = now()
    bed.host.send_signal(signal.SIGHUP)
    wait_until(bed.is_up, what="it follows again")
    waited_s = bed.host.status()["feeds"][0]["since"] - asked
    assert waited_s < 1.5, bed.host.log()


def test_both_halves_of_an_entry_are_put_back_at_once(bed: Bed) -> None:
    """A script that deletes the neighbour and then its address must not leave the next hop away until somebody looks."""
    bed.learn(MAC_A)
    wait_until(lambda: bed.is_up() and bed.host.has(MAC_A), what="the entry is there")
    start = len(bed.host.log())
    bed.host.space.run("sh", "-c", f"ip neigh del {V4} dev eth0; ip addr del 10.1.1.11 peer {V4} dev eth0")
    wait_until(lambda: bed.host.has(MAC_A), what="both are back")
    wait_until(lambda: bed.host.log()[start:].count("put back") == 2, what="each was put back for itself, at once")
