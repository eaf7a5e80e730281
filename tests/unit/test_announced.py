"""What daemons say of what they announce, read from answers of real ones."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from netorch.errors import ParseError
from netorch.model.announced import Announcement
from netorch.parse.announced import read_bird_announcements
from netorch.parse.frr.announced import RouteMaps, read_announcements, read_brief_announcements

PREFIX, OTHER = ip_network("192.0.2.0/24"), ip_network("192.0.3.0/24")
OWN = (ip_network("192.0.2.0/23"),)
SAID = (
    Announcement(PREFIX, (64500, 64500, 64500), ((64496, 666), (65535, 65281)), ((64496, 1, 1),)),
    Announcement(OTHER, (64500,)),
)

EXPORTED = """\
1007-Table master4:
     192.0.2.0/24         unicast [h1_v4 16:46:17.739] * (100) [i]
     \tvia 10.1.1.11 on br0
     192.0.3.0/24         unicast [h1_v4 16:46:17.739] * (100) [i]
     \tvia 10.1.1.11 on br0
0000 \n"""
BIRD_2 = """\
1007-Table master4:
     192.0.2.0/24         unicast [h1_v4 16:46:17.739] * (100) [i]
     \tvia 10.1.1.11 on br0
1008-\tType: BGP univ
1012-\tBGP.origin: IGP
     \tBGP.as_path: 64500 64500
     \tBGP.next_hop: 10.1.1.11
     \tBGP.local_pref: 100
     \tBGP.community: (65535,65281) (64496,666)
     \tBGP.large_community: (64496, 1, 1)
1007-192.0.3.0/24         unicast [h1_v4 16:46:17.739] * (100) [i]
     \tvia 10.1.1.11 on br0
1008-\tType: BGP univ
1012-\tBGP.origin: IGP
     \tBGP.as_path: \n\
     \tBGP.next_hop: 10.1.1.11
     \tBGP.local_pref: 100
     \tBGP.community: \n\
1007-192.0.2.128/25       unicast [h1_v4 16:46:17.739] * (100) [i]
     \tvia 10.1.1.11 on br0
1008-\tType: BGP univ
1012-\tBGP.origin: IGP
     \tBGP.as_path: \n\
     \tBGP.next_hop: 10.1.1.11
     \tBGP.local_pref: 100
0000 \n"""
BIRD_3 = """\
1007-Table master4:
     192.0.2.0/24         unicast [h1_v4 16:46:28.413] * (100) [i]
     \tvia 10.1.1.11 on br0
1012-\tpreference: 100
     \tsource: BGP
     \tbgp_origin: IGP
     \tbgp_path: 64500 64500
     \tbgp_next_hop: 10.1.1.11
     \tbgp_local_pref: 100
     \tbgp_community: (64496,666) (65535,65281)
     \tbgp_large_community: (64496, 1, 1)
1008-\tInternal route handling values: 0L 2G 0S id 1
1007-192.0.3.0/24         unicast [h1_v4 16:46:28.413] * (100) [i]
     \tvia 10.1.1.11 on br0
1012-\tpreference: 100
     \tsource: BGP
     \tbgp_origin: IGP
     \tbgp_next_hop: 10.1.1.11
     \tbgp_local_pref: 100
     \tbgp_community: \n\
