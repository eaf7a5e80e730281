"""What plans read from an FRR configuration: sessions, resets, imports, passwords, closing."""

from __future__ import annotations

import pytest

from netorch.model.plan import Reset
from netorch.plan import bird, frr
from netorch.plan.bgp_text import TextSession
from netorch.render import seal
from tests.golden.write import FOLDER, FRR_FOLDER

CONFIG = """frr defaults traditional
log syslog informational
!
ip prefix-list announced_ipv4 seq 1 permit 192.0.2.0/24
ip prefix-list good seq 5 permit 0.0.0.0/0 ge 8 le 24
!
route-map north_in permit 10
 match ip address prefix-list good
exit
!
route-map out permit 10
 match ip address prefix-list announced_ipv4
exit
!
route-map everything permit 10
 set local-preference 5
exit
!
router bgp 64500
 bgp router-id 10.0.0.1
 no bgp default ipv4-unicast
 timers bgp 30 90
 neighbor 203.0.113.1 remote-as 64496
 neighbor 203.0.113.1 description [north_v4] a line
 neighbor 203.0.113.1 password old
 neighbor 203.0.113.1 timers connect 10
 neighbor 203.0.113.5 remote-as 64497
 neighbor 203.0.113.5 description [south_v4]
 neighbor 10.1.1.11 remote-as 64500
 neighbor 10.1.1.11 description [h1_v4]
 !
 address-family ipv4 unicast
  neighbor 203.0.113.1 activate
  neighbor 203.0.113.1 maximum-prefix 100
  neighbor 203.0.113.1 route-map north_in in
  neighbor 203.0.113.1 route-map out out
  neighbor 203.0.113.5 activate
  neighbor 203.0.113.5 route-map everything in
  neighbor 10.1.1.11 activate
 exit-address-family
exit
!
bfd
 profile slow
  transmit-interval 400
 exit
exit
!
route-map netorch_stamp deny 1
 description 0123456789abcdef
exit
"""


def changed(find: str, put: str) -> str:
    assert find in CONFIG
    return CONFIG.replace(find, put)


def effects(new: str) -> dict[str, str]:
    """Session to effect, of CONFIG becoming ``new``."""
    return {reset.session: reset.effect for reset in frr.foresee_resets(CONFIG, new)}


def test_sessions_are_read() -> None:
    """Name, other end, families, and what passes without or with a filter that filters nothing."""
    said = frr.read_bgp(CONFIG, own_asn=64500)
    assert said.sessions == {
        "north_v4": TextSession("north_v4", True, False, ("ipv4",), (), (), ()),
        "south_v4": TextSession("south_v4", True, False, ("ipv4",), ("ipv4",), (), ("ipv4",)),
        "h1_v4": TextSession("h1_v4", False, False, ("ipv4",), ("ipv4",), ("ipv4",), ()),
    }
    assert said.announced == {"ipv4": {"192.0.2.0/24"}}


@pytest.mark.parametrize(
    ("find", "put", "unfiltered", "leaky", "mute"),
    [
        ("  neighbor 203.0.113.1 route-map north_in in\n", "", (), (), ()),
        ("  neighbor 203.0.113.1 route-map out out\n", "", (), (), ("ipv4",)),
        (" match ip address prefix-list good\n", "", ("ipv4",), (), ()),
        ("route-map north_in permit 10\n", "route-map other permit 10\n", (), (), ()),
        (" match ip address prefix-list announced_ipv4\n", "", (), ("ipv4",), ()),
        ("route-map out permit 10", "route-map out deny 10", (), (), ("ipv4",)),
        (" bgp router-id", " no bgp ebgp-requires-policy\n bgp router-id", (), (), ()),
    ],
)
def test_lost_filters_are_noticed(
    find: str, put: str, unfiltered: tuple[str, ...], leaky: tuple[str, ...], mute: tuple[str, ...]
) -> None:
    """A filter that is gone lets nothing through (RFC 8212), one that asks nothing lets everything through."""
    north = frr.read_bgp(changed(find, put), own_asn=64500).sessions["north_v4"]
    assert (north.unfiltered, north.leaky, north.mute) == (unfiltered, leaky, mute)


def test_without_policy_everything_passes_where_it_is_said_so() -> None:
    """``no bgp ebgp-requires-policy`` and the data centre's defaults take RFC 8212 away."""
    bare = changed("  neighbor 203.0.113.1 route-map north_in in\n  neighbor 203.0.113.1 route-map out out\n", "")
    for find, put in (
        ("frr defaults traditional", "frr defaults datacenter"),
        (" bgp router-id", " no bgp ebgp-requires-policy\n bgp router-id"),
    ):
        north = frr.read_bgp(bare.replace(find, put), own_asn=64500).sessions["north_v4"]
        assert (north.unfiltered, north.leaky) == (("ipv4",), ("ipv4",))


def test_no_configuration_says_nothing() -> None:
    """Anything else than FRR's language is read without an error."""
    for text in ("", "protocol bgp x { neighbor 1.2.3.4 as 5; }", "neighbor\nrouter bgp\nno\n no neighbor\n", "\x00"):
        said = frr.read_bgp(text, own_asn=64500)
        assert (said.sessions, said.announced) == ({}, {})
        assert frr.foresee_resets(text, text) == ()
        assert frr.read_passwords(text) == {}


