"""Whatever dies around the agent, and whenever: the device ends on its last good state, or says that nothing was changed."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack
from ipaddress import ip_interface

import pytest

from netorch.errors import DeviceError, Locked, NetorchError, TransportError
from netorch.model.items import AddressItem
from netorch.model.plan import Check, Operation
from netorch.model.request import ApplyRequest, DecideRequest
from tests.lab.agent_device import BIRD_CONF, LabDevice, bird_file, changed, configuration
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

ADDRESS = Operation("add", AddressItem("lo", ip_interface("192.0.2.11/32")))
LOAD = changed(bird_file(configuration("old")), bird_file(configuration("new")))
NEVER = Check(up=("absent_v4",), timeout_s=15.0)
"""A check that cannot pass: it keeps the agent busy."""


class Applying:
    """An apply that runs in the background; ``error`` is how it ended."""

    def __init__(self, device: LabDevice, request: ApplyRequest) -> None:
        self.error: NetorchError | None = None
        self._device = device
        self._request = request
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._device.client.apply(self._request)
        except NetorchError as error:
            self.error = error

    def wait(self) -> None:
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()


def agent_pid(device: LabDevice) -> int:
    """The agent that holds the device's lock."""
    return int(json.loads(device.namespace.path("/var/lib/netorch/lock").read_text())["pid"])


def test_killed_agent_is_undone_by_the_watchdog(device: LabDevice) -> None:
    """An agent killed while its checks run leaves the change to the watchdog, which takes it back at the deadline."""
    before = device.owned()
    check = Check(up=("absent_v4",), timeout_s=3.0)
    applying = Applying(device, device.change(LOAD, ADDRESS, check=check, confirm_timeout_s=1.0))
    wait_until(lambda: device.live_stamp() == "new", what="the change is live")
    os.kill(agent_pid(device), signal.SIGKILL)
    applying.wait()
    assert isinstance(applying.error, TransportError), "what it did is unknown"
    assert "the agent was killed" in applying.error.message
    wait_until(lambda: device.live_stamp() == "old", what="BIRD is back")
    wait_until(lambda: device.owned() == before, what="everything else is back")


def test_stopped_agent_cannot_keep_a_change(device: LabDevice) -> None:
    """An agent that hangs with the lock in its hand past the deadline is ended, and its change undone."""
    before = device.owned()
    check = Check(up=("absent_v4",), timeout_s=2.0)
    applying = Applying(device, device.change(LOAD, ADDRESS, check=check, confirm_timeout_s=1.0))
    wait_until(lambda: device.live_stamp() == "new", what="the change is live")
    os.kill(agent_pid(device), signal.SIGSTOP)
    applying.wait()
    wait_until(lambda: device.owned() == before, what="the device is as before")


def test_lock_names_its_holder(device: LabDevice) -> None:
    """A second controller is told who is at work, and on what."""
    second = device.change(ADDRESS)
    applying = Applying(device, device.change(LOAD, check=NEVER))
    wait_until(lambda: device.live_stamp() == "new", what="the first change is live")
    with pytest.raises(Locked, match=r"alice@control is at work here \(applying change-2: a test\), for \d+ s"):
        device.client.apply(second)
    os.kill(agent_pid(device), signal.SIGKILL)
    applying.wait()


def test_confirmation_is_refused_before_the_checks_have_passed(device: LabDevice) -> None:
    """When the agent died before its checks had passed, confirming undoes the change instead."""
    applying = Applying(device, device.change(LOAD, ADDRESS, check=NEVER))
    wait_until(lambda: device.live_stamp() == "new", what="the change is live")
    os.kill(agent_pid(device), signal.SIGKILL)
    applying.wait()
    with pytest.raises(DeviceError, match="died before its checks had passed"):
        device.client.confirm(DecideRequest("change-1", "alice@control"))
    assert device.live_stamp() == "old"


@pytest.mark.parametrize("folder", ["/var/lib", "/etc/bird"])
def test_full_disk_is_refused(device: LabDevice, folder: str) -> None:
    """A device without room for the change refuses it before it touches anything."""
    before = device.owned()
    request = device.change(LOAD, ADDRESS)
    state = os.statvfs(device.namespace.path(folder))
    used = (state.f_blocks - state.f_bfree) * state.f_frsize
    device.namespace.run("mount", "-o", f"remount,size={used + 300_000}", folder)
    with pytest.raises(DeviceError, match=r"has \d+ bytes left, the change needs \d+"):
        device.client.apply(request)
    assert device.owned() == before


@pytest.mark.parametrize("folder", ["/var/lib", "/etc/bird"])
def test_read_only_disk_is_refused(device: LabDevice, folder: str) -> None:
    """A device whose file system went read-only refuses the change before it touches anything."""
    before = device.owned()
    request = device.change(LOAD, ADDRESS)
    device.namespace.run("mount", "-o", "remount,ro", folder)
    with pytest.raises(DeviceError, match=r"[Rr]ead-only"):
        device.client.apply(request)
    assert device.owned() == before


def test_damaged_file_is_refused(device: LabDevice) -> None:
    """A file whose hash is not the one that the controller announced is never validated, let alone loaded."""
    before = device.owned()
    request = device.change(LOAD)
    damaged = ApplyRequest(**{**vars(request), "sha256": ("0" * 64,)})
    with pytest.raises(DeviceError, match="arrived damaged"):
        device.client.apply(damaged)
    assert device.owned() == before


