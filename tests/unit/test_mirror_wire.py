"""What feed and mirror say to each other, and what a mirror makes of a feed that does not keep to the rules."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.agent.mirror import wire
from netorch.agent.mirror.wire import FeedReader, Lines, Told, WireError
from netorch.model.types import Mac
from netorch.plan.mirror import refusal_of

MAC = Mac("02:aa:00:00:00:01")
macs = st.binary(min_size=6, max_size=6).map(lambda data: Mac(data.hex(":")))
tolds = st.builds(Told, st.ip_addresses().map(str), st.none() | macs, st.just("reachable"), st.just(""))


def snapshot(*told: Told, sequence: int = 5, switch: str = "sw1.pop1") -> bytes:
    """The first message of a feed."""
    return wire.snapshot(sequence, switch, own=[], told=told)


def reader() -> FeedReader:
    """A reader that has its snapshot, number 5."""
    made = FeedReader("sw1.pop1")
    made.take(snapshot())
    return made


@given(st.lists(tolds, max_size=20), st.frozensets(macs, max_size=20))
def test_snapshot_comes_out_as_it_went_in(told: list[Told], own: frozenset[Mac]) -> None:
    """Entries and own MACs survive the wire."""
    news = FeedReader("sw1.pop1").take(wire.snapshot(0, "sw1.pop1", own=own, told=told))
    assert news is not None
    assert (list(news.told), news.own, news.is_whole) == (told, own, True)


@given(st.lists(tolds, max_size=20))
def test_delta_comes_out_as_it_went_in(told: list[Told]) -> None:
    """Entries survive, and the others are not spoken of."""
    news = reader().take(wire.delta(6, told))
    assert news is not None
    assert (list(news.told), news.own, news.is_whole) == (told, None, False)


@given(macs)
def test_hello_comes_out_as_it_went_in(mac: Mac) -> None:
    """A host's name and its MACs survive."""
    assert wire.read_hello(wire.hello("h1.pop1", [mac])) == ("h1.pop1", frozenset({mac}))


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_they_are_cut(lines: list[bytes], size: int) -> None:
    """However the bytes arrive, the same lines come out."""
    data = b"".join(line + b"\n" for line in lines)
    taker = Lines(100)
    found = [line for start in range(0, len(data), size) for line in taker.take(data[start : start + size])]
    assert found == lines


@given(st.integers(0, 200), st.booleans())
def test_long_line_is_refused(length: int, is_whole: bool) -> None:
    """A message beyond the bound is refused, also before its end has come; one within it is not."""
    taker, data = Lines(100), b"x" * length + b"\n" * is_whole
    if length <= 100:
        assert taker.take(data) == ([data[:-1]] if is_whole else [])
    else:
        with pytest.raises(WireError, match="more than 100 bytes"):
            taker.take(data)


@given(st.integers(0, 20).filter(lambda number: number != 6))
def test_gap_and_replay_are_refused(sequence: int) -> None:
    """After number 5 only number 6 is taken: neither one before it, nor itself again, nor one after it."""
    with pytest.raises(WireError, match="expected 6"):
        reader().take(wire.delta(sequence, [Told("203.0.113.1", MAC, "reachable")]))


@given(st.permutations(range(6, 11)))
def test_reordered_messages_are_refused(order: list[int]) -> None:
    """Messages are taken in their order; the first that is out of it ends the connection."""
    taker, taken = reader(), []
    try:
        for sequence in order:
            taker.take(wire.delta(sequence, []))
            taken.append(sequence)
    except WireError:
        pass
    assert taken == list(range(6, 6 + len(taken)))
    assert (len(taken) == 5) == (list(order) == list(range(6, 11)))


def test_beat_shows_that_the_last_message_is_missing() -> None:
    """A beat with a number that has not come is a gap."""
    taker = reader()
    assert taker.take(wire.beat(5)) is None
    with pytest.raises(WireError, match="message number 6, expected 5"):
        taker.take(wire.beat(6))


