"""What a rehearsal concludes from two observations of a twin."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from netorch.model.observation import Finding, Heard, HostTable, Observation, Probe, SessionState, Trial, WatchedSession
from netorch.model.types import Family
from netorch.plan.rehearsal import exit_code, judge, moves

OWN = ip_network("192.0.2.0/24")
FOREIGN = ip_network("1.2.3.0/24")
OURS, THEIRS = ("sw1.pop1", "northtel_1_v4"), ("northtel", "circuit1_4")
SESSION = WatchedSession("sw1.pop1 - northtel-pop1-a ipv4", (OURS, THEIRS))
UP = SessionState(True, "2026-01-01 10:00:00.000")
LATER = SessionState(True, "2026-01-01 10:00:09.000")
DOWN = SessionState(False, "2026-01-01 10:00:09.000")
HEARD = Heard("northtel", 1, OWN, ("64500",))
LEAKED = Heard("northtel", 1, FOREIGN, ("64500", "64498", "7"))
TABLE = HostTable("h1.pop1", Family.IPV4, {FOREIGN: ("northtel",)})
PROBE = Probe("h1.pop1", "1.2.3.7", "northtel", sent=1000, lost=0, longest_gap_ms=0.0)
CALM = Observation({OURS: UP, THEIRS: UP}, (HEARD,), (TABLE,), {OWN: ("northtel", ("64496", "64500"))})


def judged(after: Observation = CALM, before: Observation = CALM, **given: Any) -> tuple[Finding, ...]:
    """The findings, of a POP that may announce ``OWN`` alone."""
    known = {"sessions": (SESSION,), "allowed": {OWN}, "probes": (PROBE,), "trial": Trial(), "asn": 64500, **given}
    return judge(before, after, **known)


def only(findings: tuple[Finding, ...]) -> Finding:
    """The one finding that there is."""
    assert len(findings) == 1, findings
    return findings[0]


def test_same_state_is_nothing_to_report() -> None:
    """Nothing differs and nothing is lost: no finding, exit code 0."""
    assert judged() == ()
    assert exit_code(()) == 0


def test_foreign_prefix_at_a_provider_is_a_leak() -> None:
    """A prefix that may not be announced and was not: refused, with how the provider hears it."""
    found = only(judged(replace(CALM, heard=(HEARD, LEAKED))))
    assert (found.subject, found.guard) == ("northtel", "leak")
    assert found.examples == ("1.2.3.0/24 path 64500 64498 7",)
    assert exit_code((found,)) == 7


def test_own_address_at_a_provider_is_a_leak() -> None:
    """A host's single address is ours and still not to be announced."""
    single = Heard("northtel", 1, ip_network("192.0.2.11/32"), ("64500",))
    assert only(judged(replace(CALM, heard=(HEARD, single)))).guard == "leak"


def test_old_leak_is_only_told() -> None:
    """What leaks today already is no fault of the change; that it ends is worth knowing too."""
    leaking = replace(CALM, heard=(HEARD, LEAKED))
    assert (only(judged(leaking, leaking)).kind, only(judged(leaking, leaking)).guard) == ("leaks-already", "")
    assert (only(judged(CALM, leaking)).kind, only(judged(CALM, leaking)).guard) == ("leak-ends", "")


def test_own_prefix_that_a_provider_no_longer_hears_vanishes() -> None:
    """Refused at that provider, whether the candidate still means to announce it or not."""
    gone = replace(CALM, heard=())
    assert (only(judged(gone)).subject, only(judged(gone)).guard) == ("northtel", "vanish")
    assert only(judged(gone, allowed=set())).guard == "vanish"


def test_prefix_on_another_circuit_of_the_provider_has_not_vanished() -> None:
    """A provider with two circuits that hears a prefix on one of them still hears it."""
    both = replace(CALM, heard=(HEARD, replace(HEARD, circuit=2)))
    assert judged(CALM, both) == ()


def test_prefix_that_nobody_on_the_internet_reaches_vanishes() -> None:
    """Providers may hear it and pass nothing on."""
    found = only(judged(replace(CALM, inbound={})))
    assert (found.subject, found.guard) == ("Internet", "vanish")


def test_other_way_in_is_worth_knowing() -> None:
    """The Internet's choice of provider is told, before and after."""
    found = only(judged(replace(CALM, inbound={OWN: ("meadow", ("64498", "64500"))})))
    assert found.guard == ""
    assert found.message == "192.0.2.0/24 comes in through meadow, path 64498 64500 (was northtel, path 64496 64500)"


