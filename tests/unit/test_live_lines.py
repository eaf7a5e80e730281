"""What somebody typed into FRR is told line by line, and a plan foresees what taking it away does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.app.planning import obstacles, without_obstacles
from netorch.cli.plan_view import file_diff
from netorch.model.facts import (
    Confirmed,
    ConfirmedFile,
    DaemonFacts,
    DeviceFacts,
    FileFact,
    LineChange,
    Obstacle,
    OtherDaemon,
)
from netorch.model.frr_lines import change_rows, differing, lines_of, running_text, without_secrets
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan, Plan, Reset
from netorch.plan import plan_device

PATH = "/etc/frr/frr.conf"
FILE = """! rendered by netorch; do not edit
hostname sw1
router bgp 64500
 neighbor 10.1.1.11 remote-as 64500
 neighbor 10.1.1.11 description [h1_v4] h1
 neighbor 10.1.1.11 password hunter2
 !
 address-family ipv4 unicast
  neighbor 10.1.1.11 activate
  neighbor 10.1.1.11 route-reflector-client
 exit-address-family
exit
!
route-map netorch_stamp deny 1
 description abc
exit
"""
WRITTEN = """frr version 8.4.4
hostname sw1
!
route-map netorch_stamp deny 1
 description abc
exit
!
router bgp 64500
 neighbor 10.1.1.11 remote-as 64500
 neighbor 10.1.1.11 description [h1_v4] h1
 neighbor 10.1.1.11 password hunter2
 neighbor 10.1.1.11 timers 5 15
 !
 address-family ipv4 unicast
  neighbor 10.1.1.11 activate
  neighbor 10.1.1.11 route-reflector-client
 exit-address-family
exit
!
end
"""
BGP = ("router bgp 64500",)


def changes(running: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the agent tells of FRR that runs ``running`` where the file is FILE."""
    return tuple((sign, without_secrets(said)) for sign, said in differing(lines_of(running), lines_of(FILE)))


def device(running: str = FILE, *, disk: str = FILE, stamp: str = "abc") -> DeviceFacts:
    """A device whose last generation is FILE."""
    typed = tuple(LineChange(sign, said) for sign, said in changes(running))
    live = f"{stamp} changed by hand" if typed else stamp
    held = Confirmed((ConfirmedFile(PATH, "0", "abc"),))
    daemon = DaemonFacts("frr", "8.4.4", True, live, "abc", live_lines=typed)
    sha256 = "0" if disk == FILE else "1"
    return DeviceFacts("sw1.pop1", "1", "base", 1, daemon, (FileFact(PATH, sha256, 0o640, disk),), confirmed=held)


def planned(facts: DeviceFacts) -> DevicePlan:
    """The plan that brings FILE back."""
    return plan_device([FileItem(PATH, FILE, group="frr", daemon="frr")], facts)


def test_order_and_form_do_not_count() -> None:
    """What FRR writes of the same lines is the same."""
    same = WRITTEN.replace(" neighbor 10.1.1.11 timers 5 15\n", "")
    assert differing(lines_of(same), lines_of(FILE)) == ()


@pytest.mark.parametrize(
    ("find", "typed", "shown"),
    [
        (" !\n", " neighbor 10.1.1.11 timers 5 15\n !\n", [" router bgp 64500", "- neighbor 10.1.1.11 timers 5 15"]),
        (
            "  neighbor 10.1.1.11 route-reflector-client\n",
            "",
            [" router bgp 64500", "  address-family ipv4 unicast", "+  neighbor 10.1.1.11 route-reflector-client"],
        ),
        (
            " password hunter2",
            " password swordfish",
            [" router bgp 64500", "- neighbor 10.1.1.11 password ...", "+ neighbor 10.1.1.11 password ..."],
        ),
        ("exit\n!\n", "exit\n!\nip route 1.0.0.0/24 blackhole\n", ["-ip route 1.0.0.0/24 blackhole"]),
        (
            "exit\n!\n",
            "exit\n!\nrouter rip\n network eth0\n passive-interface lan0\nexit\n",
            ["-router rip", "- network eth0", "- passive-interface lan0"],
        ),
    ],
)
def test_lines_are_told_under_their_sections(find: str, typed: str, shown: list[str]) -> None:
    """Each line that was typed or taken away, with what it stands in; no secret."""
    running = FILE.replace(find, typed, 1)
    assert running != FILE
    assert change_rows(changes(running)) == shown
    (operation,) = planned(device(running)).operations
    rows = file_diff(operation, str, planned(device(running)))
    assert rows == ["--- what frr runs", f"+++ {PATH}", *shown]


