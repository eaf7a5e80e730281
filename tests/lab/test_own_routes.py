"""Routes of operators' own programs on a deployed POP: in the kernel while they are wanted, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from netorch import program
from netorch.app.running import reconcile
from netorch.cli.options import controller_in
from netorch.io.clock import SystemClock
from tests.lab.deployed_pop import bgp_states
from tests.lab.labs import ROOT
from tests.lab.own_routes import (
    CONTROLLER,
    DEVICES,
    EDGE,
    HOST,
    NEIGHBOUR,
    OTHER_HOST,
    SINGLE,
    SWITCH,
    WANTED,
    kernel,
    known_to,
    listed,
    set_routes,
)
from tests.lab.quick_lab import QuickLab, bird_file, live_stamp, only_pop2, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("routes"), only_pop2(), name="routes") as up:
        allowed = "  - name: routes\n    settings: {announce: [198.51.100.64/26]}\n"
        up.project.edit("network.yml", "  - routes\n", allowed)
        up.deploy("pop2")
        yield up


@pytest.fixture(autouse=True)
def clean(quick: QuickLab) -> Iterator[None]:
    """No routes before, and none after."""
    yield
    for owner in {row["owner"] for row in listed(quick.project)}:
        quick.project("routes", "withdraw", owner)


def test_routes_come_and_go(quick: QuickLab) -> None:
    """On a host and a switch they are in the kernel while they are wanted; nobody is told of them, no session notices. Saying
    it again changes no device."""
    lab, project = quick.lab, quick.project
    before = {name: (bird_file(lab, name), bgp_states(lab, name)) for name in DEVICES}
    set_routes(project, "edge", HOST, SWITCH, routes=EDGE, options="--reason trial")
    wait_until(lambda: kernel(lab, HOST) == kernel(lab, SWITCH) == WANTED, what="the routes are in the kernels")
    assert kernel(lab, OTHER_HOST) == {}
    for node in (OTHER_HOST, "northtel", "meadow"):
        assert "198.18.24" not in known_to(lab, node)
        assert "2001:db8:f0" not in known_to(lab, node)
    assert {(row["device"], row["in_force"], row["reason"]) for row in listed(project)} == {
        (HOST, True, "trial"),
        (SWITCH, True, "trial"),
    }

    generations = {name: lab.run(name, "ls", "/var/lib/netorch/generations") for name in DEVICES}
    assert set_routes(project, "edge", HOST, SWITCH, routes=EDGE, options="--reason trial").out.startswith(
        "edge: nothing to change\n"
    )
    assert {name: lab.run(name, "ls", "/var/lib/netorch/generations") for name in DEVICES} == generations

    project("routes", "withdraw", "edge")
    wait_until(lambda: kernel(lab, HOST) == kernel(lab, SWITCH) == {}, what="the routes are gone")
    assert {name: (bird_file(lab, name), bgp_states(lab, name)) for name in DEVICES} == before
    assert listed(project) == []


def test_other_deploys_keep_them(quick: QuickLab, tmp_path: Path) -> None:
    """A colleague's checkout, in another home, knows of them: its plan is empty, and what it deploys leaves them alone."""
    lab, project = quick.lab, quick.project
    set_routes(project, "edge", HOST, routes=EDGE)
    colleague = project.copy(tmp_path / "checkout")
    home = {**os.environ, "HOME": str(tmp_path)}  # noqa: TID251 - what the command is given
    colleague("plan", "pop2", "--detailed-exitcode", environment=home)
    colleague.edit("pops/pop2.yml", "description: Northtel", "description: North")
    colleague("deploy", "pop2", "--yes", environment=home)
    wait_until(lambda: kernel(lab, HOST) == WANTED, what="the routes are in the kernel")
    project("deploy", "pop2", "--yes")
    colleague("routes", "withdraw", "edge", environment=home)
    wait_until(lambda: kernel(lab, HOST) == {}, what="the routes are gone")


def test_two_programs_at_once(quick: QuickLab) -> None:
    """Whoever finds the device busy, or changed since, is told so and says it again; in the end both have what they want. One's
    end leaves the other's routes alone."""
    lab, project = quick.lab, quick.project
    files = {"edge": EDGE[:1], "blocklist": EDGE[1:]}
    pending = dict(files)
    for _ in range(5):
        started = {}
        for owner, routes in pending.items():
            path = project.folder / f"{owner}.json"
            path.write_text(json.dumps(routes))
            started[owner] = project.start("routes", "set", owner, HOST, "--file", str(path))
        said = {owner: project.finish(process, timeout_s=90) for owner, process in started.items()}
        pending = {owner: files[owner] for owner, one in said.items() if one.code != 0}
        if not pending:
            break
    assert pending == {}, [one.err for one in project.said[-2:]]
    assert {row["owner"] for row in listed(project)} == set(files)
    wait_until(lambda: kernel(lab, HOST) == WANTED, what="both programs' routes")
    project("routes", "withdraw", "edge")
    without = {prefix: what for prefix, what in WANTED.items() if what != NEIGHBOUR}
    wait_until(lambda: kernel(lab, HOST) == without, what="the other program's routes alone")


