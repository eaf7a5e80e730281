"""FRR's answers mean what BIRD's do: the same keys, states in the same words, the same counts."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netorch.errors import ParseError
from netorch.parse import parse_command
from netorch.parse.frr import FrrError, read_bgp_routes, read_neighbors, read_version
from tests.parse.samples import load_samples

BY_NAME = {sample.name: sample for sample in load_samples()}
FRR = ("frr_8.4.4", "frr_10.3")
BIRD = ("bird_2.17.5", "bird_3.1.7")
# Neighbours of the scenario that do the same to either router, whatever else may happen to the others.
PLAYED_ALIKE = (1, 5, 6, 8, 9, 10, 11, 12, 13, 15, 16, 18, 20, 21, 22)


def sessions(daemon: str, name: str) -> dict[str, dict[str, Any]]:
    """The sessions of a sample by their neighbour's address."""
    sample = BY_NAME[f"{daemon}/{name}"]
    found = parse_command(sample.command, sample.text)
    return {protocol["neighbor_address"]: protocol for protocol in found if protocol["neighbor_address"]}


def keys(value: Any) -> Any:
    """The names in ``value``, at every depth."""
    if isinstance(value, dict):
        return {name: keys(member) for name, member in value.items() if name != "updates"}
    return [keys(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


@pytest.mark.parametrize("bird", BIRD)
@pytest.mark.parametrize("frr", FRR)
def test_both_daemons_yield_the_same_keys(bird: str, frr: str) -> None:
    """An object of one daemon has the keys of the other's."""
    of_bird, of_frr = sessions(bird, "protocols_all")["10.1.0.2"], sessions(frr, "bgp_neighbors")["10.1.0.2"]
    assert keys(of_bird) == keys(of_frr)


@pytest.mark.parametrize("bird", BIRD)
@pytest.mark.parametrize("frr", FRR)
def test_routers_in_the_same_place_tell_the_same(bird: str, frr: str) -> None:
    """A BIRD and an FRR with the same neighbours have the same states, errors and accepted counts."""
    of_bird, of_frr = sessions(bird, "protocols_all"), sessions(frr, "bgp_neighbors")
    for subnet in PLAYED_ALIKE:
        one, other = of_bird[f"10.{subnet}.0.2"], of_frr[f"10.{subnet}.0.2"]
        for field in ("protocol", "state", "neighbor_asn", "local_asn", "neighbor_id", "source_address"):
            assert one[field] == other[field], (subnet, field)
        assert one["channels"][0]["routes_imported"] == other["channels"][0]["routes_imported"], subnet
        assert one["channels"][0]["state"] == other["channels"][0]["state"], subnet
    for subnet in (1, 8, 9, 10, 11, 12, 15, 16, 22):
        one, other = of_bird[f"10.{subnet}.0.2"], of_frr[f"10.{subnet}.0.2"]
        assert one["bgp_state"] == other["bgp_state"], subnet
        assert one["session"] == other["session"], subnet
    for subnet in (5, 6):
        assert of_bird[f"10.{subnet}.0.2"]["last_error"] == of_frr[f"10.{subnet}.0.2"]["last_error"]


@pytest.mark.parametrize("frr", FRR)
def test_summary_tells_what_neighbours_tell(frr: str) -> None:
    """The short answer agrees with the long one in all that it says."""
    short, long = sessions(frr, "bgp_summary"), sessions(frr, "bgp_neighbors")
    assert short.keys() == long.keys()
    for address, found in short.items():
        full = long[address]
        assert (found["state"], found["neighbor_asn"]) == (full["state"], full["neighbor_asn"]), address
        if found["state"] == "up":
            counts = [{(c["family"], c["routes_imported"]) for c in one["channels"]} for one in (found, full)]
            assert counts[0] == counts[1], address


@pytest.mark.parametrize("frr", FRR)
def test_own_names_stand_for_addresses(frr: str) -> None:
    """A session gets the name that its address is given; the others keep their address."""
    text = BY_NAME[f"{frr}/bgp_neighbors"].text
    found = read_neighbors(text, {ip_address("10.1.0.2"): "northtel_v4"})
    assert [p.name for p in found if str(p.neighbor_address) in ("10.1.0.2", "10.22.0.2")] == [
        "northtel_v4",
        "10.22.0.2",
    ]


@pytest.mark.parametrize("frr", FRR)
def test_shutdown_message_of_the_neighbour_is_told(frr: str) -> None:
    """A neighbour that closed the session said why (RFC 9003)."""
    found = sessions(frr, "bgp_neighbors")["10.13.0.2"]
    assert (found["message"], found["last_error"]) == (
        "router upgrade, back at 04:00",
        "Received: Administrative shutdown",
    )


@pytest.mark.parametrize("frr", FRR)
def test_routes_of_bgpd_agree_with_its_counts(frr: str) -> None:
    """As many paths of each neighbour are in the table as its session says that it accepted."""
    counts = {address: p["channels"][0]["routes_imported"] for address, p in sessions(frr, "bgp_neighbors").items()}
    for family in ("v4", "v6"):
        for address in {route.protocol for route in routes(frr, family)} - {"local"}:
            assert sum(route.protocol == address for route in routes(frr, family)) == counts[address]


def routes(frr: str, family: str) -> Any:
    return read_bgp_routes(BY_NAME[f"{frr}/bgp_routes_{family}"].text)


@pytest.mark.parametrize("frr", FRR)
def test_best_path_of_bgpd_is_what_zebra_has(frr: str) -> None:
    """The next hop of each best path is that of the route in zebra's table."""
    sample = BY_NAME[f"{frr}/ip_route"]
    zebra = {r["prefix"]: r for r in parse_command(sample.command, sample.text) if r["protocol"] == "bgp" and r["best"]}
    best = {r.prefix: r for r in routes(frr, "v4") if r.best and r.protocol != "local" and r.prefix in zebra}
    assert len(best) > 5
    for prefix, route in best.items():
        assert [hop["address"] for hop in zebra[prefix]["next_hops"]] == [str(hop) for hop in route.bgp.next_hops]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("show bgp neighbors json", '{"10.1.0.2": {"bgpState": 7, "remoteAs": 1, "localAs": 2}}'),
        ("show bgp neighbors json", '{"10.1.0.2": {"remoteAs": 1, "localAs": 2}}'),
        ("show bgp neighbors json", '{"10.1.0.2": {"bgpState": "Idle", "remoteAs": "x", "localAs": 2}}'),
        ("show bgp neighbors json", "[]"),
        ("show bfd peers json", "{}"),
        ("show bfd peers json", '[{"peer": "10.1.0.2", "status": "sideways"}]'),
        ("show ip route json", '{"10.0.0.0/8": 1}'),
        ("show bgp ipv4 unicast json", '{"routes": {"10.0.0.0/8": [{"peerId": "x", "path": ["1"], "origin": "IGP"}]}}'),
        ("show interface json", '{"lo": {"flags": 1}}'),
        ("show version", "FRR is fine\n"),
    ],
)
def test_answer_of_another_shape_is_refused(command: str, text: str) -> None:
    """JSON that is not the command's answer is an error that says where."""
    with pytest.raises(ParseError) as raised:
        parse_command(command, text)
    assert raised.value.where


@pytest.mark.parametrize("text", ["% Unknown command: show bgp nonsense json\n", "\n% BGP instance not found\n"])
def test_complaint_is_an_error_in_its_own_words(text: str) -> None:
    """What FRR refuses is no empty answer."""
    with pytest.raises(FrrError, match=text.strip()):
        parse_command("show bgp neighbors json", text)


def test_vtysh_command_line_is_understood() -> None:
    """As people type it in a shell."""
    text = BY_NAME["frr_10.3/version"].text
    assert parse_command("vtysh -c 'show version'", text) == parse_command("sh ver", text)
    assert read_version(text).version == "10.3"


@pytest.mark.parametrize("name", [n for n, s in BY_NAME.items() if s.command.endswith("json") and s.error is None])
def test_cut_json_is_refused(name: str) -> None:
    """JSON that ends before its end is refused, wherever the cut is."""
    sample = BY_NAME[name]
    end = len(sample.text.rstrip())
    for length in {0, 1, end // 3, end // 2, end - 1}:
        with pytest.raises(ParseError):
            parse_command(sample.command, sample.text[:length])
