"""A POP whose switch and one of whose hosts run FRR, deployed, drained, broken and put back like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from netorch.agent.frr_text import stamp_of
from netorch.lab import set_service
from tests.lab.drained_pop import quick_drains
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Target
from tests.lab.faults.listening import MARK, ProcessList, files_of_device
from tests.lab.labs import ROOT
from tests.lab.matrix.pop import moments, restarted
from tests.lab.quick_lab import Project, QuickLab, only_pop2, quick_lab
from tests.lab.stopping import go_on
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SWITCH, HOST, BIRD_HOST = "sw1.pop2", "h1.pop2", "h2.pop2"
FORCED = ("--yes", "--allow-resets", "4")
MEADOW = ("meadow_6_v4", "meadow_6_v6")
SECRET = "secrets/meadow"
REPLACES = "--v6-rr-semantics"
STARTED_WITHOUT = f"zebra was started without {REPLACES}, which /etc/frr/daemons asks for"


def files() -> dict[str, str]:
    """The second POP: FRR 8.4.4 on the switch, 10.3 on a host, BIRD on the other; a password with one of the providers."""
    pop, texts = "pops/pop2.yml", quick_drains(only_pop2())
    texts = edited(texts, pop, ("  - name: sw1\n", "  - name: sw1\n    daemon: frr\n    version: 8.4.4\n"))
    texts = edited(texts, pop, ("  - name: h1\n", "  - name: h1\n    daemon: frr\n    version: '10.3'\n"))
    private = "description: Meadow private peering\n"
    return edited(texts, pop, (private, f"{private}    password: file:../.lab/{SECRET}\n"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("frr"), files(), name="frr") as up:
        up.deploy("pop2")
        wait_until(lambda: all_up(up), timeout_s=40, what="every session is up")
        yield up


@pytest.fixture
def checkout(quick: QuickLab, tmp_path: Path) -> Project:
    """The operator's own copy of the inventory, to break."""
    return quick.project.copy(tmp_path / "checkout")


@pytest.fixture
def untouched(quick: QuickLab) -> Iterator[QuickLab]:
    """The test must leave the switch with the configuration, sessions and programs that it found."""
    before = look(quick)
    yield quick
    wait_until(lambda: look(quick) == before, timeout_s=60, what=f"the switch is as before: {before}")
    assert not planned(quick)


def planned(quick: QuickLab) -> list[object]:
    """What a deploy would change."""
    return [change for d in quick.project("plan", "pop2", "-o", "json").document["devices"] for change in d["changes"]]


def devices(quick: QuickLab) -> dict[str, Mapping[str, Any]]:
    """What status says, by device."""
    found = quick.project("status", "pop2", "--interval", "0.1", "-o", "json", code=None).document["devices"]
    return {device["device"]: device for device in found}


def sessions(quick: QuickLab, device: str) -> dict[str, Mapping[str, Any]]:
    """What status says of a device's sessions, by name."""
    return {session["name"]: session for session in devices(quick)[device]["sessions"]}


def all_up(quick: QuickLab) -> bool:
    """Whether every session of every device is established, and hosts have what both families of both providers bring."""
    found = [session for device in devices(quick).values() for session in device["sessions"]]
    return all(one["state"] == "up" and one["routes_imported"] >= (40 if one["circuit"] else 2) for one in found)


def look(quick: QuickLab) -> tuple[object, ...]:
    """The switch: what is live and on disk, its programs, its sessions' states."""
    device = devices(quick)[SWITCH]
    states = {session["name"]: session["state"] for session in device["sessions"]}
    return device["live_stamp"], device["disk_stamp"], device["drift"], programs(quick), states


def programs(quick: QuickLab) -> set[str]:
    """What of FRR runs on the switch."""
    return set(quick.lab.run(SWITCH, "vtysh", "-c", "show daemons").split())


def zebra(quick: QuickLab, device: str) -> tuple[str, list[str]]:
    """The process of zebra on ``device``, and the words that it was started with; none of them while it does not run."""
    script = "pid=$(cat /run/frr/zebra.pid); echo $pid; tr '\\0' '\\n' </proc/$pid/cmdline || true"
    pid, *words = quick.lab.sh(device, script).split()
    return pid, words


