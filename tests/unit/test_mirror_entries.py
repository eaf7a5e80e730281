"""What a host is to have for a next hop, and what a switch tells of one: decided without a kernel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netorch.agent.mirror.entries import Entry
from netorch.agent.mirror.settings import FollowedFeed, FollowedHop, HoldDownSettings, ServedHop
from netorch.agent.mirror.table import Table
from netorch.agent.mirror.wire import Told
from netorch.model.types import Mac

A, B = Mac("02:aa:00:00:00:01"), Mac("02:bb:00:00:00:02")
MULTICAST, ZERO = Mac("01:00:5e:00:00:01"), Mac("00:00:00:00:00:00")
ADDRESS = "203.0.113.1"
NOBODY: frozenset[Mac] = frozenset()
USUAL = HoldDownSettings()


def entry(*macs: Mac, hold_down: HoldDownSettings = USUAL) -> Entry:
    """An entry for which the inventory names these MACs."""
    hop = FollowedHop(ADDRESS, "10.1.1.11", "northtel", 1, frozenset(macs))
    return Entry(FollowedFeed("sw1.pop1", ("10.1.1.1",), 7110, "eth0", (hop,)), hop, hold_down)


def told(mac: Mac | None, state: str = "reachable", refusal: str = "") -> Told:
    return Told(ADDRESS, mac, state, refusal)


def hear(one: Entry, mac: Mac | None, now: float = 0.0, own: frozenset[Mac] = NOBODY) -> bool:
    return one.hear(told(mac, "reachable" if mac else "failed"), own, now=now, wall=1000.0 + now)


def test_first_mac_is_taken() -> None:
    """The kernel is told once, and since when."""
    one = entry()
    assert (hear(one, A), hear(one, A)) == (True, False)
    assert (one.mac, one.since, one.changes, one.describe(0.0)) == (A, 1000.0, 0, ("mirrored", ""))


def test_another_mac_is_a_change() -> None:
    """The kernel is told, and it is counted."""
    one = entry()
    hear(one, A)
    assert hear(one, B, now=5.0)
    assert (one.mac, one.since, one.changes) == (B, 1005.0, 1)


def test_next_hop_without_a_mac_is_kept() -> None:
    """What is there stays when the switch has lost it; where nothing was, nothing is."""
    one = entry()
    assert not hear(one, None)
    assert one.describe(0.0)[0] == "unresolved"
    hear(one, A)
    assert not hear(one, None)
    assert (one.mac, one.describe(0.0)[0]) == (A, "kept")


def test_lost_feed_is_kept() -> None:
    """Without its feed an entry stays and says why."""
    one = entry()
    hear(one, A)
    one.lose()
    assert (one.mac, one.describe(0.0)) == (A, ("kept", "the feed of sw1.pop1 is down"))


@given(st.sampled_from([MULTICAST, ZERO, Mac("ff:ff:ff:ff:ff:ff"), B]))
def test_mac_that_may_not_be_is_refused(mac: Mac) -> None:
    """Multicast, zero, broadcast and the POP's own MACs are refused; what was there stays."""
    one = entry()
    hear(one, A)
    assert not hear(one, mac, own=frozenset({B}))
    assert (one.mac, one.describe(0.0)[0]) == (A, "refused")


def test_mac_that_the_inventory_does_not_name_is_refused() -> None:
    """Where MACs are named, no other is taken."""
    one = entry(A)
    assert not hear(one, B)
    assert "not among the circuit's MACs" in one.describe(0.0)[1]
    assert hear(one, A)


def test_refusal_ends_with_its_reason() -> None:
    """A MAC that is nobody's own any more is taken without being told again."""
    one = entry()
    hear(one, A, own=frozenset({A}))
    assert one.look_again(NOBODY, now=1.0, wall=1001.0)
    assert one.mac == A


def test_mac_that_became_own_stays_and_is_told() -> None:
    """A host that claims a provider's MAC breaks nothing that works."""
    one = entry()
    hear(one, A)
    assert not one.look_again(frozenset({A}), now=1.0, wall=1001.0)
    assert (one.mac, one.describe(0.0)[0]) == (A, "refused")


def test_flapping_mac_is_held_and_then_taken() -> None:
    """After the hold the last MAC that was told is taken, which is no further change of the flap."""
    one = entry(hold_down=HoldDownSettings(changes=2, period_s=10, hold_s=30))
    assert [hear(one, mac) for mac in (A, B, A, B, A, B)] == [True, True, True, False, False, False]
    assert (one.mac, one.holds, one.describe(0.0)[0]) == (A, 1, "held_down")
    assert not one.look_again(NOBODY, now=29.0, wall=1029.0)
    assert one.look_again(NOBODY, now=30.0, wall=1030.0)
    assert (one.mac, one.describe(0.0)[0]) == (B, "mirrored")
    assert hear(one, A, now=31.0)


def test_time_left_of_a_hold_is_told() -> None:
    """Whoever looks knows how long hosts will send to the former MAC."""
    one = entry(hold_down=HoldDownSettings(changes=1, period_s=10, hold_s=30))
    for mac in (A, B, A):
        hear(one, mac)
    assert one.describe(8.5)[1].endswith(f"sw1.pop1 tells {A} now; 22 s are left")


