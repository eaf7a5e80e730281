"""A deployed POP: nothing is left to do, and every command says so, to people and to programs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netorch.lab import set_service
from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, POP, PROVIDERS, SWITCHES, FirstDeploy, behind_all, reconfigurations
from tests.lab.labs import Lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

DEVICES = (*SWITCHES, *HOSTS)
CONFIGURATION = "/etc/bird/bird.conf"

PLAN_KEYS = {"changes_pending", "commit", "devices", "later", "notes"}
PLANNED_DEVICE_KEYS = {"device", "generation", "changes", "resets", "obstacle"}
CHANGE_KEYS = {"action", "kind", "summary", "risk", "cause", "diff"}
RESET_KEYS = {"session", "effect", "reason"}
RESULT_KEYS = {"device", "outcome", "generation", "message", "hint"}
STATUS_DEVICE_KEYS = {
    "device", "pop", "role", "reachable", "error", "daemon", "daemon_version", "daemon_running", "generation", "live_stamp",
    "disk_stamp", "last_reconfiguration", "agent_version", "agents", "pending", "pending_author", "pending_remaining_s",
    "pending_replaced", "undone", "drift", "drift_causes", "drift_state", "sessions", "next_hops", "route_counts", "certificate",
    "moving_macs", "validators", "own_origins", "live_lines", "obstacle",
}  # fmt: skip
SESSION_KEYS = {
    "name", "kind", "protocol", "peer", "circuit", "family", "interface", "neighbor_address", "expected", "state", "bgp_state",
    "since", "last_error", "problem", "routes_imported", "routes_filtered", "routes_exported",
}  # fmt: skip
NEXT_HOP_KEYS = {
    "provider", "circuit", "address", "interface", "switch", "switch_mac", "switch_state", "switch_age_s",
    "host_mac", "host_age_s", "source", "ok", "verdict",
}  # fmt: skip
PING_KEYS = {
    "pop", "host", "provider", "mark", "destination", "family", "protocol", "state", "note", "sent", "received", "loss_percent",
    "min_ms", "median_ms", "p90_ms", "p99_ms", "jitter_ms", "error",
}  # fmt: skip


@pytest.fixture
def drifted(pop: FirstDeploy) -> Iterator[FirstDeploy]:
    """A host without one of its rules and a switch whose configuration was edited by hand; both as before afterwards."""
    pop.lab.run("h1.pop1", "ip", "rule", "del", "pref", "10001")
    pop.lab.sh("sw2.pop1", f"cp -p {CONFIGURATION} /run/right.conf; echo '# by hand' >> {CONFIGURATION}")
    yield pop
    pop.lab.sh("sw2.pop1", f"cp -p /run/right.conf {CONFIGURATION}")
    rule = "pref 10001 fwmark 1001 lookup 1001 protocol 110"
    pop.lab.sh("h1.pop1", f"ip rule show pref 10001 | grep -q . || ip rule add {rule}")


def _owned(lab: Lab) -> list[str]:
    """What a deploy would change: files, rules, neighbours, addresses and what the daemon runs."""
    script = f"sha256sum {CONFIGURATION}; ip rule; ip -6 rule; ip neigh show nud permanent | sort; ip -br addr"
    return [f"{lab.sh(node, script)}{reconfigurations(lab, node)}" for node in DEVICES]


# ---- nothing to do -----------------------------------------------------------------------------------------------


def test_nothing_is_pending(pop: FirstDeploy) -> None:
    """After a deploy the plan is empty, says so, and exits 0 even with --detailed-exitcode."""
    said = pop.netorch("plan", POP, "--detailed-exitcode")
    assert said.out.splitlines()[-1] == "nothing to do"


def test_second_deploy_changes_nothing(pop: FirstDeploy) -> None:
    """A second deploy exits 0 without asking, calls every device unchanged, and no daemon loads anything."""
    before = {node: reconfigurations(pop.lab, node) for node in DEVICES}
    assert all(count > 0 for count, _ in before.values()), "the first deploy is in the logs"
    said = pop.netorch("deploy", POP)
    assert [line.split()[:2] for line in said.out.splitlines()] == [
        *([node, "unchanged"] for node in DEVICES),
        ["5", "unchanged"],
    ]
    assert {node: reconfigurations(pop.lab, node) for node in DEVICES} == before


def test_check_and_diff_change_nothing(drifted: FirstDeploy) -> None:
    """--check --diff shows the plan with a unified diff, and leaves files, kernel and daemon alone."""
    before = _owned(drifted.lab)
    said = drifted.netorch("deploy", POP, "--check", "--diff")
    lines = [line.strip() for line in said.out.splitlines()]
    assert "+ rule ipv4 priority 10001 fwmark 1001 lookup 1001 [removed by hand]" in lines
    start = lines.index(f"~ file {CONFIGURATION} [edited by hand]")
    assert lines[start + 1 : start + 3] == ["--- device", "+++ inventory"]
    assert lines[start + 3].startswith("@@ -")
    assert "-# by hand" in lines[start + 4 :]
    assert _owned(drifted.lab) == before
    drifted.netorch("plan", POP, "--detailed-exitcode", code=2)


def test_deploy_asks_a_person(drifted: FirstDeploy) -> None:
    """Without --yes and without a terminal nothing is changed: the exit code is that of a usage error, with a hint."""
    before = _owned(drifted.lab)
    said = drifted.netorch("deploy", POP, code=64)
    assert "--yes" in said.err
    assert _owned(drifted.lab) == before


def test_a_person_may_say_no(drifted: FirstDeploy) -> None:
    """At a terminal the question names what would change; after a no nothing is changed, and the exit code is 1."""
    before = _owned(drifted.lab)
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, b"n\n")
        said = drifted.netorch.finish(drifted.netorch.start("deploy", POP, stdin=terminal), timeout_s=30)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert "Change 2 devices" in said.out
    assert (said.code, said.err) == (1, "nothing was changed\n")
    assert _owned(drifted.lab) == before


def test_limit_narrows(drifted: FirstDeploy) -> None:
    """With --limit only the device that is named is deployed; the rest stays as it is."""
    said = drifted.netorch("deploy", POP, "--yes", "--limit", "h1.pop1")
    device, total = said.out.splitlines()[-2:]
    assert (device.split()[:2], total) == (["h1.pop1", "changed"], "1 changed")
    plan = drifted.netorch("plan", POP, "-o", "json").document
    assert [device["device"] for device in plan["devices"] if device["changes"]] == ["sw2.pop1"]


def test_limit_takes_groups(pop: FirstDeploy) -> None:
    """--limit understands what TARGET does, and a selection without a device is a usage error."""
    plan = pop.netorch("plan", POP, "--limit", "role:switch", "--limit", "!sw2.pop1", "-o", "json").document
    assert [device["device"] for device in plan["devices"]] == ["sw1.pop1"]
    assert "no device" in pop.netorch("plan", POP, "--limit", "h1.pop2", code=64).err


# ---- documents for programs --------------------------------------------------------------------------------------


def test_plan_document(drifted: FirstDeploy) -> None:
    """The plan as JSON has the documented keys, whether a device changes or not."""
    document = drifted.netorch("plan", POP, "-o", "json").document
    assert document.keys() == {*PLAN_KEYS, "failures", "refused"}
    assert document["changes_pending"] is True
    assert [device["device"] for device in document["devices"]] == list(DEVICES)
    changes = {device["device"]: device["changes"] for device in document["devices"]}
    assert {key for device in document["devices"] for key in device} == PLANNED_DEVICE_KEYS
    assert [change["kind"] for change in changes["h1.pop1"]] == ["rule"]
    assert [change["kind"] for change in changes["sw2.pop1"]] == ["file"]
    assert changes["h1.pop1"][0].keys() == changes["sw2.pop1"][0].keys() == CHANGE_KEYS
    assert "-# by hand" in changes["sw2.pop1"][0]["diff"]


def test_document_of_a_first_plan(first_deploy: FirstDeploy) -> None:
    """For a POP without configuration, sessions that will start are listed, each with its reason."""
    document = first_deploy.netorch("plan", "pop2", "-o", "json").document
    resets = [reset for device in document["devices"] for reset in device["resets"]]
    assert {reset["effect"] for reset in resets} == {"start"}
    assert all(reset.keys() == RESET_KEYS for reset in resets)


def test_deploy_document(drifted: FirstDeploy) -> None:
    """A deploy prints one document: plans, a result for each device, and the exit code."""
    document = drifted.netorch("deploy", POP, "--yes", "-o", "json").document
    assert document.keys() == {"plans", "results", "comparison", "certificates", "refused", "interrupted", "exit_code"}
    assert document["exit_code"] == 0
    assert all(plan.keys() == PLAN_KEYS for plan in document["plans"])
    assert all(result.keys() == RESULT_KEYS for result in document["results"])
    outcomes = {result["device"]: result["outcome"] for result in document["results"]}
    assert outcomes == {node: "changed" if node in ("h1.pop1", "sw2.pop1") else "unchanged" for node in DEVICES}


def test_status_document(pop: FirstDeploy) -> None:
    """Status as JSON has the documented keys, and shows a POP in order."""
    document = pop.netorch("status", POP, "-o", "json").document
    assert document.keys() == {"devices", "circuits", "providers", "overlay"}
    assert all(device.keys() == STATUS_DEVICE_KEYS for device in document["devices"])
    assert all(device["certificate"].keys() == {"expires", "left_s", "problem"} for device in document["devices"])
    sessions = [session for device in document["devices"] for session in device["sessions"]]
    assert all(session.keys() == SESSION_KEYS for session in sessions)
    assert {session["bgp_state"] for session in sessions} == {"Established"}
    hops = [hop for device in document["devices"] for hop in device["next_hops"]]
    assert all(hop.keys() == NEXT_HOP_KEYS for hop in hops)
    assert len(hops) == 24
    assert all(hop["host_mac"] == hop["switch_mac"] for hop in hops)
    assert [device["drift"] for device in document["devices"]] == [[]] * 5


def test_status_names_drift(drifted: FirstDeploy) -> None:
    """Drift is shown device by device, in the plan's words, with its cause."""
    drift = [line for line in drifted.netorch("status", POP).out.splitlines() if line.startswith("drift: ")]
    assert drift == [
        f"drift: sw2.pop1: ~ file {CONFIGURATION} [edited by hand]",
        "drift: h1.pop1: + rule ipv4 priority 10001 fwmark 1001 lookup 1001 [removed by hand]",
    ]


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
def test_ping_document(pop: FirstDeploy, family: Family) -> None:
    """Ping gives a row for each host and provider, with times that fit the provider's delay."""
    target = behind_all(pop.lab.inventory, family)
    rows = pop.netorch("ping", target, "--pop", POP, "--count", "10", "-o", "json").document
    assert [(row["host"], row["provider"]) for row in rows] == [(host, name) for host in HOSTS for name in PROVIDERS]
    delays_ms = {speaker.provider: speaker.delay_ms for speaker in pop.lab.inventory.lab}
    for row in rows:
        assert row.keys() == PING_KEYS
        assert row["sent"] == 10
        assert row["received"] > 0
        assert row["error"] is None
        assert delays_ms[row["provider"]] <= row["min_ms"] < delays_ms[row["provider"]] + 15
        assert row["min_ms"] <= row["median_ms"] <= row["p90_ms"] <= row["p99_ms"]