def start_frr_anew(quick: QuickLab) -> None:
    """End all of FRR on the switch, and return once it is back, with every session."""
    ended = "while [ -e /proc/$pid ]; do sleep 0.1; done"
    quick.lab.sh(SWITCH, f"pids=$(cat /run/frr/*.pid); kill $pids; for pid in $pids; do {ended}; done")
    wait_until(lambda: zebra(quick, SWITCH)[1] and all_up(quick), timeout_s=60, what="every session is up again")


def test_first_deploy_starts_frr_as_its_file_says(quick: QuickLab) -> None:
    """The package starts zebra without that option, and nobody's traffic hung on it yet."""
    assert all(REPLACES in zebra(quick, name)[1] for name in (SWITCH, HOST))
    assert STARTED_WITHOUT not in quick.project("check", "pop2", code=None).out


def test_frr_in_use_is_not_started_anew(quick: QuickLab) -> None:
    """A switch that runs what an earlier netorch wrote: the deploy puts the file right, leaves routes and sessions alone, and
    tells what is to be done; so does ``check``, until it is."""
    lab, project = quick.lab, quick.project
    lab.sh(SWITCH, f"sed -i 's/ {REPLACES}//' /etc/frr/daemons")
    start_frr_anew(quick)
    (process, words), before = zebra(quick, SWITCH), moments(quick, "pop2")
    assert REPLACES not in words
    said = project("deploy", SWITCH, "--yes")
    assert STARTED_WITHOUT in said.out + said.err
    assert (zebra(quick, SWITCH)[0], restarted(before, moments(quick, "pop2"))) == (process, [])
    warned = project("check", "pop2", code=1).out
    assert f"{SWITCH}: {STARTED_WITHOUT}" in warned
    assert f"drain {SWITCH}, start frr anew, check it, then undrain it" in warned
    start_frr_anew(quick)
    assert REPLACES in zebra(quick, SWITCH)[1]
    assert STARTED_WITHOUT not in project("check", "pop2", code=None).out


def test_second_deploy_does_nothing(quick: QuickLab) -> None:
    """Nothing is planned, applied or confirmed, and no session of any device restarts."""
    before, generations = (
        moments(quick, "pop2"),
        {name: device["generation"] for name, device in devices(quick).items()},
    )
    said = quick.project("deploy", "pop2", "--yes")
    assert "3 unchanged" in said.out
    assert {name: device["generation"] for name, device in devices(quick).items()} == generations
    assert restarted(before, moments(quick, "pop2")) == []


def test_status_is_the_same_for_frr_and_bird(quick: QuickLab) -> None:
    """Two hosts in the same place, one of each: the same keys, sessions, states and accepted counts; null what is not told."""
    frr, bird = devices(quick)[HOST], devices(quick)[BIRD_HOST]
    assert (frr["daemon"], bird["daemon"]) == ("frr", "bird")
    assert frr.keys() == bird.keys()
    assert [session.keys() for session in frr["sessions"]] == [session.keys() for session in bird["sessions"]]
    told = ("name", "kind", "peer", "family", "expected", "state", "bgp_state", "last_error", "routes_imported")
    shown = [[{key: session[key] for key in told} for session in one["sessions"]] for one in (frr, bird)]
    assert shown[0] == shown[1]
    assert all(session["routes_filtered"] is None for session in frr["sessions"])


def test_drained_provider_comes_back(untouched: QuickLab) -> None:
    """A drain closes both sessions of a provider with a message, is no drift, and ends with them as they were."""
    untouched.project("drain", "northtel", "--reason", 'new "line" | today', "--wait", "1s", timeout_s=120)
    shown = untouched.lab.run(SWITCH, "vtysh", "-c", "show running-config")
    assert shown.count("shutdown message new 'line' / today") == 2
    found = sessions(untouched, SWITCH)
    assert {found[f"northtel_5_{version}"]["state"] for version in ("v4", "v6")} == {"down"}
    assert devices(untouched)[SWITCH]["drift"] == []
    untouched.project("undrain", "northtel", timeout_s=120)
    wait_until(lambda: all_up(untouched), timeout_s=40, what="every session is up again")
    text = untouched.lab.run(SWITCH, "cat", "/etc/frr/frr.conf")
    assert not planned(untouched)
    assert stamp_of(text) == devices(untouched)[SWITCH]["live_stamp"]


