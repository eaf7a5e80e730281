"""Routes of operators' programs: what guards, permissions and files refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netorch.api import (
    GuardRefused,
    Intent,
    Overlay,
    OverlayEntry,
    UsageError,
)
from tests.plugins.example import INTENT, NOW
from tests.plugins.routes_network import PLUGIN, VIA, Network

SWITCHES = ("sw1.pop1", "sw2.pop1")
OTHER = {"prefix": "198.18.241.0/24", "type": "blackhole"}


@pytest.fixture
def network() -> Network:
    return Network()


# ---- guards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("0.0.0.0/0", "is a default route"),
        ("::/0", "is a default route"),
        ("198.18.1.0/24", "covers the management address of sw1.pop1"),
        ("198.18.2.11/32", "covers the management address of h1.pop2"),
        ("10.1.1.200/32", "is part of the fabric of sw1.pop1"),
        ("10.0.0.0/8", "covers the fabric of sw1.pop1"),
        ("203.0.113.1/32", "is part of the subnet of circuit northtel-pop1-a"),
        ("192.0.2.11/32", "covers the service address 192.0.2.11 of h1.pop1"),
        ("192.0.2.0/24", "covers the service address"),
        ("198.51.100.0/24", "covers the own prefix 198.51.100.0/24 as a whole"),
        ("2001:db8:1::/48", "covers the service address"),
    ],
)
def test_what_carries_the_pop_is_not_covered(network: Network, prefix: str, reason: str) -> None:
    """Such a route is refused with exit code 7, and taken with the flag that the hint names."""
    route = {"prefix": prefix, "type": "blackhole"}
    with pytest.raises(GuardRefused, match=reason) as refused:
        network.set("edge", "h2.pop1", routes=route)
    assert (refused.value.exit_code, refused.value.where) == (7, "h2.pop1")
    assert "--allow-covering" in refused.value.hint
    network.set("edge", "h2.pop1", routes=route, allow_covering=True)
    assert network.prefixes("h2.pop1") == [prefix]


def test_a_part_of_an_own_prefix_is_harmless(network: Network) -> None:
    """Only the whole of it is precious, and the addresses that are served."""
    network.set("edge", "h2.pop1", routes={"prefix": "192.0.2.64/26", "via": "10.1.1.200"})
    assert network.prefixes("h2.pop1") == ["192.0.2.64/26"]


def test_there_is_a_limit(network: Network) -> None:
    """Routes of all owners on one device count together."""
    network.settings = {"max_routes": 3}
    network.set("edge", "h1.pop1", routes=[VIA, OTHER])
    more = [{"prefix": f"198.18.24{n}.0/24", "type": "blackhole"} for n in (2, 3)]
    with pytest.raises(GuardRefused, match=r"would have 4 routes of blocklist, edge \(limit 3\)"):
        network.set("blocklist", "h1.pop1", routes=more)
    network.set("blocklist", "h1.pop1", routes=more[:1])
    network.set("blocklist", "h1.pop1", routes=more[1:])  # in the place of the other
    assert len(network.prefixes("h1.pop1")) == 3


# ---- next hops --------------------------------------------------------------------------------------------------------


class FrrNetwork(Network):
    """The same network with FRR everywhere."""

    @property
    def intent(self) -> Intent:
        return super().intent.with_devices(lambda device: replace(device, daemon="frr"))


def test_frr_gets_no_next_hop_that_bgp_would_lead_to(network: Network) -> None:
    """An address on no subnet of the inventory is taken at an interface that is not there either; BIRD needs none of that."""
    far = {"prefix": "198.18.240.0/24", "via": ["10.1.1.200", "1.144.0.1"]}
    frr = FrrNetwork()
    with pytest.raises(UsageError, match=r"via 1\.144\.0\.1: expected an address on a subnet that h1") as refused:
        frr.set("edge", "h1.pop1", routes=far)
    assert (refused.value.exit_code, refused.value.where) == (64, "h1.pop1")
    with pytest.raises(UsageError, match="FRR takes the way that BGP knows"):
        frr.set("edge", "h1.pop1", routes={**far, "interface": "eth0"})
    assert frr.prefixes("h1.pop1") == []
    frr.set("edge", "h1.pop1", routes={**far, "interface": "eth2"})
    network.set("edge", "h1.pop1", routes=far)
    assert frr.prefixes("h1.pop1") == network.prefixes("h1.pop1") == ["198.18.240.0/24"]


@pytest.mark.parametrize("interface", ["br0", "swp1", "swp11"])
def test_frr_gets_no_next_hop_at_a_switchs_interfaces(interface: str) -> None:
    """The fabric's and the ports are all in the inventory, those of circuits and those of hosts."""
    frr = FrrNetwork()
    far = {"prefix": "198.18.240.0/24", "via": "1.144.0.1"}
    with pytest.raises(UsageError, match=r"via 1\.144\.0\.1: expected an address on a subnet that sw1"):
        frr.set("edge", "sw1.pop1", routes={**far, "interface": interface})
    assert frr.prefixes("sw1.pop1") == []
    frr.set("edge", "sw1.pop1", routes={**far, "interface": "swp9"})
    assert frr.prefixes("sw1.pop1") == ["198.18.240.0/24"]


