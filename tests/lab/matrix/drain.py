"""A provider of a cell is drained and brought back, under traffic."""

from __future__ import annotations

import itertools

from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, POP, PROVIDERS, circuits
from tests.lab.drained_pop import moment, share_addresses, through, usual_ways
from tests.lab.matrix.bench import Bench
from tests.lab.matrix.pop import sessions
from tests.lab.matrix.tables import wait_until_exact
from tests.lab.numbered_streams import NumberedStreams
from tests.lab.route_news import route_news
from tests.waiting import wait_until

DRAINED = "northtel"
OTHERS = tuple(provider for provider in PROVIDERS if provider != DRAINED)


def check_drain(bench: Bench) -> None:
    """The provider sees the community, hosts move to others, nothing is lost in either direction while it drains and closes, and
    no kernel deletes an IPv6 route to change it; a deploy from another checkout keeps it closed; after the undrain everything is
    as before."""
    lab, project = bench.quick.lab, bench.quick.project
    share_addresses(lab, HOSTS)
    before = moment(lab)
    devices = [device.name for device in lab.inventory.devices if device.pop == POP]
    with (
        NumberedStreams(lab, usual_ways(lab, HOSTS, provider=DRAINED)) as streams,
        route_news(lab, devices, bench.folder) as news,
    ):
        drain = ("drain", "provider", DRAINED, "--pop", POP, "--reason", "matrix")
        project(*drain, "--keep-session", "--wait", "0s")
        _assert_asked(bench)
        streams.begins("close")
        project(*drain)
        wait_until_exact(lab, providers=OTHERS)
        assert through(moment(lab), DRAINED, lab.inventory) == [], f"hosts send to {DRAINED}"
        project.copy(bench.folder / "colleague")("deploy", POP, "--yes")
        states = {s["state"] for s in sessions(bench.quick).values() if s["peer"] == DRAINED}
        assert states == {"down"}, states
        streams.begins("undrain")
        project("undrain", DRAINED, "--pop", POP)
        project("plan", POP, "--detailed-exitcode")
        wait_until_exact(lab)
        wait_until(lambda: moment(lab) == before, timeout_s=30, what="everything is as before")
    lost = {name: len(numbers) for name, numbers in streams.lost.items()}
    bench.notes["drain"] = f"{sum(lost.values())} of {sum(one.sent for one in streams.streams.values())} lost"
    assert news.instants() == []
    assert not lost, "\n".join(streams.told_of_lost())


def _assert_asked(bench: Bench) -> None:
    """Each of the provider's sessions has the community on all that it is given (RFC 8326)."""
    for circuit, family in itertools.product(circuits(bench.quick.lab.inventory, DRAINED), Family):
        session = f"circuit{circuit.id}_{family.number}"
        wait_until(
            lambda session=session: _all_are_marked(_received(bench, session)),  # type: ignore[misc]
            what=f"{session} of {DRAINED} has the community of graceful shutdown",
        )


def _all_are_marked(shown: str) -> bool:
    """Of routes that BIRD shows, each has the community; and there are some."""
    routes, marked = shown.count(" unicast [") + shown.count("\tunicast ["), shown.count("(65535,0)")
    return bool(routes) and routes == marked


def _received(bench: Bench, session: str) -> str:
    return bench.quick.lab.run(DRAINED, "birdc", "show", "route", "all", "protocol", session)
