"""``netorch explain`` beside iproute2, beside frames, and beside what was broken on purpose."""

from __future__ import annotations

import json
import random
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from netorch.lab import exec_in, expected_prefixes, set_link
from netorch.model.types import Family, IPNetwork
from tests.lab.deployed_pop import HOSTS, PROVIDERS, int_of, service
from tests.lab.egress_lab import (
    ON_BIRD,
    ON_FRR,
    PEER,
    TRANSIT,
    address_in,
    by_all,
    macs_of,
    number_of,
    wait_until_taken,
)
from tests.lab.quick_lab import QuickLab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

DESTINATIONS = 1000


def explained(quick: QuickLab, destination: str, host: str, *options: str, code: int | None = 0) -> dict[str, Any]:
    """The document of one explanation."""
    return dict(quick.project("explain", destination, "--from", host, *options, "-o", "json", code=code).document)


def broken(document: dict[str, Any]) -> set[str]:
    """The kinds of what is broken."""
    return {finding["kind"] for finding in document["findings"] if finding["broken"]}


def destinations(quick: QuickLab) -> list[str]:
    """A thousand: in what is announced by some and by all, in wider and in narrower prefixes, anywhere else, and our own."""
    dice = random.Random(6)
    found: dict[str, None] = dict.fromkeys(service(quick.lab.inventory, h, family) for h in HOSTS for family in Family)
    announced = sorted(
        {p for name in PROVIDERS for f in Family for p in expected_prefixes(quick.lab.inventory, name, f)[0]},
        key=lambda prefix: (prefix.version, int_of(prefix)),
    )
    while len(found) < DESTINATIONS:
        prefix = dice.choice(announced)
        inside = prefix.network_address + dice.randrange(prefix.num_addresses)
        anywhere = IPv4Address(dice.randrange(1 << 24, 223 << 24)), IPv6Address((0x2 << 124) + dice.getrandbits(120))
        found[str(dice.choice((inside, inside, inside, *anywhere)))] = None
    return list(found)


def kernel_says(
    quick: QuickLab, host: str, wanted: list[str], marks: list[int]
) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Gateway, interface and source by destination and mark, from iproute2; what has no route is missing."""
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for number in marks:
        lines = "".join(f"route get {destination} mark {number}\n" for destination in wanted)
        done = exec_in(host, ("ip", "-force", "-j", "-batch", "-"), quick.lab.settings, stdin=lines.encode())
        for line in done.stdout.decode().splitlines():
            if line.strip() not in ("", "[]"):
                route = json.loads(line)[0]
                found[route["dst"], number] = (route.get("gateway"), route["dev"], route.get("prefsrc"))
    return found


def test_agrees_with_iproute2(egress: QuickLab) -> None:
    """For 1,000 random destinations from each host with each mark, netorch's own conclusion, what it has the kernel say, and
    what iproute2 has it say are one and the same."""
    wanted = destinations(egress)
    marks = [0, *(number_of(egress.lab, provider) for provider in PROVIDERS)]
    file = egress.project.folder / "destinations.txt"
    file.write_text("\n".join(wanted))
    rows = egress.project("explain", "--file", str(file), "--from", "role:host", "-o", "json").document
    assert len(rows) == len(HOSTS) * DESTINATIONS * len(marks)
    assert [row for row in rows if not row["agrees"]] == []
    for host in HOSTS:
        kernel = kernel_says(egress, host, wanted, marks)
        mine = {(row["destination"], row["mark"]): row for row in rows if row["host"] == host}
        told = {key: (row["kernel_next_hop"], row["kernel_interface"], row["source"]) for key, row in mine.items()}
        assert {key: said for key, said in told.items() if said[1] is not None} == kernel
        concluded = {key: row["next_hops"] for key, row in mine.items() if row["table"] is not None}
        assert concluded.keys() == kernel.keys()
        assert [key for key, hops in concluded.items() if kernel[key][0] and kernel[key][0] not in hops] == []
        assert sum(row["table"] is not None for row in mine.values()) > DESTINATIONS  # not a thousand times nothing


@pytest.mark.parametrize("host", [ON_BIRD, ON_FRR])
def test_reasons_of_bgp(egress: QuickLab, host: str) -> None:
    """What a peer announces is preferred to transit, by its local preference."""
    both = by_all(egress.lab, Family.IPV4)[1]
    document = explained(egress, address_in(both), host)
    assert {hop["provider"] for hop in document["hops"]} == {PEER}
    assert {row["reason"] for row in document["lost"]} == {"local_preference"}


def test_each_mark_leads_through_its_provider(egress: QuickLab) -> None:
    """Packets with each mark leave to a router of that provider; the peer has no table on a host with FRR."""
    prefix = by_all(egress.lab, Family.IPV6)[1]
    for host in (ON_BIRD, ON_FRR):
        rows = {row["via"]: row for row in explained(egress, address_in(prefix), host)["marks"] if row["mark"]}
        for provider in PROVIDERS if host == ON_BIRD else TRANSIT:
            assert rows[provider]["frame_mac"] in macs_of(egress.lab, provider)
            assert (rows[provider]["state"], rows[provider]["table"]) == ("ok", number_of(egress.lab, provider))
        assert rows[PEER]["state"] == ("ok" if host == ON_BIRD else "no route")


@pytest.mark.parametrize("host", [ON_BIRD, ON_FRR])
def test_next_hop_is_the_one_that_the_frame_left_to(egress: QuickLab, host: str) -> None:
    """Of a provider with two circuits, whichever of them a flow takes: next hop, interface and MAC address of a row are one's."""
    rows = [
        row
        for prefix in by_all(egress.lab, Family.IPV4)[:4]
        for row in explained(egress, address_in(prefix), host)["marks"]
        if row["via"] == "northtel"
    ]
    said = json.loads(egress.lab.run(host, "ip", "-j", "neigh", "show"))
    macs = {(entry["dst"], entry["dev"]): entry.get("lladdr") for entry in said}
    assert [macs[row["kernel_next_hop"], row["kernel_interface"]] for row in rows] == [row["frame_mac"] for row in rows]
    assert {len(row["next_hops"]) for row in rows} == {2}


