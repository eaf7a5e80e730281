"""The controller's client of the agent: what is sent, when the agent is installed, what each answer becomes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from netorch.errors import DeviceError, InternalError, Locked, NetorchError, Reverted, TimedOut
from netorch.io.device import Device
from netorch.io.zipapp import build_agent
from netorch.model.codec import from_json, to_json
from netorch.model.plan import Check
from netorch.model.request import ApplyRequest, DecideRequest, FactsRequest, Generation
from netorch.ports import Reply

REQUEST = FactsRequest("h1.pop1", "bird")
FACTS = {
    "outcome": "facts",
    "facts": {
        "device": "h1.pop1",
        "agent": "a",
        "base": "b",
        "generation": 3,
        "daemon": {"name": "bird", "version": None, "running": False, "live_stamp": None, "disk_stamp": None},
    },
}
APPLY = ApplyRequest("c1", REQUEST, "b", 3, (), (), Check(), 30.0, "alice@control")


class Scripted:
    """A connection that gives prepared replies, and keeps what it was asked."""

    def __init__(self, *replies: Reply | NetorchError) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, bytes]] = []
        self.doing: list[str] = []
        self.connections = 0

    def connect(self, device: str, *, timeout_s: float) -> Scripted:
        self.connections += 1
        return self

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float, doing: str = "") -> Reply:
        self.asked.append((command, stdin))
        self.doing.append(doing)
        reply = self.replies.pop(0)
        if isinstance(reply, NetorchError):
            raise reply
        return reply

    def close(self) -> None:
        return


def said(document: object) -> Reply:
    return Reply(0, json.dumps(document).encode() + b"\n", b"")


def test_agent_is_installed_once_where_it_is_missing() -> None:
    """The first call finds no agent, sends it, and asks again; the next call asks only."""
    device = Scripted(Reply(90, b"", b""), Reply(0, b"", b""), said(FACTS), said(FACTS))
    client = Device("h1.pop1", device)
    assert client.facts(REQUEST).generation == 3
    client.facts(REQUEST)
    agent = build_agent()
    assert [stdin == agent.data for _, stdin in device.asked] == [False, True, False, False]
    assert device.connections == 1


def test_other_users_than_root_go_through_sudo() -> None:
    """Every command, the installation's too, starts with sudo, which must not ask for a password."""
    device = Scripted(Reply(90, b"", b""), Reply(0, b"", b""), said(FACTS))
    Device("h1.pop1", device, sudo=True).facts(REQUEST)
    assert all(command.startswith("sudo -n sh -c ") for command, _ in device.asked)


def test_request_goes_over_standard_input() -> None:
    """The command line, which others on the device can read, holds nothing of the request."""
    device = Scripted(said(FACTS))
    Device("h1.pop1", device).facts(FactsRequest("h1.pop1", "bird", files=("/etc/s3cret",)))
    command, stdin = device.asked[0]
    assert "s3cret" not in command
    assert from_json(FactsRequest, json.loads(stdin)).files == ("/etc/s3cret",)


@pytest.mark.parametrize(
    ("outcome", "error"),
    [("refused", DeviceError), ("failed", DeviceError), ("locked", Locked), ("reverted", Reverted)],
)
def test_outcomes_become_errors(outcome: str, error: type[NetorchError]) -> None:
    """Each outcome has its class and with it its exit code; message, findings, notes, hint and device come along."""
    checked = {"findings": ["northtel_v4: Active"]}
    notes = ["their file is bird.conf.set-aside now"]
    answer = {"outcome": outcome, "message": "why", "hint": "what to do", "checked": checked, "notes": notes}
    device = Scripted(said(answer))
    with pytest.raises(NetorchError) as raised:
        Device("h1.pop1", device).apply(APPLY)
    assert type(raised.value) is error
    assert str(raised.value) == "h1.pop1: why\nnorthtel_v4: Active\ntheir file is bird.conf.set-aside now"
    assert raised.value.hint == "what to do"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b'{"outcome": "pend',
        b"Welcome!\n" + json.dumps({"outcome": "pending"}).encode(),
        b"[]",
        b'{"message": "no outcome"}',
        b'{"outcome": "confirmed"}',
        b'{"outcome": "pending", "generation": "three"}',
        b"\xff\xfe",
    ],
)
def test_answer_that_is_none_is_never_a_success(reply: bytes) -> None:
    """Cut, foreign or unexpected answers are errors."""
    with pytest.raises(DeviceError, match="expected one answer of the agent"):
        Device("h1.pop1", Scripted(Reply(0, reply, b""))).apply(APPLY)


