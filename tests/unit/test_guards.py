"""Plans that are too dangerous are refused, each with what was found, the limit and the override."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from netorch.model.intent import DeviceIntent, Intent, Session
from netorch.model.plan import Check
from netorch.model.policy import Guards
from netorch.plan.guards import GUARDS, Allowances, Refusal, find_refusals, relaxed
from tests.unit.inventory_texts import edited, example
from tests.unit.planned import Planned, planned

POP1, POP2 = "pops/pop1.yml", "pops/pop2.yml"
CIRCUITS = {1: "northtel-pop1-a", 2: "northtel-pop1-b", 3: "southnet-pop1", 4: "meadow-pop1"}


def without(files: Mapping[str, str], *circuits: int) -> dict[str, str]:
    """The example's first POP without these circuits."""
    text = files[POP1]
    for number in circuits:
        begin = text.index(f"  - id: {number}\n")
        end = min(text.find(mark, begin + 1) for mark in ("  - id: ", "# Announced") if text.find(mark, begin + 1) > 0)
        text = text[:begin] + text[end:]
    return {**files, POP1: text}


def refused(found: Planned, allowed: Allowances | None = None, **limits: float) -> list[Refusal]:
    """What the guards say of it."""
    return list(
        find_refusals(found.intent, found.facts, found.plan, limits=Guards(**limits), allowed=allowed or Allowances())
    )


def only(found: list[Refusal]) -> Refusal:
    """The one refusal."""
    (refusal,) = found
    return refusal


def closing(*providers: str) -> Callable[[Intent], Intent]:
    """What a drain makes of an intent: sessions with these providers are closed in the first POP."""

    def amend(intent: Intent) -> Intent:
        def close(device: DeviceIntent, session: Session) -> Session:
            mine = device.pop == "pop1" and session.kind == "provider" and session.peer in providers
            return replace(session, enabled=False, shutdown_message="drained") if mine else session

        return intent.with_sessions(close)

    return amend


# ---- what passes -------------------------------------------------------------------------------------------------


def test_a_network_as_it_should_be_is_not_refused() -> None:
    """Nothing to do, nothing to refuse."""
    found = planned(example(), example())
    assert found.plan.is_empty
    assert refused(found) == []


def test_a_first_deploy_is_not_refused() -> None:
    """Devices that have no configuration yet lose nothing."""
    found = planned(example(), example(), is_first=True)
    assert len(found.plan.devices[0].resets) == 10
    assert refused(found) == []


def test_one_circuit_may_be_removed() -> None:
    """A quarter of the POP's sessions is within the limit; closing by removal asks for no other override."""
    assert refused(planned(example(), without(example(), 3))) == []


# ---- last --------------------------------------------------------------------------------------------------------


def test_last_provider() -> None:
    """No family may lose its last Established provider session."""
    down = [(d, s) for d, s in (("sw1.pop1", "meadow_4_v6"), ("sw2.pop1", "southnet_3_v6"))]
    found = planned(example(), example(), down=down, amend=closing("northtel"))
    refusal = only(refused(found))
    assert (refusal.guard, refusal.where) == ("last", "pop1")
    assert refusal.finding == "the plan closes every provider session for IPv6"
    assert "--allow-last" in refusal.hint
    assert refused(found, Allowances(frozenset({"last"}))) == []


def test_a_switch_without_facts_is_no_provider() -> None:
    """What cannot be asked is not counted on."""
    found = planned(example(), example(), targets=["sw1.pop1"], amend=closing("northtel", "meadow"))
    facts = {name: facts for name, facts in found.facts.items() if name != "sw2.pop1"}
    assert {r.guard for r in refused(Planned(found.intent, facts, found.plan), capacity_percent=0)} == {"last"}
    assert refused(found, capacity_percent=0) == []


