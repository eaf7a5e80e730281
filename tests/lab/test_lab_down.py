"""Nothing of a lab remains, however it ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.errors import Locked
from netorch.lab import lab_down, lab_status, lab_up
from netorch.lab import machine as lab_machine
from netorch.lab.lock import lab_lock
from netorch.model.inventory import Inventory
from netorch.model.sessions import SecretRef
from tests.lab.labs import ROOT, booted, example_inventory, lab_settings, own_network, small

pytestmark = pytest.mark.lab

UP = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from netorch.lab import lab_up
from tests.lab.labs import example_inventory, lab_settings, small
folder, point = Path(sys.argv[1]), sys.argv[2]
inventory = small(example_inventory(folder))
inventory = replace(inventory, pops=inventory.pops[1:])
print("ready", flush=True)
def report(text):
    if point and text.startswith(point):
        os.kill(os.getpid(), signal.SIGKILL)
lab_up(inventory, lab_settings(folder, "down"), report)
"""

POINTS = ("keys", "northtel", "cables", "starting", "sw1.pop2 is up", "internet is up")
MOMENTS_MS = (20, 60, 100, 150, 200, 280)


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    inventory = small(example_inventory(tmp_path))
    return replace(inventory, pops=inventory.pops[1:])


def processes() -> set[str]:
    """Ids of all processes but kernel threads' and this one's children, which come and go with subprocess.run."""
    return {entry for entry in os.listdir("/proc") if entry.isdigit()}


def traces(folder: Path) -> dict[str, set[str]]:
    """Everything that a lab could leave on this machine."""
    return {
        "namespaces": {path.name for path in Path("/run/netns").iterdir()},
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "interfaces": set(os.listdir("/sys/class/net")) | set(_links()),
        "processes": processes(),
        "run": {path.name for path in Path("/run").iterdir()},
        "files": {str(path.relative_to(folder)) for path in folder.rglob("*") if "inventory" not in path.parts},
    }


def _links() -> list[str]:
    text = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in text.splitlines()]


def start(folder: Path, point: str = "") -> "subprocess.Popen[str]":
    """``lab_up`` in a process of its own; returns once it begins. Dies by itself where it reports ``point``."""
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(folder), point], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: "subprocess.Popen[str]", after_ms: int) -> None:
    """Kill ``process`` unless it ends before."""
    try:
        process.wait(after_ms / 1000)
    except subprocess.TimeoutExpired:
        process.kill()
    process.wait(30)
    assert process.stdout is not None
    process.stdout.close()


def test_down_leaves_nothing(tmp_path: Path, inventory: Inventory) -> None:
    """After up and down the machine is as before: namespaces, mounts, interfaces, processes, files."""
    settings = lab_settings(tmp_path, "down")
    before = traces(tmp_path)
    lab_up(inventory, settings)
    during = traces(tmp_path)
    assert all(during[kind] > before[kind] for kind in before)
    lab_down(settings)
    assert traces(tmp_path) == before


def test_down_keeps_what_is_not_its_own(tmp_path: Path, inventory: Inventory) -> None:
    """A user's file in the state folder survives, and a secret that was there before; the lab uses that one."""
    settings = lab_settings(tmp_path, "down")
    secret = settings.state / "secrets/meadow"
    secret.parent.mkdir(parents=True)
    secret.write_text("chosen by hand\n")
    pop = inventory.pops[0]
    circuits = tuple(
        replace(c, password=SecretRef("file", "../.lab/secrets/meadow")) if c.provider == "meadow" else c
        for c in pop.circuits
    )
    with booted(replace(inventory, pops=(replace(pop, circuits=circuits),)), settings) as lab:
        (settings.state / "notes").write_text("mine")
        assert "chosen by hand" in lab.run("meadow", "cat", "/etc/bird/bird.conf")
    assert {path.name for path in settings.state.iterdir()} == {"notes", "secrets"}
    assert secret.read_text() == "chosen by hand\n"