def test_running_text_is_what_was_typed_into_the_file() -> None:
    """The file with the changes has the lines that run, secrets that changed aside."""
    running = WRITTEN.replace("  neighbor 10.1.1.11 route-reflector-client\n", "")
    assert set(lines_of(running_text(FILE, changes(running)))) == set(lines_of(running))


@pytest.mark.parametrize(
    ("find", "typed", "resets"),
    [
        (" !\n", " neighbor 10.1.1.11 timers 5 15\n !\n", []),
        (" password hunter2", " password swordfish", [Reset("h1_v4", "restart", "changed: password")]),
        (" neighbor 10.1.1.11 password hunter2\n", "", [Reset("h1_v4", "restart", "changed: password")]),
        (
            " !\n",
            " neighbor 10.1.1.12 remote-as 64500\n !\n",
            [Reset("10.1.1.12", "close", "not in the new configuration")],
        ),
        (" neighbor 10.1.1.11 remote-as 64500\n", "", [Reset("h1_v4", "start", "new")]),
        (" description [h1_v4] h1", " description somebody was here", []),
    ],
)
def test_resets_are_foreseen_from_what_runs(find: str, typed: str, resets: list[Reset]) -> None:
    """Not from the file on disk, which is right."""
    assert list(planned(device(FILE.replace(find, typed, 1))).resets) == resets


def test_a_file_that_frr_wrote_is_compared_by_its_lines() -> None:
    """Somebody typed ``write``: the file has another form and order, of which nothing is shown."""
    plan = planned(device(disk=WRITTEN))
    (operation,) = plan.operations
    assert operation.cause == "edited by hand"
    shown = [" router bgp 64500", "- neighbor 10.1.1.11 timers 5 15"]
    assert file_diff(operation, str, plan) == ["--- device, as frr has written it", "+++ inventory", *shown]


def test_a_file_that_frr_wrote_without_a_change() -> None:
    """The same lines: said in words."""
    plan = planned(device(disk=WRITTEN.replace(" neighbor 10.1.1.11 timers 5 15\n", "")))
    (operation,) = plan.operations
    assert file_diff(operation, str, plan) == ["(frr has written it anew: the same lines in a form of its own)"]


@pytest.mark.parametrize(
    "line",
    [
        "neighbor 10.1.1.11 password hunter2",
        "ip ospf message-digest-key 1 md5 hunter2",
        "ip ospf authentication-key hunter2",
        "ip rip authentication string hunter2",
        "key-string hunter2",
        "enable password 8 hunter2",
        "ipv6 ospf6 authentication key-id 1 hash-algo md5 key hunter2",
    ],
)
def test_no_secret_is_shown(line: str) -> None:
    """Whatever introduces a secret in what FRR shows."""
    assert "hunter2" not in " ".join(without_secrets((*BGP, line)))


def stopped(**members: object) -> DeviceFacts:
    """The device while its FRR does not run."""
    held = device()
    return replace(held, daemon=replace(held.daemon, running=False, live_stamp=None, live_lines=None, **members))


def test_a_dead_daemon_starts_its_sessions() -> None:
    """The file is right, but nothing runs: the plan says that its sessions start."""
    assert planned(stopped()).resets == (Reset("h1_v4", "start", "frr does not run"),)


def test_another_daemons_sessions_are_named() -> None:
    """BIRD has to make room for FRR: what both have restarts, what BIRD alone has closes."""
    other = OtherDaemon("bird", ("h1_v4", "h2_v4"))
    assert planned(stopped(other=other)).resets == (
        Reset("h1_v4", "restart", "bird has it, frr will"),
        Reset("h2_v4", "close", "bird has it, and has to end"),
    )


def test_a_device_that_would_refuse_fails_alone() -> None:
    """What is in its way is told, and the others are changed."""
    met = planned(stopped(obstacle=Obstacle("BIRD runs here", "end it")))
    plan = Plan((met, DevicePlan("h1.pop1", "", 1)))
    assert {name: (error.message, error.hint) for name, error in obstacles(plan).items()} == {
        "sw1.pop1": ("BIRD runs here", "end it")
    }
    rest, failures = without_obstacles(plan, {})
    assert [one.device for one in rest.devices] == ["h1.pop1"]
    assert list(failures) == ["sw1.pop1"]


def test_an_obstacle_is_none_where_nothing_is_written() -> None:
    """A device that is as it should be has nothing to refuse."""
    held = device()
    held = replace(held, daemon=replace(held.daemon, obstacle=Obstacle("NVUE writes it")))
    assert planned(held).obstacle is None
