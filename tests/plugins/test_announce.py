"""The plugin announce on a small network: what its commands plan, show and refuse."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from netorch.api import (
    ChangeOverlay,
    Deploy,
    Gather,
    GuardRefused,
    Overlay,
    OverlayEntry,
    PrefixExport,
    Protocol,
    Report,
    UsageError,
    merge_overlays,
)
from netorch.loader import bundled_plugins
from netorch.testing import fake_context, fake_facts
from plugins.announce.entries import Place, Wish, new_entry
from plugins.announce.hear import HEARD, lines, will_hear
from tests.plugins.announce_network import HOST, OWN, PART, PLUGIN, SWITCH, announced, exports, inventory, preview, run
from tests.unit.inventory_texts import example, load

DRAIN = next(plugin for plugin in bundled_plugins() if plugin.name == "drain")
FROM_NORTHTEL: dict[str, Any] = {"prefix": OWN, "from": ("northtel",)}
FROM_MEADOW: dict[str, Any] = {"prefix": OWN, "from": ("meadow",)}
FOR_TWO_HOURS: dict[str, Any] = {"prefix": OWN, "prepend": 1, "for": 7200.0}


def test_prepends_and_communities_of_one_provider() -> None:
    """Previewed before anybody is asked; then deployed on the switch alone, and seen to be as previewed."""
    steps, held = run("announce", prefix=OWN, to=("northtel",), prepend=2, community=("no-export",), action=("longer",))
    after = "path 64500 64500 64500, 65535:65281, 64496:1:2"
    assert preview(steps) == {"northtel_1_v4": ("path 64500", after), "meadow_2_v4": ("path 64500", "the same")}
    kinds = [type(step).__name__ for step in steps]
    assert kinds == ["Gather", "Report", "Ask", "ChangeOverlay", "Deploy", "Wait", "Report"]
    assert [step.devices for step in steps if isinstance(step, Deploy)] == [(SWITCH,)]
    assert exports(held, "meadow_2_v4") == ()
    (entry,) = held.active("announce")
    assert (entry.author, entry.devices, entry.until) == ("ann", (SWITCH,), None)


def test_plainly_is_as_the_inventory_has_it() -> None:
    """Announcing without additions ends what was changed, as --as-inventory does."""
    ways: tuple[dict[str, Any], ...] = ({"to": ("northtel",)}, {"as_inventory": True})
    for arguments in ways:
        _, held = run("withdraw", **FROM_NORTHTEL)
        assert exports(held, "northtel_1_v4") == (PrefixExport(ip_network(OWN), withheld=True),)
        _, held = run("announce", overlay=held, prefix=OWN, **arguments)
        assert held.active("announce") == ()
        assert exports(held, "northtel_1_v4") == ()


def test_a_part_is_for_those_it_is_announced_to() -> None:
    """Others withhold it, hosts originate it after the switch lets it in, and withdrawing leaves nothing of it."""
    steps, held = run("announce", prefix=PART, to=("meadow",), yes=True)
    assert preview(steps) == {"northtel_1_v4": ("withheld", "the same"), "meadow_2_v4": ("withheld", "path 64500")}
    assert [step.devices for step in steps if isinstance(step, Deploy)] == [(SWITCH,), (HOST,)]
    intent = fake_context(PLUGIN, inventory(), overlay=held).intent
    assert all(ip_network(PART) in intent.device(name).originated for name in (SWITCH, HOST))
    assert exports(held, "northtel_1_v4") == (PrefixExport(ip_network(PART), withheld=True),)
    assert exports(held, "northtel_1_v6") == ()
    steps, held = run("withdraw", overlay=held, prefix=PART, yes=True)
    assert [step.devices for step in steps if isinstance(step, Deploy)] == [(SWITCH,), (HOST,)]
    assert fake_context(PLUGIN, inventory(), overlay=held).intent == fake_context(PLUGIN, inventory()).intent


def test_a_part_that_is_a_service_address_is_its_owners_alone() -> None:
    """No host tells of another's own address, which would draw its packets there; the one that has it tells of it anyway. A part
    that only holds such addresses is everybody's."""
    plain = fake_context(PLUGIN, load(example())).intent
    for prefix, is_everybodys in (("192.0.2.11/32", False), ("2001:db8:1::11/128", False), ("192.0.2.10/31", True)):
        wish = Wish(Place(ip_network(prefix), "pop1", "northtel"), PrefixExport(ip_network(prefix), prepend=1))
        entry = new_entry(fake_context(PLUGIN, load(example())), wish, reason="", until=None)
        intent = PLUGIN.amend(plain, Overlay((entry,)))
        hosts = intent.in_pop("pop1", "host")
        assert len(hosts) == 3
        assert [ip_network(prefix) in host.originated for host in hosts] == [is_everybodys] * 3
        assert all(ip_network(prefix) in switch.originated for switch in intent.in_pop("pop1", "switch"))
        protocols = [Protocol(s.name, "BGP", bgp_state="Established") for s in intent.device(SWITCH).sessions]
        facts = {SWITCH: fake_facts(SWITCH, protocols=protocols)}
        heard = [line for line in lines(intent, ip_network(prefix), ("pop1",)) if line.session.peer == "northtel"]
        assert will_hear(heard[0], ip_network(prefix), facts, intent=intent).state == HEARD


