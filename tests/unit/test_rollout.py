"""In which batches devices are changed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.errors import UsageError
from netorch.model.intent import DeviceIntent, Intent
from netorch.plan.rollout import DEFAULT_SIZES, BatchSize, batches, parse_sizes

SIZES = st.lists(
    st.one_of(
        st.integers(1, 40).map(BatchSize),
        st.integers(1, 100).map(lambda percent: BatchSize(percent, is_percent=True)),
    ),
    min_size=1,
    max_size=4,
).map(tuple)


def network(*pops: tuple[int, int]) -> Intent:
    """A network of POPs with so many switches and hosts each."""
    devices = []
    for number, (switches, hosts) in enumerate(pops, start=1):
        pop = f"pop{number}"
        names = [(f"sw{at}.{pop}", "switch") for at in range(switches)] + [
            (f"h{at}.{pop}", "host") for at in range(hosts)
        ]
        devices += [
            DeviceIntent(name, pop, role, "bird", "2.0.12", 64500, "10.0.0.1", (), (), (), (), ())
            for name, role in names
        ]
    return Intent(64500, tuple(devices))


NETWORKS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), min_size=1, max_size=4).map(
    lambda pops: network(*pops)
)


@given(NETWORKS, SIZES, st.data())
def test_rules_of_every_rollout(intent: Intent, sizes: tuple[BatchSize, ...], data: st.DataObject) -> None:
    """Each chosen device once; one POP after the other; switches alone and before hosts; hosts within their sizes."""
    names = [device.name for device in intent.devices]
    chosen = data.draw(st.sets(st.sampled_from(names)))
    found = batches(intent, chosen, sizes=sizes)
    flat = [name for batch in found for name in batch]
    assert sorted(flat) == sorted(chosen)
    assert flat == [name for name in names if name in chosen], "POP by POP, switches before hosts"
    assert all(len({intent.device(name).pop for name in batch}) == 1 for batch in found)
    roles = [{intent.device(name).role for name in batch} for batch in found]
    assert all(len(batch) == 1 for batch, role in zip(found, roles, strict=True) if role == {"switch"})
    hosts = [batch for batch, role in zip(found, roles, strict=True) if role == {"host"}]
    assert len(hosts) + roles.count({"switch"}) == len(found), "never a switch and a host together"
    total = sum(map(len, hosts))
    for at, batch in enumerate(hosts):
        assert 1 <= len(batch) <= sizes[min(at, len(sizes) - 1)].of(total)


@given(NETWORKS, SIZES)
def test_a_batch_is_never_split_without_need(intent: Intent, sizes: tuple[BatchSize, ...]) -> None:
    """Hosts that fit into a batch of their POP go with it: two batches of hosts of one POP are two because of the size."""
    found = batches(intent, [device.name for device in intent.devices], sizes=sizes)
    hosts = [batch for batch in found if intent.device(batch[0]).role == "host"]
    total = sum(map(len, hosts))
    for at, (batch, following) in enumerate(pairwise(hosts)):
        if intent.device(batch[0]).pop == intent.device(following[0]).pop:
            assert len(batch) == sizes[min(at, len(sizes) - 1)].of(total)


def test_default_has_one_canary_of_each_role() -> None:
    """Of a POP's hosts one goes first, then a quarter of all, then the rest."""
    intent = network((2, 8), (1, 3))
    found = batches(intent, [device.name for device in intent.devices], sizes=DEFAULT_SIZES)
    assert [len(batch) for batch in found] == [1, 1, 1, 3, 4, 1, 3]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1,25%,100%", DEFAULT_SIZES),
        ("5", (BatchSize(5),)),
        (" 2 , 50% ", (BatchSize(2), BatchSize(50, is_percent=True))),
    ],
)
def test_sizes_as_written(text: str, sizes: tuple[BatchSize, ...]) -> None:
    """Numbers and percentages, blanks around them allowed."""
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "1,,2", "101%", "-1", "many", "1;2", "0%"])
def test_sizes_that_mean_nothing(text: str) -> None:
    """The error names the option and shows how it is written."""
    with pytest.raises(UsageError, match=r"--batch: expected sizes") as raised:
        parse_sizes(text)
    assert "1,25%,100%" in raised.value.hint
