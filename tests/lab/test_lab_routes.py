"""What the emulated providers announce."""

from collections import defaultdict
from dataclasses import replace
from ipaddress import ip_network

import pytest

from netorch.lab.routes import AS_TRANS, BOGONS, announcements, bad_announcements, expected_prefixes, good_prefixes
from netorch.lab.speakers import bird_routes
from netorch.model.inventory import Inventory
from netorch.model.types import Family
from tests.lab.labs import example_inventory

FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    return example_inventory(tmp_path_factory.mktemp("routes"))


@FAMILIES
def test_good_prefixes_are_as_many_as_asked_for(inventory: Inventory, family: Family) -> None:
    """Each provider announces exactly the asked number of different acceptable prefixes."""
    wanted = {"ipv4": 10_000, "ipv6": 1000}[family.value]
    for provider in inventory.providers:
        prefixes = list(good_prefixes(inventory, provider.name, family))
        assert (len(prefixes), len(set(prefixes))) == (wanted, wanted)


@FAMILIES
def test_good_prefixes_pass_any_policy(inventory: Inventory, family: Family) -> None:
    """No good prefix lies in special-purpose or own space, or has a length that the policy refuses."""
    limits = inventory.policy.limits(family)
    refused = [*BOGONS[family], *(own for own in inventory.own_prefixes if own.version == family.number)]
    wrong = [
        prefix
        for prefix in good_prefixes(inventory, "meadow", family)
        if any(prefix.overlaps(other) for other in refused)
        or not limits.min_length <= prefix.prefixlen <= limits.max_length
    ]
    assert wrong == []


@FAMILIES
def test_providers_share_a_part(inventory: Inventory, family: Family) -> None:
    """Seven tenths are common to all providers, and each has prefixes that no other announces."""
    sets = {p.name: expected_prefixes(inventory, p.name, family)[0] for p in inventory.providers}
    common = frozenset.intersection(*sets.values())
    assert len(common) >= 0.7 * len(sets["northtel"])
    for name, own in sets.items():
        assert own - frozenset().union(*(other for key, other in sets.items() if key != name))


@FAMILIES
def test_bad_prefixes_are_never_good_elsewhere(inventory: Inventory, family: Family) -> None:
    """A prefix that one provider announces badly is announced well by none, so that the main table tells them apart."""
    bad = {b.prefix for p in inventory.providers for b in bad_announcements(inventory, p.name, family)}
    good = {prefix for p in inventory.providers for prefix in good_prefixes(inventory, p.name, family)}
    assert bad & good == set()


def test_every_kind_of_flaw_is_announced(inventory: Inventory) -> None:
    """Bogons, own space, over-specific prefixes, long paths and loops are all there."""
    flaws = {bad.flaw for bad in bad_announcements(inventory, "northtel", Family.IPV4)}
    assert flaws == {
        "bogon",
        "own prefix",
        "inside an own prefix",
        "over-specific",
        "path too long",
        "own ASN in the path",
    }


def test_paths_differ_between_providers(inventory: Inventory) -> None:
    """For common prefixes the origin is the same, and each provider has the shortest path to some."""
    paths = {
        p.name: {a.prefix: a.path for a in announcements(inventory, p.name, Family.IPV4) if not a.flaw}
        for p in inventory.providers
    }
    common = set.intersection(*(set(each) for each in paths.values()))
    assert all(len({each[prefix][-1] for each in paths.values()}) == 1 for prefix in common)
    shortest = {min(paths, key=lambda name: len(paths[name][prefix])) for prefix in common}
    assert shortest == set(paths)


def test_prefixes_of_an_origin_share_paths(inventory: Inventory) -> None:
    """At one provider the prefixes of an origin have at most three paths, and fewer paths than prefixes in the end."""
    paths: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for announcement in announcements(inventory, "northtel", Family.IPV4):
        if not announcement.flaw:
            paths[announcement.path[-1]].append(announcement.path)
    several = [each for each in paths.values() if len(each) > 1]
    assert max(len(set(each)) for each in several) <= 3
    assert sum(len(set(each)) for each in several) < 0.8 * sum(map(len, several))


def test_good_paths_are_clean(inventory: Inventory) -> None:
    """No good path holds a private, documentation or reserved ASN, or one of the inventory's."""
    for announcement in announcements(inventory, "southnet", Family.IPV4):
        if not announcement.flaw:
            assert all(asn < 64_496 or 131_072 <= asn < 4_200_000_000 for asn in announcement.path)
            assert not {inventory.asn, AS_TRANS} & set(announcement.path)


def test_two_runs_agree(inventory: Inventory) -> None:
    """The same inventory gives the same announcements, which the tests' expectations rely on."""
    assert list(announcements(inventory, "northtel", Family.IPV6)) == list(
        announcements(inventory, "northtel", Family.IPV6)
    )
    first = next(good_prefixes(inventory, "northtel", Family.IPV4))
    assert first == ip_network("14.36.84.0/24")


def test_policy_moves_what_is_over_specific(inventory: Inventory) -> None:
    """With a stricter length limit, good prefixes stay inside it and a /25 is no longer the shortest bad one."""
    limits = replace(inventory.policy.ipv4, max_length=22)
    strict = replace(inventory, policy=replace(inventory.policy, ipv4=limits))
    good, bad = expected_prefixes(strict, "northtel", Family.IPV4)
    assert max(prefix.prefixlen for prefix in good) == 22
    assert 23 in {prefix.prefixlen for prefix in bad}


def test_bird_gets_path_in_order(inventory: Inventory) -> None:
    """BIRD prepends, so the origin is prepended first."""
    announcement = next(a for a in announcements(inventory, "northtel", Family.IPV4) if len(a.path) == 3)
    first, second, origin = announcement.path
    prepends = f"bgp_path.prepend({origin});bgp_path.prepend({second});bgp_path.prepend({first});"
    assert f"route {announcement.prefix} blackhole {{{prepends}}};\n" in bird_routes(inventory, "northtel", Family.IPV4)
