"""The watchdog on a machine that systemd runs: a unit of its own, or a process where that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.agent_device import LabDevice, bird_file, changed, configuration, install_program, systemd_device
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

LOAD = changed(bird_file(configuration("old")), bird_file(configuration("new")))

# Stands for systemd-run: notes how it was called, drops the options and starts the command outside of the session.
SYSTEMD_RUN = """#!/bin/sh
printf '%s\\n' "$@" >/run/called
while [ "${1#--}" != "$1" ]; do shift; done
setsid "$@" </dev/null >/dev/null 2>&1 &
"""


@pytest.fixture
def device() -> Iterator[LabDevice]:
    """One on which each test says how its systemd-run works."""
    with systemd_device() as lab:
        yield lab


def test_watchdog_is_a_unit_where_systemd_runs(device: LabDevice) -> None:
    """The unit is named after the change, runs the very agent that applied it, and undoes the change at its deadline."""
    install_program(device, "systemd-run", SYSTEMD_RUN)
    device.client.apply(device.change(LOAD, confirm_timeout_s=1.0))
    called = device.namespace.path("/run/called").read_text().splitlines()
    assert "--unit=netorch-watchdog-change-1" in called
    assert called[-2:] == ["watchdog", "change-1"]
    wait_until(lambda: device.live_stamp() == "old", what="the unit has undone the change")


def test_watchdog_is_a_process_where_systemd_refuses(device: LabDevice) -> None:
    """A systemd-run that fails costs the device nothing of its safety."""
    install_program(device, "systemd-run", "#!/bin/sh\nexit 1\n")
    device.client.apply(device.change(LOAD, confirm_timeout_s=1.0))
    wait_until(lambda: device.live_stamp() == "old", what="the process has undone the change")


def test_boot_unit_is_installed_where_systemd_runs(device: LabDevice) -> None:
    """The first change brings a unit that is wanted at boot, comes before the daemon, and whose command works."""
    install_program(device, "systemd-run", SYSTEMD_RUN)
    device.client.apply(device.change(LOAD))
    unit = device.namespace.path("/etc/systemd/system/netorch-boot.service")
    lines = unit.read_text().splitlines()
    assert "Before=bird.service frr.service" in lines
    (command,) = [line.partition("=")[2] for line in lines if line.startswith("ExecStart=")]
    wanted = device.namespace.path("/etc/systemd/system/multi-user.target.wants/netorch-boot.service")
    assert str(wanted.readlink()) == "/etc/systemd/system/netorch-boot.service"
    said = device.namespace.run(*command.split())
    assert '"outcome": "recovered"' in said
    assert device.live_stamp() == "old"