def test_nothing_is_believed_before_the_snapshot() -> None:
    """A delta without a snapshot is refused."""
    with pytest.raises(WireError, match="snapshot first"):
        FeedReader("sw1.pop1").take(wire.delta(1, []))


def test_second_snapshot_is_refused() -> None:
    """A snapshot in the middle could bring back what is over."""
    with pytest.raises(WireError, match="second snapshot"):
        reader().take(snapshot(sequence=6))


def test_snapshot_of_another_switch_is_refused() -> None:
    """A feed that says another name than its certificate is not believed."""
    with pytest.raises(WireError, match="another switch"):
        FeedReader("sw1.pop1").take(snapshot(switch="sw2.pop1"))


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    """Bytes at random raise nothing but WireError, on both sides."""
    for take in (reader().take, FeedReader("sw1.pop1").take, wire.read_hello):
        with pytest.raises(WireError):
            take(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(["snapshot", "delta", "own", "beat", "other"]), st.data())
def test_message_with_wrong_values_is_refused_or_harmless(kind: str, data: st.DataObject) -> None:
    """JSON of the right form with any values raises nothing but WireError, and what is taken holds MACs and short texts."""
    members = {"type": st.just(kind), "sequence": st.sampled_from([6, 5]) | values}
    for name in ("version", "switch", "own", "entries", "macs"):
        members[name] = values
    message = data.draw(st.fixed_dictionaries(members))
    taker = FeedReader("sw1.pop1") if kind == "snapshot" else reader()
    try:
        news = taker.take(json.dumps(message).encode())
    except WireError:
        return
    if news is not None:
        assert all(isinstance(mac, Mac) for mac in news.own or ())
        assert all(told.mac is None or isinstance(told.mac, Mac) for told in news.told)


@given(st.integers(1, 60))
def test_truncated_message_is_refused(cut: int) -> None:
    """A line that lost its end is not taken for a shorter one."""
    line = wire.delta(6, [Told("203.0.113.1", MAC, "reachable")]).rstrip()
    with pytest.raises(WireError):
        reader().take(line[: -min(cut, len(line) - 1)])


def test_too_many_entries_are_refused() -> None:
    """A delta has a bound of its own."""
    told = [Told(f"10.0.{n >> 8}.{n & 255}", MAC, "reachable") for n in range(wire.DELTA_ENTRIES + 1)]
    with pytest.raises(WireError, match="at most"):
        reader().take(wire.delta(6, told))


def test_deep_nesting_is_refused() -> None:
    """A message that would exhaust the stack is refused as any other nonsense."""
    with pytest.raises(WireError):
        reader().take(b"[" * 60_000)


def test_largest_snapshot_fits() -> None:
    """Settings may name as many next hops as a snapshot may hold."""
    from netorch.agent.mirror.settings import MAX_NEXT_HOPS

    told = [Told(f"2001:db8:cccc:cccc:cccc:cccc:cccc:{n:x}", MAC, "reachable") for n in range(MAX_NEXT_HOPS)]
    own = [Mac(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(wire.MAX_OWN_MACS)]
    line = wire.snapshot(0, "sw1.pop1", own=own, told=told)
    assert len(line) < wire.MAX_FROM_FEED
    news = FeedReader("sw1.pop1").take(line)
    assert news is not None
    assert len(news.told) == MAX_NEXT_HOPS


def test_refusal_of_many_named_macs_fits() -> None:
    """However many MACs a circuit names: a forged one must not end the connection of every host."""
    named = frozenset(Mac(f"02:aa:00:00:00:{number:02x}") for number in range(100))
    refusal = refusal_of(Mac("02:bb:00:00:00:01"), frozenset(), expected=named)
    assert "and 96 more" in refusal
    told = [Told("203.0.113.1", None, "reachable", refusal)]
    news = FeedReader("sw1.pop1").take(snapshot(*told))
    assert news is not None
    assert news.told == tuple(told)