def test_last_switch() -> None:
    """Hosts keep a switch that they have a session with."""
    files = example()
    for host in ("h1", "h2", "h3"):
        at = files[POP1].index(f"  - name: {host}")
        line = next(line for line in files[POP1][at:].splitlines(keepends=True) if "switch: sw1" in line)
        files = {**files, POP1: files[POP1][:at] + files[POP1][at:].replace(line, "", 1)}
    sw2_down = [("sw2.pop1", f"h{n}_v{v}") for n in (1, 2, 3) for v in (4, 6)]
    found = planned(example(), files, down=sw2_down, targets=["sw1.pop1"])
    assert [(r.guard, r.finding) for r in refused(found)] == [
        ("last", "the plan leaves no switch that hosts have a session with")
    ]
    assert refused(planned(example(), files, targets=["sw1.pop1"])) == []


# ---- removals ----------------------------------------------------------------------------------------------------


def test_too_many_sessions_removed() -> None:
    """Three of four circuits: six of eight sessions, and the limit of half is four."""
    found = planned(example(), without(example(), 1, 2, 3))
    by_guard = {refusal.guard: refusal for refusal in refused(found)}
    assert by_guard["removals"].finding == "the plan removes 6 of 8 provider sessions (limit 4)"
    assert by_guard["removals"].hint.endswith("--allow-removals 6")
    assert refused(found, Allowances(removals=6)) == []
    assert {r.guard for r in refused(found, Allowances(removals=5))} == {"removals"}


def test_limit_is_the_inventorys() -> None:
    """A network that allows less is refused earlier."""
    found = planned(example(), without(example(), 3))
    assert only(refused(found, removals_percent=10)).finding.endswith("2 of 8 provider sessions (limit 0)")


def test_too_many_prefixes_removed() -> None:
    """Both of a POP's prefixes at once, and then nothing is left to announce either."""

    def announce_nothing(intent: Intent) -> Intent:
        return intent.with_devices(lambda d: replace(d, originated=()) if d.pop == "pop1" else d)

    found = planned(example(), example(), amend=announce_nothing)
    findings = {(r.guard, r.finding) for r in refused(found)}
    assert findings == {
        ("removals", "the plan stops announcing 2 of 2 own prefixes (limit 1): 192.0.2.0/24, 2001:db8:1::/48"),
        ("no-export", "the plan leaves no IPv4 prefix to announce, 192.0.2.0/24 before"),
        ("no-export", "the plan leaves no IPv6 prefix to announce, 2001:db8:1::/48 before"),
    }
    assert refused(found, Allowances(frozenset({"no-export"}), removals=2)) == []


# ---- empty -------------------------------------------------------------------------------------------------------


def test_a_device_that_loses_everything() -> None:
    """A switch whose new configuration has no session at all; an empty POP file would do that to all of them."""
    strip = "\n".join
    found = planned(
        example(),
        edited(example(), POP1, ("Northtel NT-100231", "another")),
        targets=["sw1.pop1"],
        rewrite=lambda text: strip(text[: text.index("filter northtel_1_v4_in")].splitlines()) + "\n",
    )
    findings = {r.guard: r for r in refused(found)}
    assert findings["empty"].where == "sw1.pop1"
    assert findings["empty"].finding == "the plan closes all of its 10 Established sessions"
    assert "--allow-empty" in findings["empty"].hint


# ---- unfiltered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("import filter northtel_1_v4_in;", "import all;"),
        ("import filter northtel_1_v4_in;", ""),
        ("import filter northtel_1_v4_in;", "import where true;"),
        ("import filter northtel_1_v4_in;", "import filter { accept; };"),
    ],
)
def test_an_import_without_filter(find: str, put: str) -> None:
    """However a template lets everything in, the session is named."""
    found = planned(example(), example(), rewrite=lambda text: text.replace(find, put))
    refusal = only(refused(found))
    assert (refusal.guard, refusal.where) == ("unfiltered", "sw1.pop1")
    assert refusal.finding == "the new configuration has no import filter for northtel_1_v4"
    assert "--allow-unfiltered" in refusal.hint
    assert refused(found, Allowances(frozenset({"unfiltered"}))) == []


@pytest.mark.parametrize("put", ["export all;", "export where true;", "export filter { accept; };"])
def test_an_export_without_filter(put: str) -> None:
    """A template that tells a provider whatever there is, other providers' routes included, is a leak."""
    rewritten = planned(example(), example(), rewrite=lambda t: t.replace("export filter northtel_1_v4_out;", put))
    refusal = only(refused(rewritten))
    assert (refusal.guard, refusal.where) == ("unfiltered", "sw1.pop1")
    assert refusal.finding == "the new configuration has no export filter for northtel_1_v4"