def test_files_belong_to_the_user_behind_sudo(tmp_path: Path, inventory: Inventory) -> None:
    """Keys and secrets belong to the named owner, so that netorch works without sudo afterwards."""
    settings = replace(lab_settings(tmp_path, "down"), owner=(4711, 4712))
    inventory = replace(inventory, pops=example_inventory(tmp_path).pops)
    with booted(inventory, settings):
        owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in settings.state.rglob("*")}
    names = {"id_ed25519", "id_ed25519.pub", "known_hosts", "secrets", "southnet"}
    assert owners == dict.fromkeys(names, (4711, 4712))


def test_down_without_a_lab_is_quiet(tmp_path: Path) -> None:
    """Taking down what is not there changes nothing."""
    before = traces(tmp_path)
    lab_down(lab_settings(tmp_path, "down"))
    assert traces(tmp_path) == before


def test_down_ends_processes_that_others_started_inside(tmp_path: Path, inventory: Inventory) -> None:
    """A shell left in a node's network namespace goes too: it would keep the namespace alive."""
    settings = lab_settings(tmp_path, "down")
    lab_up(inventory, settings)
    netns = lab_status(settings)[0].netns
    with subprocess.Popen(["nsenter", f"--net=/run/netns/{netns}", "sleep", "600"]) as stray:
        lab_down(settings)
        assert stray.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("point", POINTS)
def test_down_after_a_crash_leaves_nothing(tmp_path: Path, inventory: Inventory, point: str) -> None:
    """``lab up`` killed at any of its steps leaves nothing that ``lab down`` does not find."""
    before = traces(tmp_path)
    process = start(tmp_path, point)
    kill(process, 30_000)
    assert process.returncode == -signal.SIGKILL
    lab_down(lab_settings(tmp_path, "down"))
    assert traces(tmp_path) == before


@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
def test_down_after_a_crash_at_any_moment(tmp_path: Path, inventory: Inventory, moment_ms: int) -> None:
    """The same when it is killed between its steps, while programs that it started still run."""
    before = traces(tmp_path)
    kill(start(tmp_path), moment_ms)
    lab_down(lab_settings(tmp_path, "down"))
    assert traces(tmp_path) == before


@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
def test_up_after_a_crash_completes(tmp_path: Path, inventory: Inventory, moment_ms: int) -> None:
    """A killed ``lab up`` is continued by the next one: every node runs, and down leaves nothing."""
    settings = lab_settings(tmp_path, "down")
    before = traces(tmp_path)
    kill(start(tmp_path), moment_ms)
    with booted(inventory, settings) as lab:
        assert all(status.running for status in lab_status(settings))
        for node in ("sw1.pop2", "h1.pop2", "h2.pop2"):
            assert "up and running" in lab.run(node, "birdc", "show", "status")
        assert lab.ping("northtel", "203.0.113.18", "-W", "5")
        assert lab.ping("h1.pop2", "10.2.1.1", "-W", "5")
    assert traces(tmp_path) == before


def test_down_may_be_killed_too(tmp_path: Path, inventory: Inventory) -> None:
    """A second ``lab down`` finishes what a killed one began."""
    settings = lab_settings(tmp_path, "down")
    before = traces(tmp_path)
    lab_up(inventory, settings)
    code = UP.replace("lab_up", "lab_down").replace("lab_down(inventory, ", "lab_down(")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), "removing"], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    assert process.wait(30) == -signal.SIGKILL
    lab_down(settings)
    assert traces(tmp_path) == before


def test_only_one_at_a_time(tmp_path: Path, inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a command works on the lab another one gives up and says why."""
    settings = lab_settings(tmp_path, "down")
    monkeypatch.setattr(lab_machine, "LOCK_TIMEOUT_S", 0.2)
    with lab_lock(settings, timeout_s=1), pytest.raises(Locked, match="another netorch"):
        lab_up(inventory, settings)