def test_prepends_and_communities_are_worth_knowing() -> None:
    """A prefix that is heard with other attributes is told with both."""
    prepended = replace(HEARD, as_path=("64500", "64500"), communities=("65535:0",))
    found = only(judged(replace(CALM, heard=(prepended,))))
    assert found.guard == ""
    assert found.message == "hears 192.0.2.0/24 otherwise: path 64500 64500 communities 65535:0 (was path 64500)"


def test_new_prefix_appears() -> None:
    """An own prefix that a provider did not hear before is worth knowing."""
    assert only(judged(CALM, replace(CALM, heard=()))).kind == "appear"


def test_session_that_is_younger_than_before_has_reset() -> None:
    """Up at both times, but since later: refused, with who saw it and what the plan had said."""
    after = replace(CALM, sessions={OURS: LATER, THEIRS: LATER})
    foreseen = Trial(foreseen={OURS: "restart, changed: hold time"})
    found = only(judged(after, trial=foreseen))
    assert found.guard == "resets"
    assert found.message == ("resets, as seen by sw1.pop1 and northtel; the plan says so: restart, changed: hold time")
    assert "the plan does not foresee it" in only(judged(after)).message


def test_reset_that_one_end_has_seen_is_a_reset() -> None:
    """One end is enough, and named."""
    found = only(judged(replace(CALM, sessions={OURS: UP, THEIRS: LATER})))
    assert "as seen by northtel;" in found.message


def test_session_that_stays_down_is_refused() -> None:
    """Up before, not after."""
    assert only(judged(replace(CALM, sessions={OURS: DOWN, THEIRS: DOWN}))).guard == "session-down"


def test_session_that_comes_up_is_worth_knowing() -> None:
    """Down before, up after."""
    before = replace(CALM, sessions={OURS: DOWN, THEIRS: DOWN})
    assert (only(judged(CALM, before)).kind, only(judged(CALM, before)).guard) == ("session-up", "")


def test_reset_that_did_not_happen_is_told() -> None:
    """The plan warns of more than happens: worth knowing, not refused."""
    found = only(judged(trial=Trial(foreseen={OURS: "restart, changed: x"})))
    assert (found.kind, found.guard) == ("unseen", "")


def test_routes_that_move_are_counted_per_provider() -> None:
    """Counts before and after, how many moved, and examples; not refused."""
    table = HostTable("h1.pop1", Family.IPV4, {FOREIGN: ("meadow", "northtel")})
    after = replace(CALM, tables=(table,))
    moved = moves(CALM, after)[0]
    assert (moved.before, moved.after, moved.moved) == ({"northtel": 1}, {"meadow+northtel": 1}, 1)
    assert moved.examples == ("1.2.3.0/24 northtel -> meadow+northtel",)
    assert only(judged(after)).guard == ""


def test_lost_routes_are_refused() -> None:
    """A destination that a host can no longer reach."""
    found = only(judged(replace(CALM, tables=(replace(TABLE, providers={}),))))
    assert (found.subject, found.guard) == ("h1.pop1 ipv4", "lost-routes")
    assert found.examples == ("1.2.3.0/24 northtel -> nowhere",)


def test_silence_is_refused_and_single_losses_are_told() -> None:
    """A quarter of a second in a row is an outage; a packet here and there may be the machine's."""
    outage = replace(PROBE, lost=40, longest_gap_ms=600.0)
    single = replace(PROBE, lost=1, longest_gap_ms=15.0)
    assert only(judged(probes=(outage,))).guard == "packet-loss"
    assert only(judged(probes=(single,))).guard == ""


def test_probe_without_an_answer_before_accuses_nobody() -> None:
    """It lost everything, and says nothing about the change."""
    found = only(judged(probes=(replace(PROBE, lost=1000, longest_gap_ms=9000.0, answered=False),)))
    assert (found.kind, found.guard) == ("no-answer", "")


def test_failed_deploy_and_guards_are_refused() -> None:
    """What deploy itself would refuse, or revert, comes first."""
    refusal = Finding("guard", "pop1", "deploy refuses: too much", "removals")
    trial = Trial(failures=(("sw1.pop1", "the deploy would end with 'reverted': x"),), refusals=(refusal,))
    found = judged(replace(CALM, inbound={OWN: ("meadow", ("1",))}), trial=trial)
    assert [finding.guard for finding in found] == ["removals", "deploy", ""]