@pytest.mark.parametrize(
    ("device", "via"),
    [
        ("h1.pop1", "10.1.2.200"),
        ("h1.pop1", "203.0.113.5"),
        ("h1.pop1", "fd00:1:1::200"),
        ("sw2.pop1", "10.1.2.200"),
        ("sw2.pop1", "203.0.113.5"),
    ],
)
def test_frr_gets_next_hops_of_its_own_subnets(device: str, via: str) -> None:
    """A neighbour on the fabric, and a provider."""
    frr = FrrNetwork()
    prefix = "2001:db8:9::/48" if ":" in via else "198.18.240.0/24"
    frr.set("edge", device, routes={"prefix": prefix, "via": via})
    assert frr.prefixes(device) == [prefix]


# ---- announcing -------------------------------------------------------------------------------------------------------

SINGLE = {"prefix": "192.0.2.70/32", "via": "10.1.1.200", "announce": True}


def test_nothing_is_announced_unless_asked_and_allowed(network: Network) -> None:
    """A program asks for it with each route, the operator allows it in the inventory; both are needed."""
    with pytest.raises(GuardRefused, match=r"refused \(announce\): 192\.0\.2\.70/32"):
        network.set("edge", "h1.pop1", routes=SINGLE)
    network.settings = {"announce": ["192.0.2.64/26"]}
    network.set("edge", "h1.pop1", routes={**SINGLE, "announce": False})
    assert [route.announced for route in network.routes("h1.pop1")] == [False]


def test_an_announced_address_is_taken_by_the_switches_of_the_pop(network: Network) -> None:
    """They take it like a service address; other POPs do not hear of it."""
    network.settings = {"announce": ["192.0.2.64/26"]}
    network.set("edge", "h1.pop1", routes=SINGLE)
    amended = PLUGIN.amend(network.intent, network.overlay)
    assert [route.announced for route in network.routes("h1.pop1")] == [True]
    hearing = {d.name for d in amended.devices if "192.0.2.70" in map(str, d.service)}
    assert hearing == set(SWITCHES)
    assert amended.device("sw1.pop1").originated == INTENT.device("sw1.pop1").originated  # and so are exports


def test_taking_the_permission_away_ends_the_announcement(network: Network) -> None:
    """The route stays, nobody is told of it any more."""
    network.settings = {"announce": ["192.0.2.64/26"]}
    network.set("edge", "h1.pop1", routes=SINGLE)
    network.settings = {}
    assert [route.announced for route in network.routes("h1.pop1")] == [False]


@pytest.mark.parametrize(
    ("prefix", "device"),
    [
        ("192.0.2.64/27", "h1.pop1"),  # more than one address
        ("192.0.2.70/32", "sw1.pop1"),  # switches announce whole prefixes
        ("192.0.2.70/32", "h1.pop2"),  # another POP's
        ("203.0.114.1/32", "h1.pop1"),  # not ours
        ("192.0.2.200/32", "h1.pop1"),  # not allowed
    ],
)
def test_what_is_never_announced(network: Network, prefix: str, device: str) -> None:
    """Only single addresses of hosts, inside a prefix of their POP, inside what the operator names."""
    network.settings = {"announce": ["192.0.2.64/26", "203.0.114.0/24"]}
    with pytest.raises(GuardRefused, match="refused"):
        network.set("edge", device, routes={**SINGLE, "prefix": prefix})