def test_released_entry_takes_the_newest_mac_and_may_be_held_again() -> None:
    """The changes before it are forgotten: a provider's last change is followed, two routers that fight are held anew."""
    one = entry(hold_down=HoldDownSettings(changes=1, period_s=10, hold_s=30))
    for mac in (A, B, A):
        hear(one, mac)
    assert one.release(NOBODY, now=1.0, wall=1001.0)
    assert (one.mac, one.since, one.describe(1.0)[0]) == (A, 1001.0, "mirrored")
    assert [hear(one, mac, now=2.0) for mac in (B, A)] == [True, False]
    assert one.describe(2.0)[0] == "held_down"


def test_released_entry_still_takes_no_mac_that_may_not_be() -> None:
    """Force overrides the hold alone."""
    one = entry(hold_down=HoldDownSettings(changes=1, period_s=10, hold_s=30))
    for mac in (A, B, A):
        hear(one, mac)
    assert not one.release(frozenset({A}), now=1.0, wall=1001.0)
    assert (one.mac, one.describe(1.0)[0]) == (B, "refused")


def test_held_entry_keeps_its_mac_when_the_feed_comes_back() -> None:
    """A new connection is no way around a hold."""
    one = entry(hold_down=HoldDownSettings(changes=1, period_s=10, hold_s=30))
    for mac in (A, B, A):
        hear(one, mac)
    one.lose()
    assert not hear(one, A, now=1.0)
    assert (one.mac, one.describe(0.0)[0]) == (B, "held_down")


def test_kernels_own_entry_is_taken_over() -> None:
    """What was there before the agent is its first MAC; nonsense is not."""
    one = entry()
    assert not one.adopt(str(MULTICAST), None)
    assert one.adopt(str(A), 7.0)
    assert (one.mac, one.since, one.describe(0.0)[0]) == (A, 7.0, "kept")
    assert not hear(one, A)
    assert one.since == 7.0


macs = st.none() | st.sampled_from([A, B, MULTICAST, ZERO, Mac("02:cc:00:00:00:03")])


@given(st.lists(st.tuples(macs, st.floats(0, 20), st.booleans())))
def test_whatever_is_told_an_entry_never_goes_and_is_never_wrong(steps: list[tuple[Mac | None, float, bool]]) -> None:
    """Once there is a MAC there is always one; it is unicast and was told; the kernel is told of every change."""
    one, now, kernel, seen = entry(), 0.0, None, set()
    for mac, gap, is_lost in steps:
        now += gap
        if is_lost:
            one.lose()
        seen.add(mac)
        if hear(one, mac, now) or one.look_again(NOBODY, now=now, wall=now):
            kernel = one.mac
        assert kernel == one.mac
        assert one.mac is None or (one.mac.is_unicast and one.mac in seen)


def table(*macs: Mac) -> Table:
    made = Table()
    made.replace([ServedHop(ADDRESS, "br0", "northtel", 1, frozenset(macs))])
    return made


def test_only_changes_of_the_mac_are_told() -> None:
    """Probes and ageing, which change the state many times a minute, are no news."""
    made = table()
    known = made.known["br0", ADDRESS]
    news = []
    for mac, state in ((None, "incomplete"), (A, "reachable"), (A, "stale"), (A, "probe"), (None, "failed")):
        known.see(mac, state, 1.0)
        news.append([one.mac for one in made.judge([known])])
    assert news == [[], [A], [], [], [None]]


def test_entry_that_comes_back_is_as_old_as_before() -> None:
    """A next hop that failed for a while and has its MAC again has not changed."""
    made = table()
    known = made.known["br0", ADDRESS]
    for mac, state, now in ((A, "reachable", 1.0), (None, "failed", 2.0), (A, "reachable", 3.0)):
        known.see(mac, state, now)
    assert (known.since, known.changes) == (1.0, 0)
    known.see(B, "reachable", 4.0)
    assert (known.since, known.changes) == (4.0, 1)


def test_refused_mac_is_told_with_its_reason() -> None:
    """Hosts hear that there is a MAC that nobody may send to."""
    made = table(B)
    known = made.known["br0", ADDRESS]
    known.see(A, "reachable", 1.0)
    (one,) = made.judge([known])
    assert one.mac is None
    assert "not among the circuit's MACs" in one.refusal


def test_hosts_own_mac_is_taken_back() -> None:
    """A MAC that turns out to be the POP's own is told no more."""
    made = table()
    known = made.known["br0", ADDRESS]
    known.see(A, "reachable", 1.0)
    made.judge([known])
    made.own = frozenset({A})
    assert [one.mac for one in made.judge_all()] == [None]


def test_settings_that_stay_keep_what_is_known() -> None:
    """New settings forget only what they do not have any more."""
    made = table()
    made.known["br0", ADDRESS].see(A, "reachable", 1.0)
    hop = made.known["br0", ADDRESS].hop
    made.replace([hop, ServedHop("203.0.113.5", "br0", "southnet", 2, NOBODY)])
    assert [known.mac for known in made.known.values()] == [A, None]
    made.replace([])
    assert made.told(frozenset({ADDRESS})) == []
