"""The way back to a stored generation."""

from __future__ import annotations

from dataclasses import replace

from netorch.app.history import rollback_notes
from netorch.intent import desired_items
from netorch.model.facts import Confirmed
from netorch.model.intent import DeviceIntent
from netorch.model.items import ClosedSessionItem, FileItem, Item, Mac, NeighbourItem
from netorch.model.plan import DevicePlan, Plan
from netorch.model.policy import Tolerance
from netorch.model.types import IPAddress
from netorch.plan.bird import read_bgp
from netorch.plan.rollback import intent_of, is_rewritten, keep_closed, plan_rollback
from netorch.render import restamp
from tests.unit.inventory_texts import edited, example
from tests.unit.planned import configuration, planned

POP1 = "pops/pop1.yml"
SWITCH = "sw1.pop1"
NORTHTEL = ("northtel_1_v4", "northtel_1_v6")


def closing(device: DeviceIntent, *names: str) -> DeviceIntent:
    """``device`` with these sessions drained."""
    sessions = (replace(s, enabled=s.name not in names, shutdown_message="works") for s in device.sessions)
    return replace(device, sessions=tuple(sessions))


def switch() -> DeviceIntent:
    """The switch as the inventory wants it."""
    return planned(example(), example(), targets=[SWITCH]).intent.device(SWITCH)


def stored(device: DeviceIntent, text: str | None = None) -> list[Item]:
    """What a device keeps of a generation."""
    file = configuration(device)
    return [*desired_items(device), file if text is None else replace(file, text=text)]


def rollback(then: list[Item], *, closed_now: tuple[str, ...] = (), extra: tuple[Item, ...] = ()):  # type: ignore[no-untyped-def]
    """The plan from the example, deployed, back to ``then``."""
    found = planned(example(), example(), targets=[SWITCH])
    facts = found.facts[SWITCH]
    text = configuration(closing(found.intent.device(SWITCH), *closed_now)).text
    files = tuple(replace(file, text=text) for file in facts.files)
    items = (*facts.items, *extra, *(ClosedSessionItem(name) for name in closed_now))
    facts = replace(facts, files=files, items=items)
    return plan_rollback(facts, then, own_asn=64500, tolerance=Tolerance(), restamp=restamp)


def test_back_to_what_is_there_is_nothing_to_do() -> None:
    """A rollback to the present state has an empty plan."""
    assert rollback(stored(switch())).is_empty


def test_the_old_file_comes_back_as_it_was() -> None:
    """Where no drain began or ended in between, byte for byte, and its sessions are foreseen."""
    old = configuration(switch()).text.replace("hold time 90", "hold time 60")
    plan = rollback(stored(switch(), old))
    (operation,) = plan.operations
    assert isinstance(operation.item, FileItem)
    assert operation.item.text == old
    assert {reset.effect for reset in plan.resets} == {"restart"}
    assert set(plan.check.up) == set(read_bgp(old, own_asn=64500).sessions)


def test_closed_sessions_are_no_other_configuration() -> None:
    """Wherever in the file a rollback or a template closes them, and whoever is closed in what is wanted; anything else is."""
    found = planned(example(), example(), targets=[SWITCH])
    device, facts = found.intent.device(SWITCH), found.facts[SWITCH]
    wanted, plain = configuration(closing(device, "meadow_4_v4")), configuration(device)
    templates = configuration(closing(device, *NORTHTEL))
    rewritten = keep_closed(plain, read_bgp(templates.text, own_asn=64500), own_asn=64500)

    def is_other(text: str) -> bool:
        held = replace(facts, files=tuple(replace(file, text=text) for file in facts.files))
        return is_rewritten(wanted, held, own_asn=64500, restamp=restamp)

    assert rewritten != plain.text
    assert not any(map(is_other, (plain.text, templates.text, rewritten, restamp(rewritten, "bird"))))
    assert is_other(restamp(rewritten.replace("hold time 90", "hold time 60"), "bird"))