# ---- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "routes.json:1:2: no JSON: "),
        ('[\n{"prefix": 1},\n', "routes.json:3:1: no JSON"),
        ("7", "routes.json:1: expected an object such as"),
        (
            '{"prefx": "10.9.0.0/16"}',
            "expected no other keys than prefix, .* found 'prefx'\n  hint: did you mean 'prefix'",
        ),
        ('{"prefix": "10.9.0.0/16", "prefix": "10.8.0.0/16"}', "prefix: expected each key once"),
        ('{"via": "10.1.1.9"}', "prefix: expected a prefix, found nothing"),
        (
            '{"prefix": "198.18.240.1/24", "via": "10.1.1.9"}',
            "found '198.18.240.1/24'\n  hint: did you mean 198.18.240.0/24",
        ),
        ('{"prefix": "198.18.240.0", "via": "10.1.1.9"}', "prefix: expected a prefix with its length"),
        ('{"prefix": "198.18.240.0/255.255.255.0", "via": "10.1.1.9"}', "prefix: expected a prefix with its length"),
        ('{"prefix": "224.0.0.0/8", "via": "10.1.1.9"}', "expected addresses that are routed"),
        ('{"prefix": "fe80::/10", "interface": "eth0"}', "expected addresses that are routed"),
        ('{"prefix": "198.18.240.0/24"}', "via: expected a next hop, an interface, or type"),
        ('{"prefix": "198.18.240.0/24", "via": "10.1.1.9/24"}', "via: expected the address of a next hop"),
        ('{"prefix": "198.18.240.0/24", "via": "fd00::1"}', r"via: expected the address of a next hop \(IPv4"),
        ('{"prefix": "198.18.240.0/24", "via": ["10.1.1.9", "10.1.1.9"]}', "via: expected each address once"),
        ('{"prefix": "2001:db8:9::/48", "via": "fe80::1"}', "a link-local address together with interface"),
        ('{"prefix": "198.18.240.0/24", "interface": "eth0\\"; x"}', "interface: expected the name of an interface"),
        ('{"prefix": "198.18.240.0/24", "interface": ""}', "interface: expected the name of an interface"),
        ('{"prefix": "198.18.240.0/24", "type": "blakhole"}', "hint: did you mean 'blackhole'"),
        (
            '{"prefix": "198.18.240.0/24", "type": "blackhole", "via": "10.1.1.9"}',
            "neither via nor interface with blackhole",
        ),
        ('{"prefix": "198.18.240.0/24", "via": "10.1.1.9", "metric": true}', "metric: expected a whole number"),
        ('{"prefix": "198.18.240.0/24", "via": "10.1.1.9", "announce": "yes"}', "announce: expected true or false"),
        (
            '{"prefix": "198.18.240.0/24", "via": "10.1.1.9", "for": "10s"}',
            "for: expected a duration from a minute to ten years",
        ),
        (
            '{"prefix": "198.18.240.0/24", "via": "10.1.1.9"}\n{"prefix": "198.18.240.0/24", "type": "blackhole"}',
            "routes.json:2: prefix: expected each prefix once",
        ),
    ],
)
def test_a_wrong_file_changes_nothing(network: Network, text: str, complaint: str) -> None:
    """The place, what was found and what was expected; exit code 64, and nothing was asked of any device."""
    with pytest.raises(UsageError, match=complaint) as error:
        network.set("edge", "h1.pop1", routes=text)
    assert error.value.exit_code == 64
    assert network.overlay.entries == ()


def test_every_finding_is_told_at_once(network: Network) -> None:
    """A program's author wants to see all that is wrong."""
    text = '{"prefix": "x", "via": "10.1.1.9"}\n{"prefix": "198.18.240.0/24"}\n{"prefix": "198.18.241.0/24", "via": 3}'
    with pytest.raises(UsageError) as error:
        network.set("edge", "h1.pop1", routes=text)
    assert [line.split(" ")[0] for line in str(error.value).split("\n")] == [f"routes.json:{n}:" for n in (1, 2, 3)]


@pytest.mark.parametrize("owner", ["", "Edge", "a b", "x" * 41, "../x", "-x"])
def test_owners_have_plain_names(network: Network, owner: str) -> None:
    """They become ids and words in histories."""
    with pytest.raises(UsageError, match="OWNER: expected a name"):
        network.set(owner, "h1.pop1")


def test_entries_of_another_version_are_left_alone(network: Network) -> None:
    """What is not understood makes no route and no error."""
    data = {"owner": "edge", "device": "h1.pop1", "routes": [{"prefix": "10.0.0.0/8"}, 7, {"hops": [[1]]}]}
    others: list[dict[str, Any]] = [data, {}, {"device": "h1.pop1", "routes": "x"}]
    entries = tuple(
        OverlayEntry(f"routes/{n}@h1.pop1", 1, "routes", ("h1.pop1",), "bob", NOW, data=one)
        for n, one in enumerate(others)
    )
    network.overlay = Overlay(entries)
    assert network.prefixes("h1.pop1") == []
    assert PLUGIN.lapse(network.overlay, NOW) == ()
