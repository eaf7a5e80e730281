"""The transaction with a daemon that loads from its configuration's own place only: the candidate is there before it is live.

BIRD can do it either way, so it stands in for such a daemon: its agent is told so.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netorch.errors import Reverted
from netorch.model.plan import Check, Operation
from netorch.model.request import DecideRequest
from tests.lab.agent_device import BIRD_CONF, LabDevice, bird_file, changed, configuration, running_device
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

UP = Check(up=("northtel_v4",), timeout_s=10.0)
NEVER = Check(up=("absent_v4",), timeout_s=1.0)
SWITCHED = (
    "sed -i 's/replaces_file = False/replaces_file = True/' /var/lib/netorch/agent/*/netorch/agent/bird_daemon.py"
)


@pytest.fixture
def device() -> Iterator[LabDevice]:
    with running_device() as lab:
        lab.client.facts(lab.REQUEST)  # which installs the agent
        lab.namespace.run("sh", "-c", SWITCHED)
        yield lab


def load(device: LabDevice, stamp: str = "new") -> Operation:
    return changed(bird_file(on_disk(device)), bird_file(configuration(stamp)))


def on_disk(device: LabDevice) -> str:
    return device.namespace.path(BIRD_CONF).read_text()


def test_candidate_is_in_place_while_it_waits_and_stays_once_confirmed(device: LabDevice) -> None:
    """Disk and live are the candidate from the moment that it is loaded."""
    request = device.change(load(device), check=UP)
    device.client.apply(request)
    assert (on_disk(device), device.live_stamp()) == (configuration("new"), "new")
    device.client.confirm(DecideRequest(request.id, "alice@control"))
    facts = device.client.facts(device.REQUEST)
    assert (facts.generation, facts.daemon.live_stamp, facts.daemon.disk_stamp) == (1, "new", "new")
    assert (on_disk(device), facts.pending) == (configuration("new"), None)


@pytest.mark.parametrize("way", ["revert", "check", "deadline"])
def test_former_file_comes_back_and_is_live(device: LabDevice, way: str) -> None:
    """Whoever gives the change up: an operator, a check on the device, or the watchdog."""
    before = device.owned()
    request = device.change(load(device), check=NEVER if way == "check" else UP, confirm_timeout_s=3.0)
    if way == "check":
        with pytest.raises(Reverted, match="the checks failed"):
            device.client.apply(request)
    else:
        device.client.apply(request)
        assert on_disk(device) == configuration("new")
    if way == "revert":
        device.client.revert(DecideRequest(request.id, "alice@control"))
    wait_until(lambda: on_disk(device) == configuration("old"), what="the former file is back", timeout_s=10.0)
    wait_until(lambda: device.client.facts(device.REQUEST).pending is None, what="the change is gone", timeout_s=10.0)
    assert device.owned() == before


def test_somebody_elses_edit_of_the_placed_file_is_set_aside(device: LabDevice) -> None:
    """A confirmation would make a file stay that nobody checked."""
    request = device.change(load(device), check=UP)
    device.client.apply(request)
    path = device.namespace.path(BIRD_CONF)
    path.write_text(configuration("new", "# by hand"))
    with pytest.raises(Reverted, match="was changed by somebody else"):
        device.client.confirm(DecideRequest(request.id, "alice@control"))
    assert (on_disk(device), device.live_stamp()) == (configuration("old"), "old")
    assert "# by hand" in path.with_name(f"{path.name}.set-aside").read_text()


def test_daemon_that_restarts_in_the_window_does_not_keep_the_candidate(device: LabDevice) -> None:
    """It comes back with what is on disk, the candidate; at the deadline both are the former one."""
    request = device.change(load(device), check=UP, confirm_timeout_s=4.0)
    device.client.apply(request)
    device.bird = device.namespace.restart_bird(device.bird)
    assert device.live_stamp() == "new"
    wait_until(lambda: device.live_stamp() == "old", what="the former configuration is live", timeout_s=15.0)
    assert on_disk(device) == configuration("old")
