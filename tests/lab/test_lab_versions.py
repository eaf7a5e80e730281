"""Devices of one lab run different daemons and versions: this machine's own, and those of the root file systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netorch.errors import NetorchError
from netorch.lab import lab_status, lab_up, set_service
from netorch.model.inventory import Inventory
from tests.lab.labs import Lab, booted, example_inventory, lab_settings, own_network, small
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

# Of the example's first POP: device, daemon, version, and how the daemon itself says it.
VERSIONS = {
    "sw1.pop1": ("frr", "10.3", "FRRouting 10.3"),
    "sw2.pop1": ("frr", "8.4.4", "FRRouting 8.4.4"),
    "h1.pop1": ("bird", "2.0.12", "BIRD version 2.0.12"),
    "h2.pop1": ("bird", "2.17", "BIRD version 2.17."),
    "h3.pop1": ("bird", "3.1", "BIRD version 3.1."),
}


def mixed(inventory: Inventory) -> Inventory:
    """The first POP alone, with the daemons and versions above."""
    pop = inventory.pop("pop1")

    def changes(device: str) -> dict[str, Any]:
        daemon, version, _ = VERSIONS[device]
        return {"daemon": daemon, "version": version}

    switches = tuple(replace(switch, **changes(switch.name)) for switch in pop.switches)
    pop = replace(pop, switches=switches, hosts=tuple(replace(host, **changes(host.name)) for host in pop.hosts))
    return small(replace(inventory, pops=(pop,)))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("versions")
    with own_network(), booted(mixed(example_inventory(folder)), lab_settings(folder, "-versions")) as up:
        yield up


def said_version(lab: Lab, device: str) -> str:
    """What the device's daemon says of itself; BIRD does on standard error."""
    if VERSIONS[device][0] == "frr":
        return lab.run(device, "vtysh", "-c", "show version")
    return lab.sh(device, "bird --version 2>&1")


@pytest.mark.parametrize("device", VERSIONS)
def test_device_runs_the_version_of_the_inventory(lab: Lab, device: str) -> None:
    """Each device has the daemon and the version that the inventory says, side by side in one POP."""
    assert VERSIONS[device][2] in said_version(lab, device)


@pytest.mark.parametrize("device", [name for name, (daemon, *_) in VERSIONS.items() if daemon == "bird"])
def test_bird_runs_as_its_own_user(lab: Lab, device: str) -> None:
    """BIRD answers, and not as root."""
    assert "Daemon is up and running" in lab.run(device, "birdc", "show", "status")
    assert lab.run(device, "ps", "-o", "user=", "-C", "bird").strip() == "bird"


@pytest.mark.parametrize("device", ["sw1.pop1", "sw2.pop1"])
def test_frr_runs_the_daemons_of_a_border(lab: Lab, device: str) -> None:
    """FRR's daemons answer, and each has read its part of the file."""
    wait_until(lambda: "bfdd" in lab.run(device, "vtysh", "-c", "show daemons"), timeout_s=10, what="bfdd")
    daemons = set(lab.run(device, "vtysh", "-c", "show daemons").split())
    assert daemons >= {"zebra", "staticd", "bgpd", "bfdd"}
    assert ("mgmtd" in daemons) == (device == "sw1.pop1")
    assert not daemons & {"ospfd", "ripd"}
    listed = {service.name for node in lab_status(lab.settings) if node.name == device for service in node.services}
    assert listed == daemons | {"sshd"}


@pytest.mark.parametrize("device", ["sw1.pop1", "sw2.pop1"])
def test_frr_daemon_that_died_comes_back_with_its_configuration(lab: Lab, device: str) -> None:
    """A killed bgpd is started again and given what frr.conf says."""
    text = "log syslog informational\nrouter bgp 64500\n bgp router-id 192.0.2.250\nexit\n"
    lab.run(device, "sh", "-c", "cat > /etc/frr/frr.conf", stdin=text)
    lab.run(device, "vtysh", "-b")
    lab.sh(device, "kill -9 $(cat /run/frr/bgpd.pid)")
    running = "vtysh -d bgpd -c 'show running-config' || true"
    wait_until(
        lambda: "bgp router-id 192.0.2.250" in lab.sh(device, running),
        timeout_s=20,
        what="bgpd has its configuration again",
    )


def test_frr_daemon_runs_once_it_is_enabled(lab: Lab) -> None:
    """/etc/frr/daemons decides which of FRR's daemons run."""
    lab.sh("sw1.pop1", "sed -i s/^ripd=no/ripd=yes/ /etc/frr/daemons")
    wait_until(lambda: "ripd" in lab.run("sw1.pop1", "vtysh", "-c", "show daemons"), timeout_s=20, what="ripd runs")
    lab.sh("sw1.pop1", "sed -i s/^ripd=yes/ripd=no/ /etc/frr/daemons")
    wait_until(lambda: "ripd" not in lab.run("sw1.pop1", "vtysh", "-c", "show daemons"), timeout_s=20, what="ripd ends")


def test_frr_daemon_is_stopped_and_started_like_any(lab: Lab) -> None:
    """Tests stop a daemon of FRR as they stop BIRD."""
    set_service("sw2.pop1", "bgpd", lab.settings, running=False)
    assert "bgpd" not in lab.run("sw2.pop1", "vtysh", "-c", "show daemons").split()
    set_service("sw2.pop1", "bgpd", lab.settings, running=True)
    wait_until(lambda: "bgpd" in lab.run("sw2.pop1", "vtysh", "-c", "show daemons"), timeout_s=20, what="bgpd")


def test_nothing_is_written_to_a_root_file_system(lab: Lab) -> None:
    """What a device writes stays in its own overlay."""
    lab.sh("h3.pop1", "echo mine > /etc/netorch-mine")
    assert not (lab.settings.root_of("debian13-bird3") / "etc/netorch-mine").exists()
    assert not (lab.settings.root_of("debian13-bird3") / "etc/netorch-lab").exists()


def test_missing_root_file_system_names_the_command(tmp_path: Path) -> None:
    """A lab that needs a root file system that was never made says how to make it, and makes nothing."""
    settings = replace(lab_settings(tmp_path, "-none"), rootfs=tmp_path / "nothing")
    with pytest.raises(NetorchError, match="debian13, debian13-frr, debian13-bird3") as raised:
        lab_up(mixed(example_inventory(tmp_path)), settings)
    assert "./dev rootfs" in raised.value.hint
    assert not settings.run.exists()


def test_version_that_no_root_has_is_refused(tmp_path: Path) -> None:
    """A version that the lab cannot play is an error that says what it can."""
    inventory = example_inventory(tmp_path)
    pop = inventory.pops[0]
    old = replace(pop.switches[0], version="1.6.8")
    with pytest.raises(NetorchError, match=r"no bird 1\.6\.8") as raised:
        lab_up(replace(inventory, pops=(replace(pop, switches=(old,)),)), lab_settings(tmp_path, "-old"))
    assert "bird 2.0.12, frr 8.4.4" in raised.value.hint
