"""Neighbours of RIP and OSPF mean the same whichever daemon tells of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from netorch.errors import ParseError
from netorch.model.codec import to_json
from netorch.parse import parse_command
from netorch.parse.frr import FrrError, read_interfaces, read_rip_neighbors, read_ripng_neighbors
from tests.parse.samples import load_samples

BY_NAME = {sample.name: sample for sample in load_samples()}
FOLDER = Path(__file__).with_name("rip")
FRR = pytest.mark.parametrize("release", ["8.4.4", "10.3"])
BIRD = pytest.mark.parametrize("bird", ["2.0.12", "2.17.5", "3.1.7"])


def told(name: str) -> Any:
    """What a sample means."""
    return parse_command(BY_NAME[name].command, BY_NAME[name].text)


def answer(release: str, name: str) -> str:
    """What FRR said of RIP, which it does not say in JSON."""
    return (FOLDER / f"frr_{release}_{name}.txt").read_text()


def rip(release: str) -> list[Any]:
    """The neighbours of RIP and RIPng."""
    interfaces = read_interfaces(answer(release, "interface"))
    found = read_rip_neighbors(answer(release, "ip_rip_status"), answer(release, "ip_rip"), interfaces)
    found += read_ripng_neighbors(answer(release, "ipv6_ripng_status"), answer(release, "ipv6_ripng"), interfaces)
    return list(to_json(found, kinds=False))


def keys(value: Any) -> Any:
    """The names in ``value``, at every depth."""
    if isinstance(value, dict):
        return {name: keys(member) for name, member in value.items()}
    return [keys(member) for member in value] if isinstance(value, list) else None


@BIRD
@FRR
def test_neighbours_of_ospf_are_told_alike(bird: str, release: str) -> None:
    """Names, states and router ids are in the same places; a neighbour that is Full is up."""
    for of_bird, of_frr in (("ospf_neighbors", "ip_ospf_neighbor"), ("ospf_neighbors_ipv6", "ipv6_ospf6_neighbor")):
        (one,), (other,) = told(f"bird_{bird}/{of_bird}"), told(f"frr_{release}/{of_frr}")
        assert keys(one) == keys(other)
        assert (one["name"], one["protocol"], one["state"]) == (other["name"], other["protocol"], other["state"])
        assert one["state"] == "up"


@BIRD
@FRR
def test_neighbours_of_rip_are_told_alike(bird: str, release: str) -> None:
    """Names and states are the same; both count the routes that a neighbour announced."""
    for (one,), other in zip(
        (told(f"bird_{bird}/rip_neighbors"), told(f"bird_{bird}/rip_neighbors_ipv6")), rip(release), strict=True
    ):
        assert keys(one) == keys(other)
        assert (one["name"], one["protocol"], one["state"]) == (other["name"], other["protocol"], other["state"])


@FRR
def test_routes_of_a_neighbour_are_counted(release: str) -> None:
    """FRR keeps those that it does not have itself: the neighbour's LAN."""
    assert [one["channels"][0]["routes_imported"] for one in rip(release)] == [1, 1]


def test_a_neighbour_that_is_not_adjacent_is_not_up() -> None:
    """OSPF has seen it, no more."""
    (found,) = told("bird_2.0.12/ospf_neighbors_starting.socket")
    assert (found["state"], found["info"]) == ("start", "Init/PtP")


@FRR
def test_a_silent_neighbour_of_rip_is_not_up(release: str) -> None:
    """Two updates were missed, while either daemon still keeps the neighbour and its routes."""
    bird = BY_NAME["bird_2.17.5/rip_neighbors"]
    seen = bird.text.rpartition(" ")[2].strip()
    for age, state in (("00:01:29", "up"), ("00:01:30", "start"), ("01:00:00", "start")):
        hours, minutes, seconds = map(int, age.split(":"))
        text = bird.text.replace(seen, f"{(hours * 60 + minutes) * 60 + seconds}.000")
        (one,) = parse_command(bird.command, text)
        status = re.sub(r"\d\d:\d\d:\d\d", age, answer(release, "ip_rip_status"))
        (other,) = read_rip_neighbors(status, "", read_interfaces(answer(release, "interface")))
        assert (one["state"], other.state) == (state, state)


@FRR
def test_a_neighbour_without_an_interface_of_ours_is_left_out(release: str) -> None:
    """One that is in no subnet of this router cannot be told from others."""
    assert read_rip_neighbors(answer(release, "ip_rip_status"), "", ()) == ()
    assert read_ripng_neighbors(answer(release, "ipv6_ripng_status"), answer(release, "ipv6_ripng"), ()) == ()


@FRR
@pytest.mark.parametrize(("passive", "told_of"), [(("lan0",), ["rip_v6:eth0"]), ((), [])])
def test_a_neighbour_of_ripng_without_routes(release: str, passive: tuple[str, ...], told_of: list[str]) -> None:
    """FRR does not say where it is: it is told of where one interface alone is left for it."""
    interfaces = read_interfaces(answer(release, "interface"))
    table = "".join(line for line in answer(release, "ipv6_ripng").splitlines(keepends=True) if " eth0 " not in line)
    found = read_ripng_neighbors(answer(release, "ipv6_ripng_status"), table, interfaces, passive)
    assert [one.name for one in found] == told_of
    assert [one.channels[0].routes_imported for one in found] == [0 for _ in told_of]


@FRR
def test_a_neighbour_behind_a_dead_link_is_left_out(release: str) -> None:
    """FRR tells of it for three minutes more; BIRD forgets it at once."""
    interfaces = read_interfaces(
        answer(release, "interface").replace('"operationalStatus":"up"', '"operationalStatus":"down"')
    )
    assert read_rip_neighbors(answer(release, "ip_rip_status"), answer(release, "ip_rip"), interfaces) == ()
    status, table = answer(release, "ipv6_ripng_status"), answer(release, "ipv6_ripng")
    assert read_ripng_neighbors(status, table, interfaces) == ()


@FRR
def test_routes_that_were_withdrawn_are_not_counted(release: str) -> None:
    """Daemons keep them for two minutes more, as unreachable, to tell others."""
    interfaces = read_interfaces(answer(release, "interface"))
    table = re.sub(r"(172\.16\.0\.1 +)2 ", r"\g<1>16 ", answer(release, "ip_rip"))
    found = read_rip_neighbors(answer(release, "ip_rip_status"), table, interfaces)
    table = re.sub(r"(eth0 +)2 ", r"\g<1>16 ", answer(release, "ipv6_ripng"))
    found += read_ripng_neighbors(answer(release, "ipv6_ripng_status"), table, interfaces)
    assert [one.channels[0].routes_imported for one in found] == [0, 0]


@FRR
def test_what_is_no_answer_is_refused(release: str) -> None:
    """A complaint of FRR, or an answer that was cut before what matters."""
    with pytest.raises(FrrError):
        read_ripng_neighbors("% RIPng instance not found", "", ())
    with pytest.raises(ParseError):
        read_ripng_neighbors(answer(release, "ipv6_ripng_status").partition("  Routing Information")[0], "", ())