def test_device_without_python_is_a_clear_error() -> None:
    """What is missing, and where."""
    device = Scripted(Reply(90, b"", b""), Reply(127, b"", b"sh: 1: exec: python3: not found\n"))
    with pytest.raises(DeviceError, match=r"^h1.pop1: python3 cannot be started: .*not found") as error:
        Device("h1.pop1", device).facts(REQUEST)
    assert "3.9 or later" in error.value.hint


def test_sudo_that_asks_for_a_password_is_a_clear_error() -> None:
    """sudo's own words, and what to do."""
    device = Scripted(Reply(1, b"", b"sudo: a password is required\n"))
    with pytest.raises(DeviceError, match="a password is required") as error:
        Device("h1.pop1", device, sudo=True).facts(REQUEST)
    assert "without a password" in error.value.hint


def test_old_python_is_a_clear_error() -> None:
    """The installer's last word is the message."""
    reply = Reply(91, b"", b"python3 is 3.6.8 here, the agent needs 3.9 or later\n")
    with pytest.raises(DeviceError, match=r"could not be installed: python3 is 3\.6\.8 here"):
        Device("h1.pop1", Scripted(Reply(90, b"", b""), reply)).facts(REQUEST)


def test_confirmation_opens_a_new_connection() -> None:
    """The first connection proves nothing about the device after the change."""
    device = Scripted(said({"outcome": "pending"}), said({"outcome": "confirmed", "generation": 4}))
    client = Device("h1.pop1", device)
    client.apply(APPLY)
    assert client.confirm(DecideRequest("c1", "alice@control")).generation == 4
    assert device.connections == 2


def test_errors_of_the_connection_say_what_was_being_done() -> None:
    """In an operator's words, not as the line of shell that was sent."""
    device = Scripted(Reply(90, b"", b""), Reply(0, b"", b""), said(FACTS), said({"outcome": "pending"}))
    client = Device("h1.pop1", device)
    client.facts(REQUEST)
    client.apply(APPLY)
    assert device.doing == ["asking for facts", "installing the agent", "asking for facts", "applying"]


def test_connection_is_not_used_again_after_a_time_out() -> None:
    """What is left of the old answer must not be taken for the next one."""
    device = Scripted(TimedOut("no answer"), said(FACTS))
    client = Device("h1.pop1", device)
    with pytest.raises(TimedOut):
        client.facts(REQUEST)
    client.facts(REQUEST)
    assert device.connections == 2


def test_history_comes_as_generations() -> None:
    """Newest first, as the agent tells it."""
    record = Generation(2, "c2", "alice", 1000.0, files=("/etc/bird/bird.conf",))
    device = Scripted(said({"outcome": "history", "history": [to_json(record)]}))
    assert Device("h1.pop1", device).history() == (record,)


def test_agent_is_the_same_file_whenever_it_is_built() -> None:
    """Nothing of the time or the machine enters the archive."""
    first = build_agent()
    build_agent.cache_clear()
    assert build_agent() == first
    members = zipfile.ZipFile(io.BytesIO(first.data)).infolist()
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}


def test_installed_agent_answers_without_anything_else(tmp_path: Path) -> None:
    """What the installer unpacks runs without site-packages, and nothing of it is for others to read."""
    install(tmp_path, build_agent().data, build_agent().sha256)
    place = tmp_path / build_agent().sha256
    command = [sys.executable, "-I", "-S", str(place), "nonsense"]
    done = subprocess.run(command, input=b"{}", capture_output=True, timeout=30, check=True)
    assert json.loads(done.stdout)["outcome"] == "refused"
    assert place.stat().st_mode & 0o077 == 0


def test_damaged_agent_is_not_installed(tmp_path: Path) -> None:
    """An archive that changed on its way is refused, and leaves nothing behind."""
    done = run_installer(tmp_path, build_agent().data[:-100], build_agent().sha256)
    assert done.returncode == 91
    assert b"the agent arrived damaged" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_old_versions_of_the_agent_go(tmp_path: Path) -> None:
    """The three newest versions stay, so that controllers of different versions do not push in turn."""
    for number in range(5):
        (tmp_path / f"old{number}").mkdir()
    install(tmp_path, build_agent().data, build_agent().sha256)
    assert len(list(tmp_path.iterdir())) == 3
    assert (tmp_path / build_agent().sha256 / "__main__.py").exists()


def test_missing_part_of_the_agent_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that lacks textfsm cannot build the agent, and says what is missing."""
    build_agent.cache_clear()
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "textfsm"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InternalError, match="textfsm"):
        build_agent()


def run_installer(folder: Path, data: bytes, sha256: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-S", "-c", build_agent().installer, str(folder), sha256]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


def install(folder: Path, data: bytes, sha256: str) -> None:
    done = run_installer(folder, data, sha256)
    assert done.returncode == 0, done.stderr