def test_it_ends_at_its_time_the_same_for_everybody() -> None:
    """Whoever looks after it is over finds the same tombstone; before, nothing."""
    _, held = run("announce", **FOR_TWO_HOURS)
    until = 1_700_000_000.0 + 7200
    assert {entry.until for entry in held.active("announce")} == {until}
    assert PLUGIN.lapse(held, until - 1) == ()
    ended = PLUGIN.lapse(held, until)
    assert ended == PLUGIN.lapse(held, until + 9999)
    assert {(entry.removed, entry.version, entry.created) for entry in ended} == {(True, 2, until)}


def test_a_drain_and_a_change_are_on_one_announcement() -> None:
    """Whichever amends first: the drain's community for all prefixes, prepends and communities of the one."""
    _, held = run("announce", prefix=OWN, to=("northtel",), prepend=1, community=("64496:7",))
    scope = {"kind": "provider", "name": "northtel", "pop": "pop1", "stage": "graceful", "keep_session": True}
    drained = OverlayEntry("drain/provider/northtel@pop1", 1, "drain", (SWITCH,), "bob", 0.0, data=scope)
    both = merge_overlays([held.entries, [drained]])
    plain = fake_context(PLUGIN, inventory()).intent
    intents = DRAIN.amend(PLUGIN.amend(plain, both), both), PLUGIN.amend(DRAIN.amend(plain, both), both)
    for intent in intents:
        policy = intent.device(SWITCH).sessions[0].export_policy
        assert policy is not None
        export = policy.of_prefix(ip_network(OWN))
        assert (export.prepend, set(export.communities)) == (1, {(65535, 0), (64496, 7)})


def test_a_switch_that_is_away_gets_the_change_once_it_is_reached() -> None:
    """Nobody knows what its neighbours hear; the change comes to it all the same, is shown, and counts. What it has that does not
    change stays unknown."""
    context = fake_context(PLUGIN, load(example()))
    options: dict[str, Any] = dict.fromkeys(
        ("as_inventory", "allow_long", "allow_last", "allow_changes", "allow_invalid", "for", "reason", "yes")
    )
    named: dict[str, Any] = {"prefix": "192.0.2.0/24", "pop": "pop1", "to": ("northtel",), "prepend": 1}
    verb = next(verb for verb in PLUGIN.verbs if verb.name == "announce")
    steps = verb.run(context, {**options, **named, "community": (), "action": (), "allow_changes": 1})
    next(steps)
    protocols = [Protocol(s.name, "BGP", bgp_state="Established") for s in context.intent.device(SWITCH).sessions]
    there = replace(fake_facts(SWITCH, protocols=protocols), announced=announced(context.intent))
    report = steps.send({SWITCH: there})
    assert isinstance(report, Report)
    away = {str(row["circuit"]): (row["before"], row["after"]) for row in report.rows if row["switch"] == "sw2.pop1"}
    assert away == {
        "northtel-pop1-b": ("unknown: the switch cannot be reached", "path 64500 64500, once the switch is reached"),
        "southnet-pop1": ("unknown: the switch cannot be reached", "the same"),
    }
    with pytest.raises(GuardRefused, match="2 announcements would change at once"):
        next(steps)