def test_an_announced_address_stays_in_the_pop(quick: QuickLab) -> None:
    """The switch and the other hosts learn of it; providers have the POP's prefix and no part of it."""
    lab, project = quick.lab, quick.project
    set_routes(project, "edge", HOST, routes=[{**SINGLE, "via": NEIGHBOUR}])
    wait_until(lambda: "198.51.100.70/32" in kernel(lab, SWITCH), what="the switch has the address")
    wait_until(lambda: "198.51.100.70/32" in known_to(lab, OTHER_HOST), what="the other host knows of it")
    assert kernel(lab, SWITCH)["198.51.100.70/32"] == "10.2.1.11"  # h1.pop2, who announced it
    for provider in ("northtel", "meadow"):
        assert "198.51.100.0/24" in known_to(lab, provider)
        assert "198.51.100.70" not in known_to(lab, provider)


def test_a_next_hop_that_is_not_there_is_told(quick: QuickLab) -> None:
    """The daemon leaves such a route out; the command says so."""
    said = set_routes(quick.project, "edge", HOST, routes=[{"prefix": "198.18.240.0/24", "via": "172.31.0.1"}])
    assert f"{HOST}: only 0 of 1 ipv4 routes in use" in said.out
    assert kernel(quick.lab, HOST) == {}


def test_what_cuts_the_path_is_taken_back(quick: QuickLab) -> None:
    """A route that hides the controller from the device is undone by the device, and nobody remembers it."""
    lab, project = quick.lab, quick.project
    before = live_stamp(lab, HOST)
    routes = [{"prefix": f"{CONTROLLER}/32", "type": "blackhole"}]
    said = set_routes(project, "edge", HOST, routes=routes, code=6, options="--confirm-timeout 10")
    assert f"{HOST}: reverted" in said.err
    assert f"no way back to the controller at {CONTROLLER}" in said.err
    assert live_stamp(lab, HOST) == before
    assert "blackhole" not in lab.run(HOST, "ip", "route")
    assert listed(project) == []
    project("plan", "pop2", "--detailed-exitcode")


class Later:
    """The system's clock, ``ahead_s`` seconds ahead."""

    def __init__(self, ahead_s: float) -> None:
        self._clock, self._ahead_s = SystemClock(), ahead_s

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now() + self._ahead_s

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self._clock.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait."""
        self._clock.wait(seconds)


def test_a_run_ends_what_is_past_its_time(quick: QuickLab) -> None:
    """``netorch run`` before the end finds nothing to do; after it, it takes the route away and says so in the list."""
    lab, project = quick.lab, quick.project
    set_routes(project, "edge", HOST, routes=[{**EDGE[0], "for": "2h"}, EDGE[1]])
    assert project("run").out == ""
    with controller_in(project.folder / "inventory", quiet=True) as controller:
        result = reconcile(replace(controller, clock=Later(7300)), DEVICES, lambda plan: None)
    assert {one.device: one.outcome for one in result.deployed.results if one.outcome != "unchanged"} == {
        HOST: "changed",
        SWITCH: "changed",
    }
    assert kernel(lab, HOST) == {EDGE[1]["prefix"]: "blackhole"}
    assert [row["prefix"] for row in listed(project)] == [EDGE[1]["prefix"]]


# ---- programs ------------------------------------------------------------------------------------------------------


def test_a_program_sets_routes(quick: QuickLab) -> None:
    """The function does what the command does, and raises what the command says."""
    inventory = quick.project.folder / "inventory"
    done = program.set_routes("edge", EDGE, on=HOST, inventory=inventory, reason="trial")
    assert (done.changed, len(done.routes), done.missed) == (True, 3, {})
    assert kernel(quick.lab, HOST) == WANTED
    assert not program.set_routes("edge", EDGE, on=[HOST], inventory=inventory, reason="trial").changed
    assert program.list_routes(inventory=inventory).routes == done.routes
    with pytest.raises(program.NetorchError, match="is a default route") as refused:
        program.set_routes("edge", [{"prefix": "0.0.0.0/0", "via": NEIGHBOUR}], on=HOST, inventory=inventory)
    assert refused.value.exit_code == 7
    assert program.withdraw_routes("edge", inventory=inventory).routes == ()
    assert kernel(quick.lab, HOST) == {}


class Health(BaseHTTPRequestHandler):
    """A service that says how it is."""

    status = 200

    def do_GET(self) -> None:
        """One answer."""
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library
        """Nothing."""


def test_the_example_follows_a_service(quick: QuickLab) -> None:
    """examples/own_routes.py adds the route while the service is well, and takes it away when it is not."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        argv = [sys.executable, str(ROOT / "examples/own_routes.py"), f"http://127.0.0.1:{server.server_port}/"]
        argv += ["--prefix", "198.51.100.70/32", "--via", NEIGHBOUR, "--on", HOST, "--rounds", "3", "--every", "0.05"]
        try:
            for status, there in ((200, True), (503, False)):
                Health.status = status
                done = subprocess.run(
                    argv, cwd=quick.project.folder, capture_output=True, text=True, timeout=60, check=True
                )
                assert "health-check: " in done.stderr
                assert ("198.51.100.70/32" in kernel(quick.lab, HOST)) == there, done.stderr
        finally:
            server.shutdown()