def test_wrong_password_is_taken_back_unseen(quick: QuickLab, checkout: Project) -> None:
    """Both sessions of that circuit are named; the former password is live again; neither was ever anybody's to see."""
    before = look(quick)
    (checkout.folder / ".lab" / SECRET).write_text(f"{MARK}notWhatMeadowHas\n")
    with ProcessList() as processes:
        said = checkout("deploy", SWITCH, *FORCED, code=6, timeout_s=120)
    assert all(name in said.out + said.err for name in MEADOW)
    assert "northtel" not in said.out.partition("checks failed")[2]
    assert processes.samples
    assert not processes.found
    open_to, _ = files_of_device(Target(quick.lab, SWITCH))
    assert not open_to
    assert MARK not in said.out + said.err
    wait_until(lambda: all_up(quick), timeout_s=60, what="every session is up again")
    assert look(quick) == before
    log = quick.lab.sh(SWITCH, "ls /var/log/frr 2>/dev/null || true; ls /run/netorch")
    assert "reload" not in log
    assert "frr-" not in log


def test_line_that_frr_refuses_is_named_and_all_is_as_before(untouched: QuickLab, checkout: Project) -> None:
    """One that ``vtysh -C`` finds wrong touches nothing; one that only bgpd refuses takes all others back with it."""
    checkout.override("frr/local-switch.conf.j2", "router bgp 64500\n neighbor 203.0.113.17 passwrd unheard-of\nexit\n")
    said = checkout("deploy", SWITCH, *FORCED, code=1)
    assert "Unknown command" in said.out + said.err
    assert "neighbor 203.0.113.17 passwrd ..." in said.out + said.err
    assert "unheard-of" not in said.out + said.err
    checkout.override("frr/local-switch.conf.j2", "router bgp 64500\n neighbor 9.9.9.9 description nobody\nexit\n")
    said = checkout("deploy", SWITCH, *FORCED, code=6)
    assert "FRR does not take all of the configuration" in said.out + said.err
    assert "neighbor 9.9.9.9 description" in said.out + said.err


def test_what_is_typed_in_vtysh_is_seen_and_put_right(untouched: QuickLab) -> None:
    """A route that somebody adds and a session that somebody closes are drift, which the next deploy ends; a session whose
    description somebody changed is still known by its name."""
    shutdown = ("-c", "router bgp 64500", "-c", "neighbor 203.0.113.17 shutdown")
    route, described = "ip route 10.77.0.0/16 blackhole", "neighbor 203.0.113.21 description somebody was here"
    untouched.lab.run(SWITCH, "vtysh", "-c", "configure terminal", "-c", route, *shutdown, "-c", described)
    device = devices(untouched)[SWITCH]
    assert device["drift_state"] == "edited by hand"
    assert device["live_stamp"] != device["disk_stamp"]
    assert sessions(untouched, SWITCH)["meadow_6_v4"]["state"] == "up"
    assert f"{SWITCH}: frr runs another configuration than its file" in untouched.project("check", SWITCH, code=1).out
    assert any("northtel_5_v4" in line and "closed by hand" in line for line in device["drift"])
    name = "[meadow_6_v4] meadow: Meadow private peering, circuit 6 (meadow-pop2)"
    typed = [
        "-ip route 10.77.0.0/16 blackhole",
        " router bgp 64500",
        "- neighbor 203.0.113.17 shutdown",
        "- neighbor 203.0.113.21 description somebody was here",
        f"+ neighbor 203.0.113.21 description {name}",
    ]
    assert sorted(device["live_lines"]) == sorted(typed)
    said = untouched.project("plan", SWITCH, "--diff").out
    assert [line for line in typed if f"    {line}\n" not in said] == []
    assert "session northtel_5_v4 will start" in said
    untouched.project("deploy", SWITCH, "--yes")
    assert devices(untouched)[SWITCH]["live_lines"] == []
    assert "10.77.0.0/16" not in untouched.lab.run(SWITCH, "vtysh", "-c", "show running-config")
    wait_until(lambda: all_up(untouched), timeout_s=40, what="every session is up again")