def test_no_route(egress: QuickLab) -> None:
    """Nobody announces it: said so, and exit code 1."""
    document = explained(egress, "198.51.100.9", ON_BIRD, code=1)
    assert (document["table"], broken(document)) == (None, {"no_route"})
    assert {row["reason"] for row in document["lost"]} == {"no_route"}


def test_marked_without_a_route(egress: QuickLab) -> None:
    """What this provider does not announce leaves by another one, which is told as broken."""
    known = {name: expected_prefixes(egress.lab.inventory, name, Family.IPV4)[0] for name in PROVIDERS}
    prefix = min(known["northtel"] - known[PEER], key=int_of)
    document = explained(egress, address_in(prefix), ON_BIRD, "--via", PEER, code=1)
    assert (document["table"], broken(document)) == (254, {"no_route"})


def test_wrong_neighbour(egress: QuickLab) -> None:
    """A host with a MAC address that is not the switch's: the mirror is stale, and the frame shows where packets go."""
    lab, prefix = egress.lab, by_all(egress.lab, Family.IPV4)[1]
    hop = explained(egress, address_in(prefix), ON_BIRD)["hops"][0]
    change = ("ip", "neigh", "replace", hop["next_hop"], "dev", hop["interface"], "nud", "permanent", "protocol", "110")
    lab.run(ON_BIRD, *change, "lladdr", "02:00:00:00:00:99")
    document = explained(egress, address_in(prefix), ON_BIRD, code=1)
    lab.run(ON_BIRD, "ip", "neigh", "del", hop["next_hop"], "dev", hop["interface"])
    without = explained(egress, address_in(prefix), ON_BIRD, code=1)
    lab.run(ON_BIRD, *change, "lladdr", hop["mac"])
    assert broken(document) == {"mirror"}
    assert document["frame"]["destination_mac"] == "02:00:00:00:00:99"
    assert {"no_neighbour", "mirror"} <= broken(without)
    assert broken(explained(egress, address_in(prefix), ON_BIRD)) == set()


