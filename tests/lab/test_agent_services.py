"""The mirror's agents as services: a change starts and stops them, and undoing it leaves them as they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netorch.errors import Reverted
from netorch.model.items import FileItem, ServiceItem
from netorch.model.plan import Operation
from netorch.model.request import DecideRequest, FactsRequest
from tests.lab.agent_device import LabDevice, install_program, systemd_device
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SETTINGS = FileItem("/run/mirror-settings.json", '{"version": 1}\n', mode=0o644)
START = Operation("add", ServiceItem("mirror"))
STOP = Operation("remove", ServiceItem("mirror"), ServiceItem("mirror"))
UNIT = "/etc/systemd/system/netorch-mirror.service"
WANTED = "/etc/systemd/system/multi-user.target.wants/netorch-mirror.service"

# Stands for systemctl: notes how it was called; a start runs what stands for the agent, a stop ends it.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/run/called
case "$1" in restart|stop) test -f /run/agent.pid && kill "$(cat /run/agent.pid)" && rm /run/agent.pid;; esac
case "$1" in restart) setsid python3 -I /run/agent.py </dev/null >/dev/null 2>&1 & echo $! >/run/agent.pid;; esac
exit 0
"""

AGENT = """
import json, os, time
os.makedirs("/run/netorch", exist_ok=True)
while True:
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    agent = os.path.basename(os.readlink("/var/lib/netorch/boot"))
    status = {"service": "mirror", "agent": agent, "pid": os.getpid(), "started": uptime,
              "problem": "", "memory_bytes": 1, "cpu_s": 0.1, "updated": uptime,
              "entries": [{"address": "203.0.113.1", "interface": "eth0", "provider": "northtel", "circuit": 1, "mac": None,
                           "state": "unresolved", "since": None, "changes": 0}], "counters": {"changes": 2}}
    with open("/run/netorch/mirror.json.new", "w") as file:
        json.dump(status, file)
    os.rename("/run/netorch/mirror.json.new", "/run/netorch/mirror.json")
    time.sleep(0.2)
"""


@pytest.fixture
def device() -> Iterator[LabDevice]:
    """One whose systemd starts and stops what stands for the agent."""
    with systemd_device() as lab:
        install_program(lab, "systemctl", SYSTEMCTL)
        install_program(lab, "systemd-run", "#!/bin/sh\nexit 1\n")
        lab.namespace.path("/run/agent.py").write_text(AGENT)
        yield lab


def facts(device: LabDevice) -> FactsRequest:
    return replace(device.REQUEST, wants=("mirror",))


def has_service(device: LabDevice) -> bool:
    return ServiceItem("mirror") in device.client.facts(device.REQUEST).items


def confirmed(device: LabDevice, *operations: Operation) -> None:
    request = device.change(*operations)
    device.client.apply(request)
    device.client.confirm(DecideRequest(request.id, "alice"))


def test_change_starts_the_service_and_its_settings_come_with_the_confirmation(device: LabDevice) -> None:
    """The unit is enabled and runs this very agent before the change can be confirmed; its settings are in place then."""
    request = device.change(Operation("add", SETTINGS), START)
    device.client.apply(request)
    settings = device.namespace.path(SETTINGS.path)
    assert has_service(device)
    assert not settings.exists()
    assert device.namespace.path(WANTED).is_symlink()
    lines = device.namespace.path(UNIT).read_text().splitlines()
    assert "ExecStart=/usr/bin/python3 -I -S /var/lib/netorch/boot mirror" in lines
    assert "Restart=always" in lines
    assert "CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_NICE CAP_NET_BIND_SERVICE CAP_DAC_OVERRIDE" in lines
    device.client.confirm(DecideRequest(request.id, "alice"))
    assert settings.read_text() == SETTINGS.text
    assert settings.stat().st_mode & 0o777 == 0o644


def test_facts_tell_how_the_agent_is(device: LabDevice) -> None:
    """What it said of itself, with ages instead of times."""
    confirmed(device, START)
    (agent,) = device.client.facts(facts(device)).agents
    assert (agent.service, agent.alive, agent.counters) == ("mirror", True, {"changes": 2})
    assert [(str(entry.address), entry.state, entry.age_s) for entry in agent.entries] == [
        ("203.0.113.1", "unresolved", None)
    ]


def test_undone_change_stops_what_it_started(device: LabDevice) -> None:
    """Nothing of the service is left."""
    request = device.change(START)
    device.client.apply(request)
    device.client.revert(DecideRequest(request.id, "alice"))
    assert not has_service(device)
    assert not device.namespace.path(UNIT).exists()
    assert device.client.facts(facts(device)).agents == ()


def test_undone_stop_starts_it_again(device: LabDevice) -> None:
    """A service that a change took away runs again once that is undone."""
    confirmed(device, START)
    request = device.change(STOP)
    device.client.apply(request)
    assert device.client.facts(facts(device)).agents == ()
    device.client.revert(DecideRequest(request.id, "alice"))
    wait_until(lambda: has_service(device), what="the service runs again")


def test_dead_service_is_no_item_and_a_change_starts_it_again(device: LabDevice) -> None:
    """What has not been heard of for five seconds is something to do."""
    confirmed(device, START)
    device.namespace.run("sh", "-c", "kill $(cat /run/agent.pid); rm /run/agent.pid")
    assert not has_service(device)
    (agent,) = device.client.facts(facts(device)).agents
    assert not agent.alive
    confirmed(device, START)
    assert has_service(device)


def test_undone_upgrade_brings_the_former_agent_back(device: LabDevice) -> None:
    """The service takes over the agent of the change, and goes back to its own with it."""
    confirmed(device, START)
    former, boot = "/var/lib/netorch/agent/former", device.namespace.path("/var/lib/netorch/boot")
    device.namespace.run(
        "sh", "-c", f"mkdir {former}; touch {former}/__main__.py; ln -sfn {former} /var/lib/netorch/boot"
    )
    wait_until(lambda: not has_service(device), what="another agent than this one runs")
    request = device.change(START)
    device.client.apply(request)
    assert has_service(device)
    device.client.revert(DecideRequest(request.id, "alice"))
    assert str(boot.readlink()) == former
    wait_until(lambda: not has_service(device), what="the former agent runs")
    (agent,) = device.client.facts(facts(device)).agents
    assert (agent.alive, agent.agent) == (True, "former")


def test_service_that_does_not_start_reverts_the_change(device: LabDevice) -> None:
    """No success is reported that has not been seen; the unit goes."""
    device.namespace.path("/run/agent.py").write_text("raise SystemExit(1)\n")
    with pytest.raises(Reverted, match="service mirror does not start: it has said nothing"):
        device.client.apply(device.change(START))
    assert not device.namespace.path(UNIT).exists()


def test_entries_that_an_agent_may_change_do_not_outdate_a_plan(device: LabDevice) -> None:
    """Where the agent is installed, a neighbour that it moves between plan and apply is no reason to plan again."""
    confirmed(device, START)
    request = device.change(STOP)
    argv = ("ip", "neigh", "replace", "10.0.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0", "nud", "permanent")
    device.namespace.run(*argv, "protocol", "110")
    device.client.apply(request)