def test_dead_bird_is_a_clear_error(device: LabDevice) -> None:
    """A BIRD that nobody starts again: the change is undone with that reason; facts tell that it does not run."""
    os.kill(device.bird, signal.SIGKILL)
    wait_until(lambda: not device.client.facts(device.REQUEST).daemon.running, what="BIRD is gone")
    request = device.change(LOAD, ADDRESS)
    with pytest.raises(DeviceError, match="BIRD does not come up"):
        device.client.apply(request)
    assert device.client.facts(device.REQUEST).items == device.client.facts(device.REQUEST).items
    assert "192.0.2.11" not in device.namespace.run("ip", "address")


def test_hanging_bird_is_an_error_in_bounded_time(device: LabDevice) -> None:
    """A stopped BIRD makes facts fail with a reason, within 20 s."""
    os.kill(device.bird, signal.SIGSTOP)
    started = time.monotonic()  # noqa: TID251 - what is tested is a bound of time
    with pytest.raises(DeviceError, match="BIRD did not answer"):
        device.client.facts(device.REQUEST)
    assert time.monotonic() - started < 20  # noqa: TID251
    os.kill(device.bird, signal.SIGCONT)


def test_bird_that_lets_nobody_in_is_not_taken_for_absent(device: LabDevice) -> None:
    """A stopped BIRD before which so many wait that the kernel turns away the next: the change is kept until it can be undone."""
    device.client.apply(device.change(LOAD, ADDRESS, confirm_timeout_s=2.0))
    os.kill(device.bird, signal.SIGSTOP)
    path = str(device.namespace.path("/run/bird/bird.ctl"))
    with ExitStack() as queue:
        waiting = [queue.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(100)]
        for one in waiting:
            one.setblocking(False)
        assert errno.EAGAIN in [one.connect_ex(path) for one in waiting]
        wait_until(
            lambda: "192.0.2.11" not in device.namespace.run("ip", "address"), what="the rest is undone", timeout_s=40
        )
    os.kill(device.bird, signal.SIGCONT)
    wait_until(
        lambda: not device.namespace.run("ls", "/var/lib/netorch/pending"), what="the change is gone", timeout_s=30
    )
    assert device.live_stamp() == "old"


def test_bird_that_hangs_at_the_confirmation_ends_on_the_old_state(device: LabDevice) -> None:
    """Confirming a change on a stopped BIRD fails; once BIRD goes on, the change is undone and never confirmed."""
    before = device.owned()
    device.client.apply(device.change(LOAD, ADDRESS))
    os.kill(device.bird, signal.SIGSTOP)
    with pytest.raises(DeviceError, match="BIRD did not answer"):
        device.client.confirm(DecideRequest("change-1", "alice@control"))
    os.kill(device.bird, signal.SIGCONT)
    assert device.owned() == before
    assert device.live_stamp() == "old"


def test_bird_that_hangs_past_the_deadline_is_put_back_when_it_goes_on(device: LabDevice) -> None:
    """The watchdog tries until it succeeds: no controller has to ask again."""
    device.client.apply(device.change(LOAD, ADDRESS, confirm_timeout_s=2.0))
    os.kill(device.bird, signal.SIGSTOP)
    wait_until(
        lambda: "192.0.2.11" not in device.namespace.run("ip", "address"), what="the rest is undone", timeout_s=30
    )
    os.kill(device.bird, signal.SIGCONT)
    wait_until(
        lambda: not device.namespace.run("ls", "/var/lib/netorch/pending"), what="the change is gone", timeout_s=30
    )
    assert device.live_stamp() == "old"


def test_change_from_before_a_restart_is_undone_at_the_next_call(device: LabDevice) -> None:
    """A pending change that another boot of the machine left behind is undone before facts are told."""
    before = device.owned()
    device.client.apply(device.change(LOAD, ADDRESS, confirm_timeout_s=300.0))
    journal = device.namespace.path("/var/lib/netorch/pending/change-1/journal.json")
    document = json.loads(journal.read_text())
    journal.write_text(json.dumps({**document, "boot_id": "another"}))
    assert device.owned() == before


def test_confirmation_that_was_cut_short_is_finished(device: LabDevice) -> None:
    """An agent that died after BIRD's confirmation and before the rename: the next call puts the file in place."""
    device.client.apply(device.change(LOAD, ADDRESS))
    device.namespace.birdc("configure confirm")
    journal = device.namespace.path("/var/lib/netorch/pending/change-1/journal.json")
    document = json.loads(journal.read_text())
    journal.write_text(json.dumps({**document, "phase": "confirmed"}))
    facts = device.client.facts(device.REQUEST)
    assert (facts.generation, facts.daemon.live_stamp, facts.daemon.disk_stamp) == (1, "new", "new")
    assert device.namespace.path(BIRD_CONF).read_text() == configuration("new")


def test_unconfirmed_configuration_does_not_survive_a_restart_of_bird(device: LabDevice) -> None:
    """BIRD restarted in the window comes back with the old file; confirming then fails and undoes the rest."""
    before = device.owned()
    device.client.apply(device.change(LOAD, ADDRESS))
    os.kill(device.bird, signal.SIGKILL)
    device.namespace.run("rm", "-f", "/run/bird/pid")
    device.namespace.run("bird", "-P", "/run/bird/pid")
    wait_until(lambda: device.live_stamp() == "old", what="BIRD is back")
    with pytest.raises(DeviceError, match="no longer the one that was applied"):
        device.client.confirm(DecideRequest("change-1", "alice@control"))
    wait_until(device.is_established, what="the session is back")
    assert device.owned() == before
