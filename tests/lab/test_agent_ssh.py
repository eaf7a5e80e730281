"""The agent over real SSH: installed, asked, and left to itself when the connection is cut."""

from __future__ import annotations

import os
import signal
import threading
from ipaddress import ip_interface
from pathlib import Path

import pytest

from netorch.errors import TransportError
from netorch.io.device import Device
from netorch.model.items import AddressItem
from netorch.model.plan import Check, Operation
from netorch.model.request import DecideRequest
from tests.lab.agent_device import LabDevice, bird_file, changed, configuration
from tests.lab.ssh_server import SshLab, SshServer, ssh_lab
from tests.waiting import wait_until

__all__ = ["ssh_lab"]

pytestmark = pytest.mark.lab

ADDRESS = Operation("add", AddressItem("lo", ip_interface("192.0.2.11/32")))
LOAD = changed(bird_file(configuration("old")), bird_file(configuration("new")))


@pytest.fixture
def server(device: LabDevice, ssh_lab: SshLab) -> SshServer:
    """An sshd whose sessions work inside the device's namespaces, and the device's client goes through it."""
    inside = " ".join(device.namespace.enter("sh", "-c"))
    server = ssh_lab.server("h1", f'ForceCommand {inside} "$SSH_ORIGINAL_COMMAND"')
    device.client = Device("h1.pop1", ssh_lab.connector(**{"h1.pop1": server}))
    return server


@pytest.mark.usefixtures("server")
def test_transaction_over_ssh(device: LabDevice) -> None:
    """Facts, apply and confirm on a device that has never seen the agent."""
    request = device.change(LOAD, ADDRESS, check=Check(up=("northtel_v4",)))
    device.client.apply(request)
    assert device.client.confirm(DecideRequest(request.id, "alice@control")).generation == 1
    facts = device.client.facts(device.REQUEST)
    assert (facts.daemon.live_stamp, facts.daemon.disk_stamp) == ("new", "new")
    assert ADDRESS.item in facts.items
    device.client.close()


def test_cut_connection_leaves_the_device_to_decide(device: LabDevice, server: SshServer) -> None:
    """SSH dies while the agent applies: the controller cannot know, the device finishes and goes back by itself."""
    before = device.owned()
    request = device.change(LOAD, ADDRESS, check=Check(up=("absent_v4",), timeout_s=3.0))
    errors: list[Exception] = []

    def apply() -> None:
        try:
            device.client.apply(request)
        except TransportError as error:
            errors.append(error)

    applying = threading.Thread(target=apply)
    applying.start()
    wait_until(lambda: device.live_stamp() == "new", what="the change is live")
    sshd = [pid for pid in server.workers()[1:] if Path(f"/proc/{pid}/comm").read_text() == "sshd\n"]
    for pid in sshd:
        os.kill(pid, signal.SIGKILL)
    applying.join(timeout=30)
    assert len(errors) == 1
    wait_until(
        lambda: device.live_stamp() == "old", what="the checks have failed and the change is undone", timeout_s=8.0
    )
    wait_until(lambda: device.owned() == before, what="everything else is back")
    device.client.close()
