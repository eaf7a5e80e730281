"""What ``netorch run`` leaves alone, and what it says of it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from netorch.api import Overlay, OverlayEntry, OverlayItem, Plugin
from netorch.app.running import RunResult, reconcile
from netorch.model.facts import DeviceFacts, FileFact
from netorch.model.inventory import Window
from netorch.model.plan import Plan
from netorch.model.request import Answer, DecideRequest, Generation
from netorch.model.state import Protocol
from netorch.testing import FakeClock, small_inventory
from tests.unit.agents import Agent, controller_of

SWITCH, HOST = "sw1.pop1", "h1.pop1"


def run(agents: Mapping[str, Agent], **changes: object) -> tuple[RunResult, list[Plan]]:
    """A run on the small network, and the plans that it showed."""
    controller = replace(controller_of(lambda name: agents[name]), **changes)  # type: ignore[arg-type]
    shown: list[Plan] = []
    return reconcile(controller, (SWITCH, HOST), shown.append), shown


def outcomes(result: RunResult) -> dict[str, str]:
    """Outcome by device."""
    return {one.device: one.outcome for one in result.deployed.results}


def test_drift_is_put_right() -> None:
    """Devices whose configuration is missing get it."""
    agents = {SWITCH: Agent(), HOST: Agent()}
    result, shown = run(agents)
    assert outcomes(result) == {SWITCH: "changed", HOST: "changed"}
    assert [device.device for device in shown[0].devices] == [SWITCH, HOST]
    assert result.exit_code == 0
    assert not result.is_quiet


@dataclass
class Keeping(Agent):
    """A device that keeps the overlay that it is given."""

    def confirm(self, request: DecideRequest) -> Answer:
        assert self.applied is not None
        items = [operation.item for operation in self.applied.operations]
        self.overlay = tuple(item.entry for item in items if isinstance(item, OverlayItem)) or self.overlay
        return super().confirm(request)


def test_what_is_past_its_time_ends_in_one_run() -> None:
    """An entry that takes its leave in two steps: both are carried out, and the next run finds nothing of it to do."""

    def lapse(overlay: Overlay, now: float) -> tuple[OverlayEntry, ...]:
        return tuple(
            replace(entry, version=entry.version + 1, removed=entry.reason == "leaving", reason="leaving")
            for entry in overlay.active("lease")
        )

    switch = Keeping(overlay=(OverlayEntry("lease/x", 1, "lease", (SWITCH,), "ann", 1.0, until=2.0),))
    agents = {SWITCH: switch, HOST: Agent()}
    result, _ = run(agents, plugins=(Plugin("lease", "ends by itself", lapse=lapse),))
    assert outcomes(result)[SWITCH] == "changed"
    assert [(entry.version, entry.removed) for entry in switch.overlay] == [(3, True)]
    assert not result.is_quiet


def test_what_was_never_deployed_is_not_deployed_at_night() -> None:
    """Generation 0 is told with the command that deploys it; the others are put right, and the exit code says that not all is
    as it should be."""
    agents = {SWITCH: Agent(), HOST: Agent(generation_now=0)}
    result, shown = run(agents)
    assert outcomes(result) == {SWITCH: "changed", HOST: "skipped"}
    (new,) = (one for one in result.deployed.results if one.device == HOST)
    assert (new.message, new.hint) == ("was never deployed", "netorch deploy h1.pop1")
    assert "apply" not in agents[HOST].asked
    assert [device.device for device in shown[0].devices] == [SWITCH]
    assert result.exit_code == 3


def test_a_rollback_holds() -> None:
    """What a person went back to is not undone by the next run."""
    kept = (Generation(7, "id", "ann@noc", 0.0, reason="rollback to generation 5: flaps"),)
    agents = {SWITCH: Agent(kept=kept), HOST: Agent(kept=(Generation(6, "id", "ann@noc", 0.0, reason="CHG"),))}
    result, _ = run(agents)
    assert outcomes(result) == {SWITCH: "skipped", HOST: "changed"}
    held = result.deployed.results[0]
    assert held.message == "left as it is, since ann@noc did a rollback to generation 5: flaps"
    assert "netorch deploy sw1.pop1" in held.hint


def test_a_newer_inventorys_deploy_is_not_brought_back(tmp_path: Path) -> None:
    """Somebody deployed from a commit that this copy does not have yet: told, counted as not done, and left as it is; what was
    made from an older one is looked after."""

    def git(*command: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.net", "-c", "commit.gpgsign=false")
        argv = ["git", "-C", str(tmp_path), *identity, *command]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    commits = []
    for name in ("older", "own", "newer"):
        git("commit", "-q", "--allow-empty", "-m", name)
        commits.append(git("rev-parse", "HEAD"))
    older, own, newer = commits
    agents = {
        SWITCH: Agent(kept=(Generation(7, "id", "ann@noc", 0.0, commit=newer),)),
        HOST: Agent(kept=(Generation(6, "id", "ann@noc", 0.0, commit=older),)),
    }
    result, shown = run(agents, inventory=replace(small_inventory(), folder=str(tmp_path), commit=own))
    assert outcomes(result) == {SWITCH: "skipped", HOST: "changed"}
    assert [device.device for device in shown[0].devices] == [HOST]
    held = result.deployed.results[0]
    made = f"generation 7 by ann@noc is made from commit {newer[:12]}"
    assert held.message == f"left as it is, since {made}, which is not in the history of this inventory"
    assert "git pull" in held.hint
    assert result.exit_code == 3
    result, _ = run(agents, inventory=replace(small_inventory(), folder="/nowhere", commit=own))
    assert outcomes(result) == {SWITCH: "changed", HOST: "changed"}


def test_devices_in_maintenance_are_not_even_named() -> None:
    """A device's own window, or the POP's: no question beyond the overlay, no change, no word."""
    now = FakeClock().now()
    window = Window(now - 60, now + 60)
    inventory = small_inventory()
    (pop,) = inventory.pops
    resting = replace(pop, hosts=(replace(pop.hosts[0], maintenance=(window,)),))
    agents = {SWITCH: Agent(), HOST: Agent()}
    result, _ = run(agents, inventory=replace(inventory, pops=(resting,)))
    assert outcomes(result) == {SWITCH: "changed"}
    assert agents[HOST].asked == []
    result, shown = run(agents, inventory=replace(inventory, pops=(replace(pop, maintenance=(window,)),)))
    assert (outcomes(result), shown, result.exit_code, result.is_quiet) == ({}, [], 0, True)


def test_a_window_that_is_over_counts_for_nothing() -> None:
    """Then everything is looked after again."""
    now = FakeClock().now()
    inventory = small_inventory()
    (pop,) = inventory.pops
    over = replace(pop, maintenance=(Window(now - 120, now - 60),))
    result, _ = run({SWITCH: Agent(), HOST: Agent()}, inventory=replace(inventory, pops=(over,)))
    assert outcomes(result) == {SWITCH: "changed", HOST: "changed"}


def test_a_guard_cannot_be_overridden_and_holds_its_pop_alone() -> None:
    """The plan of that POP is not carried out; what the guard said and where to look is told; exit code 7."""

    def with_a_foreign_session(facts: DeviceFacts) -> DeviceFacts:
        text = "protocol bgp old_v4 {\n  neighbor 203.0.113.1 as 64496;\n  ipv4 { import where net.len < 25; export all; };\n}\n"
        daemon = replace(facts.daemon, protocols=(Protocol("old_v4", "BGP", bgp_state="Established"),))
        return replace(facts, daemon=daemon, files=(FileFact("/etc/bird/bird.conf", "0", 0o640, text),))

    agents = {SWITCH: Agent(reports=with_a_foreign_session), HOST: Agent()}
    result, shown = run(agents)
    assert outcomes(result) == {SWITCH: "refused", HOST: "refused"}
    refused = result.deployed.results[0]
    assert "refused (removals): the plan removes 1 of 1 provider sessions (limit 0)" in refused.message
    assert "netorch deploy" in refused.hint
    assert (result.deployed.results[1].message, result.deployed.results[1].hint) == (f"as {SWITCH}", "")
    assert (shown, result.exit_code) == ([], 7)
    assert all("apply" not in agent.asked for agent in agents.values())


def test_late_runs_say_so() -> None:
    """When the time is up before anything could be asked, the exit code is 1."""
    result, _ = run({SWITCH: Agent(), HOST: Agent()}, ends_at=0.0)
    assert result.is_late
    assert result.exit_code == 1