def test_ping_where_nothing_answers(pop: FirstDeploy) -> None:
    """An address without a route fails on every way, with the kernel's words and exit code 1."""
    rows = pop.netorch("ping", "10.99.0.1", "--from", "h1.pop1", "-o", "json", code=1).document
    assert [(row["sent"], row["received"], row["error"]) for row in rows] == [(0, 0, "Network is unreachable")] * 3


def test_ping_through_what_is_left(pop: FirstDeploy) -> None:
    """While a provider is dead its line says so, and does not show the times of another; the exit code stays 0."""
    target = behind_all(pop.lab.inventory, Family.IPV4)
    command = ("ping", target, "--from", "h2.pop1", "--count", "1", "-o", "json")
    set_service("southnet", "bird", pop.lab.settings, running=False)

    def is_lost() -> bool:
        errors = {row["provider"]: row["error"] for row in pop.netorch(*command, code=None).document if row["error"]}
        return errors == {"southnet": "no route through this provider"}

    try:
        wait_until(is_lost, timeout_s=20, what="the table of southnet is empty")
    finally:
        set_service("southnet", "bird", pop.lab.settings, running=True)


# ---- secrets -----------------------------------------------------------------------------------------------------


def test_no_output_holds_a_secret(first_deploy: FirstDeploy) -> None:
    """Plans, diffs, documents, status and rendered files name the password's place and never the password."""
    netorch, lab = first_deploy.netorch, first_deploy.lab
    secret = (lab.settings.state / "secrets/southnet").read_text(encoding="utf-8").strip()
    assert secret in lab.run("sw2.pop1", "cat", CONFIGURATION)
    lab.sh("sw2.pop1", f"sed -i 's/{secret}/another password/' {CONFIGURATION}")
    said = [
        first_deploy.before,
        first_deploy.deploy,
        netorch("plan", POP, "--diff"),
        netorch("plan", POP, "-o", "json"),
        netorch("plan", POP, "-o", "yaml"),
        netorch("status", POP, "-o", "json"),
        netorch("render", POP),
        netorch("deploy", POP, "--yes", "--allow-resets", "2", "--diff", "-o", "json"),
    ]
    assert 'password "(hidden)"' in first_deploy.before.out
    assert "(only a secret changes)" in said[2].out
    for each in (*said, *netorch.said):
        for password in (secret, "another password"):
            assert password not in each.out + each.err, each.arguments
    assert secret in lab.run("sw2.pop1", "cat", CONFIGURATION)