def test_session_down(egress: QuickLab) -> None:
    """A closed line is the reason why its circuit is not taken, and is told; of transit the shorter path is taken then."""
    prefixes = by_all(egress.lab, Family.IPV4)[1:4]
    egress.lab.run("sw1.pop1", "birdc", "disable", f'"{PEER}*"')
    try:
        wait_until(lambda: reasons(egress, prefixes[0])[PEER] == "session_down", timeout_s=30, what="it is told")
        document = explained(egress, address_in(prefixes[0]), ON_BIRD, "--no-packet", code=1)
        assert "session_down" in broken(document)
        assert state_of(document, PEER) == "down"
        for host in (ON_BIRD, ON_FRR):
            found = [reasons(egress, prefix, host) for prefix in prefixes]
            assert {of_one[PEER] for of_one in found} == {"session_down"}
            assert "path_length" in {of_one.get(provider) for of_one in found for provider in TRANSIT}
    finally:
        egress.lab.run("sw1.pop1", "birdc", "enable", f'"{PEER}*"')
    wait_until_taken(egress.lab, PEER, prefixes[0])


def test_a_daemon_that_hangs(egress: QuickLab) -> None:
    """It is stopped in its tracks: that is what is broken, and what the kernel does is told all the same."""
    prefix = by_all(egress.lab, Family.IPV4)[0]
    egress.lab.sh(ON_BIRD, "pkill -STOP -x bird")
    try:
        document = explained(egress, address_in(prefix), ON_BIRD, code=1)
    finally:
        egress.lab.sh(ON_BIRD, "pkill -CONT -x bird")
    assert "daemon" in broken(document)
    assert "no_route" not in broken(document)
    assert document["kernel"]["prefix"] == str(prefix)
    assert {row["reason"] for row in document["lost"]} == {"unknown"}
    # Its switches have given it up meanwhile: sessions and routes have to come back.
    wait_until(
        lambda: broken(explained(egress, address_in(prefix), ON_BIRD, code=None)) == set(),
        timeout_s=60,
        what="all is well again",
    )


def test_a_host_that_cannot_be_reached(egress: QuickLab) -> None:
    """Exit code 4, as where several were asked: nobody told anything. A program is not started either."""
    address = address_in(by_all(egress.lab, Family.IPV4)[0])
    set_link(ON_BIRD, "mgmt0", egress.lab.settings, connected=False)
    try:
        said = egress.project("explain", address, "--from", ON_BIRD, code=4)
        began = egress.project("exec", "--via", "northtel", "--on", ON_BIRD, "--", "true", code=4)
    finally:
        set_link(ON_BIRD, "mgmt0", egress.lab.settings, connected=True)
    assert f"{ON_BIRD}: " in said.err
    assert f"{ON_BIRD}: " in began.err


def reasons(quick: QuickLab, prefix: IPNetwork, host: str = ON_BIRD) -> dict[str, str]:
    """Why each provider that is not taken is not."""
    found = explained(quick, address_in(prefix), host, "--no-packet", code=None)["lost"]
    return {row["provider"]: row["reason"] for row in found}


def state_of(document: dict[str, Any], provider: str) -> str:
    """A provider's state in the rows of marks."""
    return str(next(row["state"] for row in document["marks"] if row["via"] == provider))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "nowhere", "--from", ON_BIRD), "expected an IPv4 or IPv6 address, found 'nowhere'"),
        (("explain", "1.1.1.1", "--from", "h9.pop1"), "no host 'h9.pop1'"),
        (("explain", "1.1.1.1", "--from", ON_BIRD, "--via", "nobody"), "has no provider 'nobody'"),
        (("explain", "1.1.1.1", "--from", ON_BIRD, "--mark", "7"), "mark 7 asks for no provider"),
        (("explain", "1.1.1.1", "--from", ON_BIRD, "--mark", "0", "--via", PEER), "expected one of them"),
        (("explain", "--from", ON_BIRD), "expected one DESTINATION, found none"),
    ],
)
def test_usage(egress: QuickLab, arguments: tuple[str, ...], words: str) -> None:
    """Wrong arguments are exit code 64, and told in words."""
    assert words in egress.project(*arguments, code=64).err