@pytest.mark.parametrize("is_loaded", [False, True], ids=["edited", "written-by-vtysh"])
def test_file_that_somebody_changed_is_put_right(untouched: QuickLab, *, is_loaded: bool) -> None:
    """With an editor, which FRR does not notice, or typed and written: the file keeps its stamp, and is another one. The next
    deploy ends it."""
    if is_loaded:
        timers = ("-c", "router bgp 64500", "-c", "timers bgp 10 30", "-c", "end", "-c", "write")
        untouched.lab.run(SWITCH, "vtysh", "-c", "configure terminal", *timers)
    else:
        untouched.lab.sh(SWITCH, "sed -i 's/^ timers bgp 30 90$/ timers bgp 10 30/' /etc/frr/frr.conf")
    assert devices(untouched)[SWITCH]["drift_state"] == "edited by hand"
    untouched.project("deploy", SWITCH, "--yes")
    for command in (("cat", "/etc/frr/frr.conf"), ("vtysh", "-c", "show running-config")):
        assert "\n timers bgp 30 90\n" in untouched.lab.run(SWITCH, *command)


def test_pending_change_that_somebody_replaced_is_told(untouched: QuickLab, checkout: Project) -> None:
    """The file on disk, loaded by hand while a change waits for its confirmation, ends it: status and the deploy tell."""
    checkout.edit("pops/pop2.yml", "description: Meadow private peering", "description: Meadow, to be replaced")
    target = Target(untouched.lab, SWITCH)
    arguments = ("deploy", SWITCH, "--yes", "--confirm-timeout", "120")
    with held_agent(target, "confirm"), checkout.running(*arguments) as process:
        agent = held(target, "confirm")
        load = ("/usr/lib/frr/frr-reload.py", "--reload", "--stdout", "/etc/frr/frr.conf")
        untouched.lab.run(SWITCH, *load, timeout_s=60)
        assert devices(untouched)[SWITCH]["pending_replaced"] is True
        go_on(agent)
        said = checkout.finish(process, timeout_s=120)
    assert said.code == 6, said
    assert "no longer the one that was applied" in said.out + said.err


def test_second_daemon_is_not_started_beside_the_first(untouched: QuickLab, checkout: Project) -> None:
    """A switch that the inventory gives to BIRD while FRR runs on it: FRR and what it holds stay as they are."""
    checkout.edit("pops/pop2.yml", "    daemon: frr\n    version: 8.4.4\n", "")
    seen = checkout("plan", SWITCH, code=1).out
    assert "session northtel_5_v4 will restart: frr has it, bird will" in seen
    assert "will be refused: FRR runs here" in seen
    assert "would be refused: " + SWITCH in checkout("status", SWITCH).out
    said = checkout("deploy", SWITCH, *FORCED, code=1)
    assert "FRR runs here: expected no other routing daemon beside BIRD" in said.out + said.err
    assert "systemctl disable --now frr" in said.out + said.err


def test_vendors_manager_is_foreseen(untouched: QuickLab) -> None:
    """A switch whose FRR belongs to SONiC: the plan of a change and status say that it would be refused, and nothing is begun."""
    lab, project = untouched.lab, untouched.project
    lab.sh(
        SWITCH,
        "mkdir /etc/sonic; echo '{}' > /etc/sonic/config_db.json; vtysh -c 'configure' -c 'ip route 10.79.0.0/16 blackhole'",
    )
    try:
        assert "will be refused: /etc/sonic/config_db.json" in project("plan", SWITCH, code=1).out
        devices_of = project("plan", "pop2", "-o", "json", code=3).document["devices"]  # the others would be done
        assert [one["device"] for one in devices_of if one["obstacle"]] == [SWITCH]
        assert "SONiC writes FRR's configuration" in devices(untouched)[SWITCH]["obstacle"]
        assert "SONiC writes FRR's configuration" in project("deploy", SWITCH, "--yes", code=1).out
    finally:
        lab.sh(SWITCH, "rm -r /etc/sonic; vtysh -c 'configure' -c 'no ip route 10.79.0.0/16 blackhole'")


