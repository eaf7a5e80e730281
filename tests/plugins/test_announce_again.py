"""Announcements that are asked for again, were interrupted, or meet another's, on a small network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netorch.api import Ask, Deploy, Gather, GuardRefused, Overlay, Report, merge_overlays
from netorch.testing import fake_context, fake_facts
from tests.plugins.announce_network import HOST, OWN, PART, PLUGIN, SWITCH, inventory, run

FROM_NORTHTEL: dict[str, Any] = {"prefix": OWN, "from": ("northtel",)}
FROM_MEADOW: dict[str, Any] = {"prefix": OWN, "from": ("meadow",)}


def test_nobody_is_asked_with_yes() -> None:
    """And doing it twice changes nothing."""
    steps, held = run("announce", prefix=OWN, prepend=1, yes=True)
    assert not any(isinstance(step, Ask) for step in steps)
    again, _ = run("announce", overlay=held, prefix=OWN, prepend=1, yes=True)
    assert again == (Gather((SWITCH,), wants=()), Report(text=f"{OWN}: nothing to change", changed=False))


def test_a_switch_that_is_behind_is_brought_there() -> None:
    """The same command again, after it was interrupted among switches, goes on with those that have not heard of it."""
    _, held = run("announce", prefix=OWN, prepend=1)
    steps, _ = run("announce", overlay=held, is_behind=True, prefix=OWN, prepend=1)
    assert [step.devices for step in steps if isinstance(step, Deploy)] == [(SWITCH,)]
    assert steps[-1] == Report(text=f"{OWN}: nothing to change; now on {SWITCH} as well", changed=True)


@pytest.mark.parametrize("ways", [("announce",), ("announce", "withdraw"), ("announce", "as-inventory")])
def test_hosts_that_were_not_reached_get_a_part_by_the_same_command(ways: tuple[str, ...]) -> None:
    """Interrupted between switches and hosts: every switch has the entry, and still the hosts are brought to it, and named."""
    wanted: dict[str, Any] = {"prefix": PART, "yes": True}
    held, verb = Overlay(), ""
    more: dict[str, Any] = {}
    for way in ways:
        verb = "announce" if way == "as-inventory" else way
        more = {"as_inventory": True} if way == "as-inventory" else {}
        _, held = run(verb, overlay=held, **wanted, **more)
    chosen = next(one for one in PLUGIN.verbs if one.name == verb)
    context = fake_context(PLUGIN, inventory(), overlay=held)
    options: dict[str, Any] = {
        "as_inventory": False,
        "prepend": None,
        "community": (),
        "action": (),
        "to": (),
        "from": (),
    }
    options.update(dict.fromkeys(("pop", "allow_long", "allow_last", "allow_changes", "for", "reason")))
    steps = chosen.run(context, {**options, **wanted, **more})
    there = {SWITCH: replace(fake_facts(SWITCH), overlay=held.kept_by(SWITCH)), HOST: fake_facts(HOST)}
    assert next(steps) == Gather((SWITCH, HOST), wants=())
    deploy = steps.send(there)
    assert isinstance(deploy, Deploy)
    assert deploy.devices == (HOST,)
    assert steps.send(()) == Gather((HOST,), wants=())
    after = {HOST: replace(there[HOST], generation=2)}
    assert steps.send(after) == Report(text=f"{PART}: nothing to change; now on {HOST} as well", changed=True)


def test_another_reason_is_a_change() -> None:
    """It is kept with the entry, and nobody hears anything else; without one the former stays."""
    _, held = run("announce", prefix=OWN, prepend=1, reason="too full")
    _, held = run("announce", overlay=held, prefix=OWN, prepend=1, reason="they asked for it")
    assert {(entry.reason, entry.version) for entry in held.active("announce")} == {("they asked for it", 2)}
    steps, held = run("announce", overlay=held, prefix=OWN, prepend=1)
    assert steps == (Gather((SWITCH,), wants=()), Report(text=f"{OWN}: nothing to change", changed=False))
    assert {entry.reason for entry in held.active("announce")} == {"they asked for it"}


def meanwhile(held: Overlay) -> Any:
    """What a command begins with that finds ``held`` where there was nothing at its beginning."""
    context = fake_context(PLUGIN, inventory())

    def intended(entries: Any) -> Any:
        return fake_context(PLUGIN, inventory(), overlay=merge_overlays([held.entries, entries])).intent

    return replace(context, overlay=held, intent=intended(()), intended=intended)


def test_what_another_withholds_meanwhile_is_no_way_left() -> None:
    """Two who begin at the same moment, each counting on the other's provider: the second is refused."""
    _, held = run("withdraw", **FROM_MEADOW)
    steps, _ = run("withdraw", **FROM_NORTHTEL)
    (judge,) = (step.judge for step in steps if isinstance(step, Deploy))
    with pytest.raises(GuardRefused, match="no provider would hear"):
        judge(meanwhile(held))


def test_what_takes_nothing_away_is_not_blamed_for_others() -> None:
    """What is gone meanwhile is theirs; and who else announces it was not asked."""
    _, held = run("withdraw", **FROM_MEADOW)
    steps, _ = run("announce", prefix=OWN, to=("northtel",), prepend=1, down=("northtel_1_v4",))
    (judge,) = (step.judge for step in steps if isinstance(step, Deploy))
    judge(meanwhile(held))


@pytest.mark.parametrize(
    ("verb", "arguments", "expected"),
    [
        ("announce", {"as_inventory": False}, f"netorch announce {OWN} --pop pop1 --as-inventory"),
        ("withdraw", {}, f"netorch announce {OWN} --pop pop1 --as-inventory"),
        ("announce", {"as_inventory": True}, ""),
    ],
)
def test_the_way_back_is_a_command(verb: str, arguments: dict[str, Any], expected: str) -> None:
    """Whoever interrupts it is told what to type; what takes back has none."""
    chosen = next(one for one in PLUGIN.verbs if one.name == verb)
    assert chosen.back({"prefix": OWN, "pop": "pop1", **arguments}) == expected