def test_the_same_configuration_resets_nothing() -> None:
    """A configuration that replaces itself leaves every session alone."""
    assert frr.foresee_resets(CONFIG, CONFIG) == ()


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("ge 8 le 24", "ge 8 le 23"),
        (" bgp router-id", " bgp route-reflector allow-outbound-policy\n bgp router-id"),
        ("maximum-prefix 100", "maximum-prefix 200"),
        ("a line", "another"),
        ("timers connect 10", "timers connect 20"),
        ("timers bgp 30 90", "timers bgp 10 30"),
        ("route-map everything in", "route-map north_in in"),
        ("0123456789abcdef", "fedcba9876543210"),
    ],
)
def test_what_is_changed_in_place(find: str, put: str) -> None:
    """Filters, limits, descriptions and timers are applied to a running session."""
    assert effects(changed(find, put)) == {}


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("remote-as 64496", "remote-as 64499"),
        ("password old", "password new"),
        (" neighbor 203.0.113.1 password old\n", ""),
        (
            "  neighbor 203.0.113.1 activate",
            "  neighbor 203.0.113.1 activate\n  neighbor 203.0.113.1 addpath-tx-all-paths",
        ),
        (
            " neighbor 203.0.113.1 password",
            " neighbor 203.0.113.1 update-source 10.0.0.9\n neighbor 203.0.113.1 password",
        ),
    ],
)
def test_what_restarts_its_session(find: str, put: str) -> None:
    """Password, AS number, source address and ADD-PATH restart that session alone, and no password is named."""
    (reset,) = frr.foresee_resets(CONFIG, changed(find, put))
    assert (reset.session, reset.effect) == ("north_v4", "restart")
    assert not {"old", "new"} & set(reset.reason.replace(",", " ").split())


def test_router_id_restarts_all_sessions() -> None:
    """The router id is part of every session's OPEN."""
    assert effects(changed("bgp router-id 10.0.0.1", "bgp router-id 10.0.0.2")) == dict.fromkeys(
        ("north_v4", "south_v4", "h1_v4"), "restart"
    )


def test_closing_and_opening() -> None:
    """A session is closed and opened where FRR shows that itself; other lines stay as they are."""
    closed = frr.rewrite_closed(CONFIG, to_close={"north_v4", "unknown"}, to_open=set())
    assert " description [north_v4] a line\n neighbor 203.0.113.1 shutdown\n" in closed
    assert closed.replace(" neighbor 203.0.113.1 shutdown\n", "") == CONFIG
    assert effects(closed) == {"north_v4": "close"}
    assert frr.read_bgp(closed, own_asn=64500).sessions["north_v4"].closed
    said = closed.replace("shutdown\n", "shutdown message good night\n")
    assert frr.rewrite_closed(said, to_close=set(), to_open={"north_v4"}) == CONFIG
    assert [reset.effect for reset in frr.foresee_resets(said, CONFIG)] == ["start"]


def test_sessions_of_a_new_device_start_and_vanished_ones_close() -> None:
    """Sessions that only one of the configurations has."""
    assert frr.foresee_resets("", CONFIG)[0] == Reset("h1_v4", "start", "new")
    assert {reset.effect for reset in frr.foresee_resets(CONFIG, "")} == {"close"}


def test_passwords_are_read() -> None:
    """By the neighbour's address, None where there is none."""
    assert frr.read_passwords(CONFIG) == {"203.0.113.1": "old", "203.0.113.5": None, "10.1.1.11": None}


@pytest.mark.parametrize(
    ("find", "put", "may"),
    [
        ("0123456789abcdef", "fedcba9876543210", False),
        ("a line", "another", False),
        ("transmit-interval 400", "transmit-interval 500", False),
        ("log syslog", "!\n! a comment\nlog syslog", False),
        ("[north_v4] a line", "[north_v4]\n neighbor 203.0.113.1 shutdown message works", False),
        (" no bgp default ipv4-unicast", " bgp shutdown", True),
        ("ge 8 le 24", "ge 8 le 23", True),
        ("route-map north_in in", "route-map everything in", True),
        ("set local-preference 5", "set local-preference 6", True),
    ],
)
def test_changes_that_imports_depend_on(find: str, put: str, may: bool) -> None:
    """Lists, route maps and sessions may change what is accepted; descriptions, BFD, the stamp and a close do not."""
    assert frr.may_change_imports(CONFIG, changed(find, put)) is may


@pytest.mark.parametrize("name", sorted(path.name for path in FRR_FOLDER.glob("*.conf")))
def test_same_intent_reads_alike_in_both_languages(name: str) -> None:
    """Of a device rendered for either daemon, plans read the same sessions, prefixes and passwords."""
    texts = [
        seal((folder / name).read_text(), lambda _: "secret", daemon=daemon)
        for folder, daemon in ((FRR_FOLDER, "frr"), (FOLDER, "bird"))
    ]
    ours, theirs = frr.read_bgp(texts[0], own_asn=64500), bird.read_bgp(texts[1], own_asn=64500)
    assert set(ours.sessions) == set(theirs.sessions) != set()
    for found, wanted in ((ours.sessions[each], theirs.sessions[each]) for each in ours.sessions):
        assert (found.is_external, found.closed, found.families) == (wanted.is_external, wanted.closed, wanted.families)
        if found.is_external:
            assert found == wanted
    if name.startswith("sw"):
        assert ours.announced == theirs.announced != {}
    assert frr.read_passwords(texts[0]) == bird.read_passwords(texts[1])


def test_unnumbered_sessions_are_foreseen() -> None:
    """A session over a link without addresses is named when it starts, restarts or closes."""
    start = "router bgp 65101\n neighbor up1 interface remote-as 65001\n neighbor up1 description [spine1_up1_ll] spine1 down1\n"
    assert list(frr.foresee_resets("", start)) == [Reset("spine1_up1_ll", "start", "new")]
    other = start.replace("65001", "65002")
    assert list(frr.foresee_resets(start, other)) == [Reset("spine1_up1_ll", "restart", "changed: remote-as")]
    assert list(frr.foresee_resets(start, "router bgp 65101\n")) == [
        Reset("spine1_up1_ll", "close", "not in the new configuration")
    ]
