"""``netorch steer``: single prefixes through one provider, on hosts with BIRD and with FRR, and back by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from netorch.model.types import Family, IPNetwork
from tests.lab.deployed_pop import HOSTS, service
from tests.lab.egress_lab import ON_BIRD, ON_FRR, PEER, POP, address_in, by_all, taken, wait_until_taken
from tests.lab.quick_lab import QuickLab
from tests.lab.steady_ping import Steady, steady_ping
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

VIA = "southnet"
FILES = {ON_BIRD: "/etc/bird/bird.conf", ON_FRR: "/etc/frr/frr.conf"}


def configurations(quick: QuickLab) -> dict[str, str]:
    """What a host of either daemon has on its disk."""
    return {host: quick.lab.run(host, "cat", path) for host, path in FILES.items()}


def established_since(quick: QuickLab) -> dict[tuple[str, str, str], Any]:
    """Since when each session of the hosts is up."""
    status = quick.project("status", "role:host", "-o", "json", code=None).document
    return {
        (device["device"], session["name"], session["family"]): (session["state"], (session["since"] or "")[:16])
        for device in status["devices"]
        for session in device["sessions"]
    }


def rows(quick: QuickLab) -> list[dict[str, Any]]:
    """What ``netorch steers`` lists."""
    return list(quick.project("steers", "-o", "json").document[-1]["rows"])


@contextmanager
def steered(quick: QuickLab, prefix: IPNetwork, *options: str) -> Iterator[None]:
    """``prefix`` is steered on every host while the block runs."""
    quick.project("steer", str(prefix), "--via", VIA, *options)
    try:
        wait_until_taken(quick.lab, VIA, prefix)
        yield
    finally:
        quick.project("unsteer", str(prefix))
    wait_until_taken(quick.lab, PEER, prefix)


@contextmanager
def streams(quick: QuickLab, prefix: IPNetwork, folder: Path) -> Iterator[dict[str, Steady]]:
    """Pings from a host of either daemon to the prefix."""
    family = Family.IPV4 if prefix.version == 4 else Family.IPV6
    with ExitStack() as stack:
        yield {
            host: stack.enter_context(
                steady_ping(
                    quick.lab,
                    host,
                    address_in(prefix),
                    "-I",
                    service(quick.lab.inventory, host, family),
                    folder=folder,
                )
            )
            for host in FILES
        }


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
def test_every_host_takes_the_provider(egress: QuickLab, family: Family) -> None:
    """The prefix goes through the provider, what is beside it does not, nothing else is planned, no session notices; unsteered
    the configurations are what they were, to the byte."""
    prefix, beside = by_all(egress.lab, family)[:2]
    before, since = configurations(egress), established_since(egress)
    with steered(egress, prefix, "--reason", "a test"):
        assert {taken(egress.lab, host, beside) for host in HOSTS} == {PEER}
        egress.project("plan", POP, "--detailed-exitcode")
        assert [(row["prefix"], row["via"], row["state"], row["reason"]) for row in rows(egress)] == [
            (str(prefix), VIA, "ok", "a test")
        ]
        assert f"steer/{prefix}@{POP} via {VIA}" in egress.project("status", POP, code=None).out
    assert configurations(egress) == before
    assert established_since(egress) == since
    assert egress.project("steers").out == "nothing is steered\n"


def test_a_wider_prefix_takes_what_is_inside(egress: QuickLab) -> None:
    """All that the provider announces inside the steered prefix goes through it, unless a narrower one is steered elsewhere."""
    prefix = by_all(egress.lab, Family.IPV4)[3]
    wider = prefix.supernet(prefixlen_diff=2)
    with steered(egress, prefix):
        egress.project("steer", str(wider), "--via", "northtel", "--allow-absent")
        try:
            assert {taken(egress.lab, host, prefix) for host in HOSTS} == {VIA}
            egress.project("unsteer", str(prefix))
            wait_until_taken(egress.lab, "northtel", prefix)
        finally:
            egress.project("unsteer", str(wider))
        wait_until_taken(egress.lab, PEER, prefix)


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
def test_falls_back_when_the_route_is_gone(egress: QuickLab, family: Family, tmp_path: Path) -> None:
    """The provider withdraws the prefix: hosts take another way without a packet lost and without anybody's help, and come
    back with the route."""
    prefix = by_all(egress.lab, family)[0]
    with steered(egress, prefix):
        before = configurations(egress)
        with streams(egress, prefix, tmp_path) as found:
            announced = withdraw(egress, prefix)
            try:
                wait_until_taken(egress.lab, PEER, prefix)
                assert [row["state"] for row in rows(egress)] == ["no route"]
            finally:
                announce(egress, family, announced)
            wait_until_taken(egress.lab, VIA, prefix)
        assert configurations(egress) == before
        assert {host: stream.lost for host, stream in found.items()} == dict.fromkeys(FILES, ())


def withdraw(quick: QuickLab, prefix: IPNetwork) -> str:
    """The provider no longer announces the prefix; the former list of what it does."""
    file = f"/etc/bird/announced{prefix.version}.conf"
    text = quick.lab.run(VIA, "cat", file)
    lines = [line for line in text.splitlines() if f" {prefix} " not in line]
    assert len(lines) == len(text.splitlines()) - 1
    announce(quick, Family.IPV4 if prefix.version == 4 else Family.IPV6, "\n".join(lines) + "\n")
    return text


def announce(quick: QuickLab, family: Family, text: str) -> None:
    """The provider announces what ``text`` lists."""
    quick.lab.run(VIA, "tee", f"/etc/bird/announced{family.number}.conf", stdin=text)
    quick.lab.run(VIA, "birdc", "configure")


def test_falls_back_while_the_provider_is_drained(egress: QuickLab, tmp_path: Path) -> None:
    """A drain takes the steered prefix away as well, without a packet lost and without the hosts being told; the undrain brings
    it back."""
    prefix = by_all(egress.lab, Family.IPV4)[0]
    with steered(egress, prefix):
        before = configurations(egress)
        with streams(egress, prefix, tmp_path) as found:
            egress.project("drain", VIA, "--wait", "1s")
            try:
                wait_until_taken(egress.lab, PEER, prefix)
                assert [row["state"] for row in rows(egress)] == ["drained"]
            finally:
                egress.project("undrain", VIA)
            wait_until_taken(egress.lab, VIA, prefix)
        assert configurations(egress) == before
        assert {host: stream.lost for host, stream in found.items()} == dict.fromkeys(FILES, ())


def test_falls_back_when_the_session_is_lost(egress: QuickLab) -> None:
    """The session with the provider goes down: hosts take another way by themselves."""
    prefix = by_all(egress.lab, Family.IPV4)[0]
    with steered(egress, prefix):
        egress.lab.run("sw2.pop1", "birdc", "disable", "southnet*")
        try:
            wait_until_taken(egress.lab, PEER, prefix)
            assert [row["state"] for row in rows(egress)] == ["down"]
        finally:
            egress.lab.run("sw2.pop1", "birdc", "enable", "southnet*")
        wait_until_taken(egress.lab, VIA, prefix)


def test_ends_by_itself(egress: QuickLab) -> None:
    """A steer with --for is over after its time, with the first run of netorch."""
    prefix, before = by_all(egress.lab, Family.IPV4)[0], configurations(egress)
    egress.project("steer", str(prefix), "--via", VIA, "--for", "15s")
    assert {taken(egress.lab, host, prefix) for host in HOSTS} <= {VIA, PEER}
    wait_until(lambda: rows_or_none(egress) == [], timeout_s=60, what="its time is up")
    egress.project("run", POP)
    wait_until_taken(egress.lab, PEER, prefix)
    assert configurations(egress) == before
    egress.project("plan", POP, "--detailed-exitcode")


def rows_or_none(quick: QuickLab) -> list[dict[str, Any]]:
    """What is listed; [] once nothing is steered."""
    document = quick.project("steers", "-o", "json").document[-1]
    return list(document["rows"])


def test_another_checkout_keeps_it(egress: QuickLab, tmp_path: Path) -> None:
    """A steer is the network's, not the controller's: from a second checkout there is nothing to deploy, and it can be ended."""
    prefix = by_all(egress.lab, Family.IPV4)[0]
    other = egress.project.copy(tmp_path / "checkout")
    with steered(egress, prefix):
        other("plan", POP, "--detailed-exitcode")
        other("unsteer", str(prefix))
        wait_until_taken(egress.lab, PEER, prefix)


def test_guard_on_capacity(egress: QuickLab, tmp_path: Path) -> None:
    """More traffic to the prefix than the provider's circuits may carry: refused, with the figures and the override."""
    prefix = by_all(egress.lab, Family.IPV4)[0]
    small = egress.project.copy(tmp_path / "small")
    pop = small.folder / "inventory/pops/pop1.yml"
    head, _, rest = pop.read_text().partition("name: southnet-pop1\n")
    pop.write_text(f"{head}name: southnet-pop1\n{rest.replace('capacity: 100G', 'capacity: 1M', 1)}")
    with streams(egress, prefix, tmp_path):  # 125 packets a second of 1,042 bytes from two hosts: 2 Mbit/s
        said = small("steer", str(prefix), "--via", VIA, code=7)
    assert "refused (capacity)" in said.err
    assert "--allow-capacity" in said.err
    assert {taken(egress.lab, host, prefix) for host in HOSTS} == {PEER}
    assert egress.project("steers").out == "nothing is steered\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("198.19.0.0/24", "--via", VIA), 7, "no host has a route of southnet"),
        (("1.2.3.4", "--via", VIA), 64, "steer 1.2.3.0/24"),
        (("0.0.0.0/0", "--via", VIA), 64, "expected a part of the Internet"),
        (("192.0.2.0/24", "--via", VIA), 64, "is part of the own prefix"),
        (("1.2.3.4/16", "--via", VIA), 64, "expected a prefix"),
        (("1.2.0.0/16", "--via", "sothnet"), 64, "did you mean 'southnet'?"),
        (("1.2.0.0/16",), 64, "--via is missing"),
        (("1.2.0.0/16", "--via", VIA, "--pop", "pop9"), 64, "no POP 'pop9'"),
    ],
)
def test_refusals(egress: QuickLab, arguments: tuple[str, ...], code: int, words: str) -> None:
    """What would do nothing, or cannot be meant, changes nothing, and says what is expected."""
    assert words in egress.project("steer", *arguments, code=code).err
    assert egress.project("steers").out == "nothing is steered\n"