def test_announcements_are_judged_by_what_the_old_file_announces() -> None:
    """Its providers' sessions must announce some of that, and nothing more; nothing is known of a file that names none."""
    old = configuration(switch()).text
    providers = {session.name for session in read_bgp(old, own_asn=64500).external}
    check = rollback(stored(switch(), f"{old}# older\n")).check
    assert set(check.announce) == providers
    assert set(check.announce_most) == {(name, 1) for name in providers}
    unnamed = rollback(stored(switch(), old.replace("ANNOUNCED_", "OURS_"))).check
    assert (unnamed.announce, unnamed.announce_most) == ((), ())


def test_a_drain_of_today_stays() -> None:
    """Sessions that are closed now are closed in the old configuration too, which then has a stamp of its own."""
    old = configuration(switch()).text + "# older\n"
    plan = rollback(stored(switch(), old), closed_now=NORTHTEL)
    (operation,) = plan.operations
    assert isinstance(operation.item, FileItem)
    text = operation.item.text
    assert {s.name for s in read_bgp(text, own_asn=64500).sessions.values() if s.closed} == set(NORTHTEL)
    assert text == restamp(text, "bird") != old
    assert plan.resets == ()
    assert plan.check.down == NORTHTEL
    assert not set(plan.check.up) & set(NORTHTEL)


def test_a_drain_of_then_does_not_come_back() -> None:
    """An old configuration made while a provider was drained opens its sessions if they are open now."""
    old = configuration(closing(switch(), *NORTHTEL)).text + "# older\n"
    plan = rollback(stored(closing(switch(), *NORTHTEL), old))
    (operation,) = plan.operations
    assert isinstance(operation.item, FileItem)
    assert not any(s.closed for s in read_bgp(operation.item.text, own_asn=64500).sessions.values())
    assert plan.resets == ()


def test_keep_closed_changes_nothing_else() -> None:
    """Closing and opening again gives the text back; sessions that the device does not have now stay as they were."""
    file = configuration(switch())
    now = read_bgp(configuration(closing(switch(), *NORTHTEL)).text, own_asn=64500)
    once = replace(file, text=keep_closed(file, now, own_asn=64500))
    assert once.text.splitlines().count("    disabled;") == 2
    assert keep_closed(once, read_bgp(file.text, own_asn=64500), own_asn=64500) == file.text
    assert keep_closed(once, read_bgp("", own_asn=64500), own_asn=64500) == once.text


def test_known_neighbours_keep_their_mac() -> None:
    """A port that was replaced since has another MAC address; the old one would lead nowhere."""
    address: IPAddress = switch().sessions[0].neighbor
    old = NeighbourItem("br0", address, Mac("02:00:00:00:00:01"))
    gone = NeighbourItem("br1", address, Mac("02:00:00:00:00:02"))
    now = NeighbourItem("br0", address, Mac("02:00:00:00:00:03"))
    plan = rollback([*stored(switch()), old, gone], extra=(now,))
    assert [(operation.action, operation.item) for operation in plan.operations] == [("add", gone)]


def test_intent_is_that_of_the_old_configuration() -> None:
    """A session that it does not have is not missed afterwards, one that it closes is meant to be closed."""
    text = configuration(closing(switch(), *NORTHTEL)).text
    files = edited(example(), POP1, ("id: 4", "id: 9"))
    renamed = planned(files, files, targets=[SWITCH]).intent.device(SWITCH)
    meant = intent_of(renamed, text, own_asn=64500)
    assert {session.name for session in renamed.sessions} - {session.name for session in meant.sessions} == {
        "meadow_9_v4",
        "meadow_9_v6",
    }
    assert {session.name for session in meant.sessions if not session.enabled} == set(NORTHTEL)


def test_a_plan_tells_whose_rollback_it_takes_back() -> None:
    """Whoever deploys a POP for another reason must not undo somebody's way back without knowing."""
    found = planned(example(), example(), targets=[SWITCH], rewrite=lambda text: f"{text}# newer\n")
    kept = Confirmed(author="bob@noc", reason="rollback to generation 3: flaps")
    facts = {SWITCH: replace(found.facts[SWITCH], confirmed=kept)}
    assert rollback_notes(facts, found.plan) == {
        SWITCH: "bob@noc did a rollback to generation 3: flaps, which this plan ends: has the inventory been put right?"
    }
    assert rollback_notes(facts, Plan((DevicePlan(SWITCH, "base", 4),))) == {}
    assert rollback_notes(found.facts, found.plan) == {}