@pytest.mark.parametrize(("verb", "elsewhere"), [("announce", []), ("withdraw", [("sw1.pop2",)])])
def test_other_pops_are_asked_where_it_is_taken_from_somebody(verb: str, elsewhere: list[tuple[str, ...]]) -> None:
    """Whether they go on to announce it; a switch there that is away is no concern of anything else."""
    context = fake_context(PLUGIN, load(example()))
    options: dict[str, Any] = {"as_inventory": False, "prepend": 1, "community": (), "action": (), "to": (), "from": ()}
    options.update(dict.fromkeys(("allow_long", "allow_last", "allow_changes", "for", "reason", "yes")))
    steps = next(one for one in PLUGIN.verbs if one.name == verb).run(
        context, {**options, "prefix": "192.0.2.0/24", "pop": "pop1"}
    )
    protocols = [Protocol(s.name, "BGP", bgp_state="Established") for s in context.intent.device(SWITCH).sessions]
    facts = {SWITCH: replace(fake_facts(SWITCH, protocols=protocols), announced=announced(context.intent))}
    step: Any = next(steps)
    asked = []
    while isinstance(step, Gather):
        asked.append(step.devices)
        step = steps.send(facts)
    assert asked == [("sw1.pop1", "sw2.pop1"), *elsewhere]


def test_sessions_that_are_down_hear_nothing() -> None:
    """Before and after."""
    steps, _ = run("announce", prefix=OWN, down=("meadow_2_v4",), prepend=1)
    assert preview(steps)["meadow_2_v4"] == ("session down", "the same")


def test_list_says_who_why_and_what_is_not_as_intended() -> None:
    """Rows of every session and prefix, from devices; what was changed has its entry."""
    _, held = run("announce", prefix=OWN, to=("meadow",), prepend=1, reason="too full")
    steps, _ = run("announcements", overlay=held, rpki="not-found")
    report, changes = steps[-2:]
    assert isinstance(report, Report)
    assert isinstance(changes, Report)
    rows = {(row["session"], row["prefix"]): row for row in report.rows}
    assert len(rows) == 3
    changed = rows["meadow_2_v4", OWN]
    assert (changed["hears"], changed["reason"], changed["author"]) == ("path 64500 64500", "too full", "ann")
    assert (changed["rpki"], rows["northtel_1_v6", "2001:db8:1::/48"]["rpki"]) == ("not-found", None)
    assert all(row["as_intended"] for row in rows.values())
    (change,) = changes.rows
    assert (change["provider"], change["change"], change["prepend"]) == ("meadow", "prepend 1", 1)


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("announce", {"prefix": "198.51.100.0/24"}, "outside of our own space"),
        ("announce", {"prefix": "192.0.3.128/25"}, "longer than /24"),
        (
            "announce",
            {"prefix": OWN, "prepend": 1, "allow_changes": 1},
            "2 announcements would change at once .limit 1",
        ),
        (
            "announce",
            {"prefix": OWN, "prepend": 1, "settings": {"max_changes": 1}},
            r"would change at once \(limit 1\)",
        ),
        ("withdraw", {"prefix": OWN}, "no provider would hear 192.0.2.0/23 any more"),
        ("withdraw", {"prefix": OWN, "from": ("northtel",), "down": ("meadow_2_v4",)}, "no provider would hear"),
        ("announce", {"prefix": OWN, "community": ("no-advertise",)}, "no provider would hear"),
        ("announce", {"prefix": OWN, "community": ("no-export",)}, "no provider would hear"),
        ("announce", {"prefix": OWN, "community": ("blackhole",)}, "no provider would hear"),
        (
            "announce",
            {"prefix": OWN, "to": ("meadow",), "community": ("local-AS",), "down": ("northtel_1_v4",)},
            "hear",
        ),
        ("announce", {"prefix": OWN, "community": ("graceful-shutdown",)}, "no provider would hear"),
    ],
)
def test_guards(verb: str, arguments: dict[str, Any], words: str) -> None:
    """Each refuses before anything is changed, and says how to override it."""
    with pytest.raises(GuardRefused, match=words) as refused:
        run(verb, **arguments)
    assert refused.value.hint