1008-\tInternal route handling values: 0L 2G 0S id 2
0000 \n"""

FRR_10 = json.dumps(
    {
        "bgpTableVersion": 3,
        "localAS": 64500,
        "advertisedRoutes": {
            "192.0.2.0/24": {
                "prefix": "192.0.2.0/24",
                "paths": [
                    {
                        "aspath": {"string": "64500 64500", "length": 2},
                        "origin": "IGP",
                        "community": {"string": "64496:666 no-export", "list": ["64496:666", "noExport"]},
                        "largeCommunity": {"string": "64496:1:1", "list": ["64496:1:1"]},
                    }
                ],
            },
            "192.0.3.0/24": {
                "prefix": "192.0.3.0/24",
                "paths": [{"aspath": {"string": "Local", "segments": [], "length": 0}, "origin": "IGP"}],
            },
            "198.51.100.0/24": {"prefix": "198.51.100.0/24", "paths": [{"aspath": {"string": "64501"}}]},
        },
        "totalPrefixCounter": 3,
    }
)
FRR_8 = json.dumps(
    {
        "advertisedRoutes": {
            "192.0.2.0/24": {"network": "192.0.2.0/24", "path": "64500 64500", "nextHop": "0.0.0.0"},
            "192.0.3.0/24": {"network": "192.0.3.0/24", "path": "", "nextHop": "0.0.0.0"},
            "198.51.100.0/24": {"network": "198.51.100.0/24", "path": "64501"},
        }
    }
)


def rule(number: int, *, kind: str = "permit", match: str = "", action: str = "Exit routemap", **more: Any) -> Any:
    """An entry of ``show route-map json``."""
    clauses = {"matchClauses": [match] if match else [], "setClauses": list(more.pop("sets", ()))}
    return {"sequenceNumber": number, "type": kind, **clauses, "action": action, **more}


def prefixes(*rows: dict[str, Any]) -> Any:
    """A list of ``show ip prefix-list json``."""
    return {"addressFamily": "IPv4", "entries": [{"sequenceNumber": n, **row} for n, row in enumerate(rows, 1)]}


MAPS = {
    "clean": {
        "rules": [
            rule(10, kind="deny", match="large-community from_others"),
            rule(30, match="ip address prefix-list announced", sets=("community none", "large-community none")),
            rule(40, match="as-path of_customers", sets=("community 64500:40",)),
        ]
    },
    "single": {
        "rules": [
            rule(10, kind="deny", match="ip address prefix-list withheld"),
            rule(
                20,
                match="ip address prefix-list one",
                sets=("as-path prepend 64500", "community 64496:666 additive", "large-community 64496:1:1 additive"),
            ),
            rule(65535),
        ]
    },
    "out": {
        "rules": [
            rule(10, callClause="clean", action="Continue to next entry", sets=("community 1:1",)),
            rule(20, callClause="single", action="Goto 30"),
            rule(25, sets=("community 25:25 additive",)),
            rule(30, sets=("community no-export additive",), match="ip address prefix-list long"),
            rule(40, sets=("community 40:40",)),
        ]
    },
}
LISTS = {
    "announced": prefixes({"type": "permit", "prefix": "192.0.2.0/23", "minimumPrefixLength": 24}),
    "withheld": prefixes({"type": "permit", "prefix": "192.0.9.0/24"}),
    "one": prefixes({"type": "permit", "prefix": "192.0.2.0/24"}),
    "long": prefixes(
        {"type": "deny", "prefix": "192.0.3.0/24"},
        {"type": "permit", "prefix": "0.0.0.0/0", "maximumPrefixLength": 32},
    ),
}


@pytest.mark.parametrize("said", [BIRD_2, BIRD_3], ids=["2.x", "3.x"])
def test_bird_tells_what_has_gone_out(said: str) -> None:
    """Our AS number comes first, communities are in order, and what the filter lets pass but has not gone out is left out."""
    assert read_bird_announcements(EXPORTED, said, asn=64500) == SAID


def test_frr_10_tells_all() -> None:
    """Names of communities become numbers; what is outside of the own space is left out."""
    assert read_announcements(FRR_10, asn=64500, own=OWN) == SAID


@pytest.mark.parametrize("program", ["BGP", "bgpd"])
def test_frr_8_tells_paths_and_route_maps_the_rest(program: str) -> None:
    """Entries are followed as bgpd follows them: calls, jumps, prefix lists with lengths, what is set and what is added."""
    policy = RouteMaps(json.dumps({program: MAPS}), [json.dumps({program: LISTS}), json.dumps({program: {}})])
    found = read_brief_announcements(FRR_8, asn=64500, own=OWN, policy=policy, route_map="out")
    assert found[0] == SAID[0]
    assert found[1].communities == ((40, 40),)  # entry 30 is not for it
    assert found[1].as_path == (64500,)


def test_frr_without_a_route_map_sets_nothing() -> None:
    """A session without one announces what there is."""
    policy = RouteMaps("{}", [])
    found = read_brief_announcements(FRR_8, asn=64500, own=OWN, policy=policy, route_map=None)
    assert [one.communities for one in found] == [(), ()]


def test_answers_of_other_programs_are_refused() -> None:
    """zebra's route maps set no communities."""
    with pytest.raises(ParseError, match="expected an answer of bgpd, found one of ZEBRA"):
        RouteMaps(json.dumps({"ZEBRA": MAPS}), [])
