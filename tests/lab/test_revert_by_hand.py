"""What breaks at night: daemons killed, cables pulled, devices off while others were changed; and what comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netorch.lab import restart_node, set_link, start_node, stop_node
from netorch.model.types import Family
from tests.lab.deployed_pop import bgp_states, host_of, kernel_routes
from tests.lab.drained_pop import quick_drains
from tests.lab.labs import Lab
from tests.lab.operator_shell import cron_environment
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab, wait_until_exact
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

MEADOW = {"meadow_4_v4", "meadow_4_v6"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    files = quick_drains(quick_example())
    del files["pops/pop2.yml"]
    with quick_lab(tmp_path_factory.mktemp("night"), files, name="night") as up:
        up.deploy("pop1")
        wait_until_exact(up.lab)
        yield up


def closed(lab: Lab, switch: str) -> set[str]:
    """The switch's sessions that are not Established."""
    return {name for name, state in bgp_states(lab, switch).items() if state != "Established"}


def kill_bird(lab: Lab, node: str) -> None:
    """As a crash would; returns once the supervisor has started another."""
    (old,) = lab.run(node, "pidof", "bird").split()
    lab.run(node, "kill", "-9", old)
    wait_until(
        lambda: lab.sh(node, "pidof bird || true").split() not in ([], [old]), timeout_s=20, what="another BIRD runs"
    )
    wait_until(lambda: "is up" in lab.sh(node, "birdc show status || true"), timeout_s=20, what="it answers")


def test_a_crashed_daemon_comes_back_alone(quick: QuickLab) -> None:
    """BIRD of a switch is killed: its sessions and every host's tables are back by themselves, and run is silent."""
    kill_bird(quick.lab, "sw1.pop1")
    wait_until(lambda: not closed(quick.lab, "sw1.pop1"), timeout_s=30, what="every session is up again")
    wait_until_exact(quick.lab)
    said = quick.project("run", "pop1", environment=cron_environment())
    assert (said.out, said.err) == ("", "")


def test_a_cut_uplink_moves_a_host(quick: QuickLab) -> None:
    """While an uplink is cut the host has no route over it; plugged in again its tables are exact without any command."""
    lab = quick.lab
    set_link("h2.pop1", "eth0", lab.settings, connected=False)
    try:
        fabric = host_of(lab.inventory, "h2.pop1").uplinks[0].switch
        lost = {
            str(addresses.neighbor)
            for circuit in lab.inventory.circuits
            if circuit.switch == fabric
            for addresses in (circuit.ipv4, circuit.ipv6)
            if addresses is not None
        }

        def uses_it() -> bool:
            return any(
                hops & lost
                for family in Family
                for table in ("main", "1001", "1003")
                for hops in kernel_routes(lab, "h2.pop1", family, table, proto="bird").values()
            )

        wait_until(lambda: not uses_it(), timeout_s=10, what="no route over the cut uplink")
        assert kernel_routes(lab, "h2.pop1", Family.IPV4, "1001", proto="bird"), "the provider's other circuit is there"
        assert quick.project("run", "pop1", environment=cron_environment()).out == ""
    finally:
        set_link("h2.pop1", "eth0", lab.settings, connected=True)
    wait_until_exact(lab)


def test_a_drain_outlives_crash_reboot_and_absence(quick: QuickLab) -> None:
    """A switch that crashes or reboots keeps its sessions drained; one that was off learns of the drain from any run."""
    lab, project = quick.lab, quick.project
    stop_node("sw2.pop1", lab.settings)
    failed = project("drain", "meadow", "--wait", "0s", "--keep-session", code=3)
    assert failed.err.startswith("sw2.pop1: ")
    start_node("sw2.pop1", lab.settings)
    said = project("run", "pop1", environment=cron_environment())
    assert "+ overlay drain/provider/meadow@pop1 version 1, in force" in said.out
    wait_until(lambda: not closed(lab, "sw2.pop1"), timeout_s=30, what="every session is up again")

    project("drain", "meadow", "--wait", "0s")
    assert closed(lab, "sw1.pop1") == MEADOW
    kill_bird(lab, "sw1.pop1")
    wait_until(lambda: closed(lab, "sw1.pop1") == MEADOW, timeout_s=30, what="all but the drained are up again")
    restart_node("sw1.pop1", lab.settings)
    project("run", "pop1", environment=cron_environment())
    wait_until(lambda: closed(lab, "sw1.pop1") == MEADOW, timeout_s=30, what="all but the drained are up again")
    (row,) = project("drains", "-o", "json").document[0]["rows"]
    assert (row["name"], row["stage"]) == ("meadow", "closed")
    project("undrain", "meadow", "--wait", "0s")
    wait_until_exact(lab)


def test_an_uplink_that_is_down_is_in_no_deploys_way(quick: QuickLab) -> None:
    """Somebody sets a host's uplink down: deploy adds nothing there and takes nothing away, and does the rest. What the
    kernel dropped with the link a run puts back once it is up, since no agent runs here."""
    lab, host = quick.lab, "h2.pop1"
    lab.run(host, "ip", "link", "set", "eth0", "down")
    try:
        lab.run(host, "ip", "rule", "del", "pref", "10001")
        document = quick.project("deploy", host, "--yes", "-o", "json").document
        (row,) = document["results"]
        assert row["outcome"] == "changed", row
        changes = [change["summary"] for plan in document["plans"] for d in plan["devices"] for change in d["changes"]]
        assert len(changes) == 1, changes
        assert quick.project("plan", host, "--detailed-exitcode").out.splitlines()[-1] == "nothing to do"
    finally:
        lab.run(host, "ip", "link", "set", "eth0", "up")
    quick.project("run", "pop1", environment=cron_environment())
    wait_until_exact(lab)