def test_program_that_is_missing_is_named(untouched: QuickLab) -> None:
    """FRR without its staticd: status and deploy say so and touch nothing."""
    set_service(SWITCH, "staticd", untouched.lab.settings, running=False)
    try:
        assert "FRR lacks staticd" in devices(untouched)[SWITCH]["error"]
        said = untouched.project("deploy", SWITCH, "--yes", code=None)
        assert said.code != 0
        assert "FRR lacks staticd" in said.out + said.err
    finally:
        set_service(SWITCH, "staticd", untouched.lab.settings, running=True)
    wait_until(lambda: devices(untouched)[SWITCH]["error"] is None, timeout_s=30, what="staticd is back")


@pytest.mark.parametrize("path", ["/etc/frr/frr.conf", "/etc/frr/daemons"])
def test_file_that_cannot_be_replaced_is_refused(untouched: QuickLab, checkout: Project, path: str) -> None:
    """One that is mounted by itself, as containers have it: nothing is begun, and the device can be asked as before."""
    checkout.edit("pops/pop2.yml", "description: Meadow private peering", "description: Meadow, not to be")
    checkout.override("frr/daemons.j2", (ROOT / "templates/frr/daemons.j2").read_text() + "ripd=yes\n")
    untouched.lab.run(SWITCH, "mount", "--bind", path, path)
    try:
        said = checkout("deploy", SWITCH, *FORCED, code=1)
        assert f"{path} is a mount of its own" in said.out + said.err
        assert devices(untouched)[SWITCH]["pending"] is None
    finally:
        untouched.lab.run(SWITCH, "umount", "--lazy", path)  # an agent may be writing there


def test_no_room_to_load_from_is_refused(untouched: QuickLab, checkout: Project) -> None:
    """FRR is given a file's lines by way of /run: where that is full, nothing is begun, and no session restarts."""
    checkout.edit("pops/pop2.yml", "description: Meadow private peering", "description: Meadow, without room")
    untouched.lab.run(SWITCH, "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/run/netorch")
    try:
        before = moments(untouched, "pop2")
        said = checkout("deploy", SWITCH, *FORCED, code=1)
        assert "/run/netorch has " in said.out + said.err
        assert "loading needs" in said.out + said.err
        after = moments(untouched, "pop2")
    finally:
        untouched.lab.run(SWITCH, "umount", "--lazy", "/run/netorch")  # an agent may be writing there
    assert restarted(before, after) == []


def test_programs_follow_their_file_and_go_back_with_it(quick: QuickLab, checkout: Project) -> None:
    """A program that is wanted runs before the configuration is loaded; a change that does not stay, or is rolled back, ends it
    again, and what came with it."""
    before = devices(quick)[SWITCH]["live_stamp"]
    checkout.override("frr/daemons.j2", (ROOT / "templates/frr/daemons.j2").read_text() + "ripd=yes\n")
    refused = "router bgp 64500\n neighbor 9.9.9.9 description nobody\nexit\n"
    checkout.override("frr/local-switch.conf.j2", refused)
    checkout("deploy", SWITCH, *FORCED, code=6)
    wait_until(lambda: "ripd" not in programs(quick), timeout_s=20, what="ripd ends again")
    checkout.override("frr/local-switch.conf.j2", "ip route 10.78.0.0/16 blackhole\n")
    checkout("deploy", SWITCH, *FORCED)
    assert "ripd" in programs(quick)
    assert "10.78.0.0/16" in quick.lab.run(SWITCH, "vtysh", "-c", "show running-config")
    quick.project("rollback", SWITCH, "--yes")
    assert "ripd" not in programs(quick)
    assert "10.78.0.0/16" not in quick.lab.run(SWITCH, "vtysh", "-c", "show running-config")
    device = devices(quick)[SWITCH]
    assert device["live_stamp"] == device["disk_stamp"] == before
    assert not planned(quick)