def test_a_filter_that_lost_its_body() -> None:
    """A filter whose only statement is ``accept`` filters nothing."""

    def gut(text: str) -> str:
        begin = text.find("filter northtel_1_v4_in\n{")
        end = text.find("\n}", begin)
        return text if begin < 0 else text[:begin] + "filter northtel_1_v4_in\n{\n    accept;" + text[end:]

    assert only(refused(planned(example(), example(), rewrite=gut))).guard == "unfiltered"


def test_sessions_inside_the_network_need_no_filter() -> None:
    """Hosts take what their reflectors send: a change of theirs is not refused."""
    assert refused(planned(example(), example(), rewrite=lambda text: text + "\n# changed\n")) == []


# ---- no-export, resets, capacity ---------------------------------------------------------------------------------


def test_devices_do_not_ask_for_announcements_that_may_go() -> None:
    """With the override a session may fall silent, or announce what is not ours; every other check stays."""
    plan = planned(example(), example()).plan
    check = Check(up=("north",), announce=("north",), announce_most=(("north", 1),))
    asked = replace(plan, devices=tuple(replace(device, check=check) for device in plan.devices))
    assert relaxed(asked, Allowances()) == asked
    for guard, left in (("no-export", replace(check, announce=())), ("unfiltered", replace(check, announce_most=()))):
        relaxed_plan = relaxed(asked, Allowances(frozenset({guard})))
        assert {device.check for device in relaxed_plan.devices} == {left}


def test_a_session_that_would_announce_nothing() -> None:
    """``export none`` on a session that announces today."""
    found = planned(example(), example(), rewrite=lambda t: t.replace("export filter meadow_4_v4_out;", "export none;"))
    refusal = only(refused(found))
    assert (refusal.guard, refusal.where) == ("no-export", "sw1.pop1")
    assert refusal.finding == "the new configuration announces nothing to meadow_4_v4"


def test_restarts_that_nobody_asked_for() -> None:
    """A changed timer restarts Established sessions; one that is down counts for nothing."""
    found = planned(
        example(),
        example(),
        targets=["sw2.pop1"],
        down=[("sw2.pop1", "southnet_3_v6")],
        rewrite=lambda text: text.replace("hold time 90", "hold time 60"),
    )
    refusal = only(refused(found))
    assert refusal.guard == "resets"
    assert refusal.finding.startswith("the plan restarts 3 Established provider sessions (limit 0): ")
    assert "southnet_3_v6" not in refusal.finding
    assert "--allow-resets 3" in refusal.hint
    assert refused(found, Allowances(resets=3)) == []
    assert refused(found, Allowances(resets=None)) == []
    assert [r.guard for r in refused(found, Allowances(resets=2))] == ["resets"]


def test_capacity_floor() -> None:
    """Both northtel circuits and southnet closed leave 40 of 340 Gbit/s."""
    found = planned(example(), example(), amend=closing("northtel", "southnet"))
    refusal = only(refused(found))
    assert refusal.guard == "capacity"
    assert refusal.finding.endswith("12 % of the circuits' capacity are left (limit 25 %)")
    assert "--allow-capacity" in refusal.hint
    assert refused(found, capacity_percent=10) == []


def test_capacity_that_was_lost_before_blames_nobody() -> None:
    """A plan that closes nothing is not refused because circuits are down."""
    down = [("sw1.pop1", f"northtel_1_v{v}") for v in (4, 6)] + [
        ("sw2.pop1", f"{name}_v{v}") for name in ("northtel_2", "southnet_3") for v in (4, 6)
    ]
    assert refused(planned(example(), example(), down=down, rewrite=lambda text: text + "\n# changed\n")) == []


def test_every_guard_has_been_seen() -> None:
    """The overrides of the command line are those of the guards."""
    assert GUARDS == ("last", "empty", "removals", "capacity", "unfiltered", "no-export", "resets")