def test_overrides_of_guards() -> None:
    """What they name lets the change through."""
    steps, _ = run("withdraw", prefix=OWN, allow_last=True)
    assert {after for _, after in preview(steps).values()} == {"withheld"}
    steps, _ = run("announce", prefix="192.0.3.128/25", allow_long=True, settings={"max_changes": 2})
    assert any(isinstance(step, ChangeOverlay) for step in steps)


def test_invalid_by_rpki_is_refused_where_it_is_new() -> None:
    """What is announced already may be changed; what begins may not."""
    steps, held = run("announce", rpki="invalid", prefix=OWN, prepend=1)
    assert "RPKI: invalid" in next(step.text for step in steps if isinstance(step, Report))
    _, held = run("withdraw", **FROM_MEADOW)
    with pytest.raises(GuardRefused, match="invalid by RPKI"):
        run("announce", overlay=held, rpki="invalid", prefix=OWN)
    steps, _ = run("announce", overlay=held, rpki="invalid", prefix=OWN, allow_invalid=True)
    assert any(isinstance(step, Deploy) for step in steps)


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("announce", {"prefix": "192.0.2.1/23"}, r"found '192.0.2.1/23'"),
        ("announce", {"prefix": "192.0.2.0"}, "with its length"),
        ("announce", {"prefix": "192.0.0.0/16"}, "outside of our own space"),
        ("announce", {"prefix": OWN, "to": ("northtell",)}, "no provider 'northtell'"),
        ("announce", {"prefix": "2001:db8:1::/48", "to": ("meadow",)}, "no provider 'meadow' with an IPv6 session"),
        ("announce", {"prefix": OWN, "pop": "pop9"}, "no POP 'pop9'"),
        ("announce", {"prefix": OWN, "prepend": 11}, "expected 0 to 10"),
        ("announce", {"prefix": OWN, "community": ("70000:1",)}, "found '70000:1'"),
        ("announce", {"prefix": OWN, "community": ("no-exprt",)}, "found 'no-exprt'"),
        ("announce", {"prefix": OWN, "to": ("meadow",), "action": ("longer",)}, "meadow has no action 'longer'"),
        ("announce", {"prefix": OWN, "for": 5.0, "prepend": 1}, "expected 60s or more"),
        ("announce", {"prefix": OWN, "as_inventory": True, "prepend": 1}, "--as-inventory and --prepend"),
        ("withdraw", {"prefix": PART, "for": 3600.0}, "would not come back by itself"),
        ("announce", {"prefix": OWN, "as_inventory": True, "pop": "pop9"}, "no POP 'pop9'"),
        ("announce", {"prefix": OWN, "as_inventory": True, "to": ("nosuch",)}, "no provider 'nosuch'"),
    ],
)
def test_mistakes_of_people(verb: str, arguments: dict[str, Any], words: str) -> None:
    """Found before any device is asked."""
    with pytest.raises((UsageError, GuardRefused), match=words):
        run(verb, **arguments)


def test_entries_of_other_versions_are_left_alone() -> None:
    """What is not understood changes nothing, and ends at its time all the same."""
    strange = OverlayEntry("announce/x", 1, "announce", (SWITCH,), "ann", 0.0, until=5.0, data={"prefix": 7})
    held = Overlay((strange,))
    assert fake_context(PLUGIN, inventory(), overlay=held).intent == fake_context(PLUGIN, inventory()).intent
    assert [entry.id for entry in PLUGIN.lapse(held, 6.0)] == ["announce/x"]


@pytest.mark.parametrize("settings", [{"max_changes": 0}, {"max_length_ipv4": 33}, {"max_length_ipv6": "48"}])
def test_wrong_settings_are_told(settings: dict[str, Any]) -> None:
    """With what was expected."""
    assert [wrong.message.startswith("expected a whole number from 1 to") for wrong in PLUGIN.mistakes(settings)] == [
        True
    ]
