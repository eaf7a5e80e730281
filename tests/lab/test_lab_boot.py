"""A booted lab: what an operator's shell and netorch find."""

import stat
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.errors import NetorchError, TimedOut
from netorch.lab import INTERNET_NODE, LabSettings, exec_in, expected_prefixes, lab_status, lab_up, log_files
from netorch.lab.processes import recorded
from netorch.model.types import Family
from tests.lab.labs import Lab, booted, example_inventory, lab_settings, own_network, small
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

DEVICES = ("sw1.pop1", "sw2.pop1", "h1.pop1", "h2.pop1", "h3.pop1", "sw1.pop2", "h1.pop2", "h2.pop2")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The shipped inventory as it boots: nothing has been deployed there yet."""
    folder = tmp_path_factory.mktemp("booted")
    with own_network(), booted(example_inventory(folder), lab_settings(folder, "boot")) as up:
        yield up


def ssh(lab: Lab, address: str, command: str) -> subprocess.CompletedProcess[str]:
    """OpenSSH's client with the lab's key and a strict host key check."""
    state = lab.settings.state
    options = ["BatchMode=yes", f"UserKnownHostsFile={state / 'known_hosts'}", "StrictHostKeyChecking=yes"]
    argv = ["ssh", "-F", "none", "-i", str(state / "id_ed25519"), *(word for o in options for word in ("-o", o))]
    return subprocess.run([*argv, f"root@{address}", command], capture_output=True, text=True, timeout=20, check=False)


def test_every_node_runs(lab: Lab) -> None:
    """Each device, provider and the Internet has a namespace and all its daemons."""
    nodes = {status.name: status for status in lab_status(lab.settings)}
    assert set(nodes) == {*DEVICES, "northtel", "southnet", "meadow", INTERNET_NODE}
    assert all(status.running for status in nodes.values())
    assert {s.name for s in nodes["h1.pop1"].services if s.pid} == {"bird", "sshd"}
    assert {s.name for s in nodes[INTERNET_NODE].services if s.pid} == {"bird", "delay", "responder"}


@pytest.mark.parametrize("device", DEVICES)
def test_devices_are_reached_by_ssh(lab: Lab, device: str) -> None:
    """The lab's key opens every device at its inventory address, and the host key is known."""
    address = next(each.ssh.address for each in lab.inventory.devices if each.name == device)
    done = ssh(lab, address, "hostname; id -un; command -v python3; birdc show status")
    lines = done.stdout.splitlines()
    assert lines[:3] == [device, "root", "/usr/bin/python3"], done.stderr
    assert "Daemon is up and running" in lines


def test_every_device_has_a_host_key_of_its_own(lab: Lab) -> None:
    """No two devices share a key, and known_hosts has each once."""
    lines = (lab.settings.state / "known_hosts").read_text().splitlines()
    assert len(lines) == len(DEVICES)
    assert len({line.split()[2] for line in lines}) == len(DEVICES)


def test_bird_runs_as_its_package_has_it(lab: Lab) -> None:
    """Configured as after installation, as user bird, with its socket where birdc looks for it."""
    assert lab.run("h1.pop1", "ps", "-o", "user=", "-C", "bird").strip() == "bird"
    assert lab.run("h1.pop1", "stat", "-c", "%U %G %a", "/etc/bird/bird.conf").strip() == "bird bird 640"
    protocols = lab.run("h1.pop1", "birdc", "show", "protocols")
    assert "BGP" not in protocols
    assert "kernel1" in protocols


def test_devices_do_not_see_this_machine(lab: Lab) -> None:
    """Homes, keys, logs and processes of the machine are out of sight."""
    assert lab.sh("h1.pop1", "ls -A /root /home").split() == ["/home:", "/root:", ".ssh"]
    assert set(lab.run("h1.pop1", "ls", "/etc/ssh").split()) == {
        "sshd_config",
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
    }
    assert "supervisor.py" in lab.run("h1.pop1", "ps", "-o", "args=", "-p", "1")


def test_devices_do_not_share_files(lab: Lab) -> None:
    """What one device writes is neither on another nor on this machine."""
    lab.run("h1.pop1", "touch", "/etc/only-here")
    assert exec_in("h2.pop1", ["test", "-e", "/etc/only-here"], lab.settings).returncode == 1
    assert not Path("/etc/only-here").exists()
    lab.run("h1.pop1", "rm", "/etc/only-here")


def test_secrets_are_made_and_private(lab: Lab) -> None:
    """The example's password exists, and nobody else may read it or the key."""
    secret = lab.settings.state / "secrets/southnet"
    assert len(secret.read_text().strip()) >= 16
    for path in (secret, lab.settings.state / "id_ed25519"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_addresses_are_as_an_installer_leaves_them(lab: Lab) -> None:
    """Uplinks, fabric and circuits are configured; service addresses and mirror entries are not."""
    assert lab.run("h1.pop1", "ip", "-br", "-4", "addr", "show", "dev", "eth0").split()[2:] == ["10.1.1.11/24"]
    assert lab.run("h1.pop1", "ip", "-br", "-4", "addr", "show", "dev", "lo").split()[2:] == ["127.0.0.1/8"]
    fabric = lab.run("sw1.pop1", "ip", "-br", "-4", "addr", "show", "dev", "br0").split()[2:]
    assert fabric == ["10.1.1.1/24", "203.0.113.2/30", "203.0.113.14/30"]
    assert lab.run("sw1.pop1", "sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").split() == [
        "1",
        "1",
    ]
    assert lab.run("h1.pop1", "ip", "rule", "show").count("\n") == 3


def test_hosts_reach_their_switches(lab: Lab) -> None:
    """Every uplink works in both families from the start."""
    for host in (device for device in lab.inventory.devices if device.name.startswith("h")):
        for uplink in host.uplinks:  # type: ignore[union-attr]
            switch = next(each for each in lab.inventory.devices if each.name == uplink.switch)
            for family in Family:
                address = str(switch.fabric_address(family).ip)  # type: ignore[union-attr]
                wait_until(
                    lambda h=host, a=address: lab.ping(h.name, a), timeout_s=5, what=f"{host.name} reaches {address}"
                )  # type: ignore[misc]


@pytest.mark.parametrize("provider", ["northtel", "southnet", "meadow"])
@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
def test_providers_hold_what_they_are_to_announce(lab: Lab, provider: str, family: Family) -> None:
    """The provider's daemon has exactly the expected prefixes, good and bad; it ignored none."""
    good, bad = expected_prefixes(lab.inventory, provider, family)
    text = lab.run(
        provider, "birdc", "show", "route", "protocol", f"announced{family.number}", "table", f"edge{family.number}"
    )
    found = {line.split()[0] for line in text.splitlines() if "blackhole" in line}
    assert found == {str(prefix) for prefix in good | bad}


def round_trips_ms(lab: Lab, provider: str, destination: str, *, count: int) -> list[float]:
    """Round trips from a provider's own router to the Internet."""
    argv = ["ping", "-n", "-q", "-c", str(count), "-i", "0.01", "-W", "1", destination]
    text = exec_in(provider, [word for word in argv if word != "-q"], lab.settings, timeout_s=60).stdout.decode()
    return [float(line.split("time=")[1].split()[0]) for line in text.splitlines() if "time=" in line]


@pytest.mark.parametrize(("provider", "delay_ms"), [("northtel", 10), ("southnet", 30), ("meadow", 80)])
@pytest.mark.parametrize("destination", ["8.8.8.8", "2a00::1"])
def test_internet_is_as_far_as_the_inventory_says(lab: Lab, provider: str, delay_ms: int, destination: str) -> None:
    """Any address answers; the delay is the provider's, in both families."""
    times = round_trips_ms(lab, provider, destination, count=20)
    assert delay_ms <= min(times)
    assert statistics.median(times) < delay_ms + 15  # the next provider is 20 ms further


def test_only_the_lossy_provider_loses(lab: Lab) -> None:
    """Meadow loses about 5 % of what arrives on it; northtel loses nothing."""
    assert len(round_trips_ms(lab, "northtel", "9.9.9.9", count=200)) == 200
    assert 5 <= 400 - len(round_trips_ms(lab, "meadow", "9.9.9.9", count=400)) <= 45


def test_up_again_changes_nothing(lab: Lab) -> None:
    """A second lab_up finds every process alive and leaves it alone."""
    folder = lab.settings.files / "nodes"
    before = {status.name: recorded(folder / status.name / "init") for status in lab_status(lab.settings)}
    reports: list[str] = []
    lab_up(lab.inventory, lab.settings, reports.append)
    assert {name: recorded(folder / name / "init") for name in before} == before
    assert reports[-1] == "every node runs"


def test_another_inventory_is_refused(lab: Lab) -> None:
    """A running lab is not rebuilt under its user's feet."""
    with pytest.raises(NetorchError, match="another inventory") as caught:
        lab_up(small(lab.inventory), lab.settings)
    assert caught.value.hint == "netorch lab down"


def test_logs_are_found_from_outside(lab: Lab) -> None:
    """The system log of a device, with BIRD's own words, is among its log files."""
    logs = {path.name: path for path in log_files("h1.pop1", lab.settings)}
    assert "bird: Started" in logs["syslog"].read_text()


def test_unknown_node_is_named(lab: Lab) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(NetorchError, match="no such node") as caught:
        exec_in("h9.pop1", ["true"], lab.settings)
    assert "h3.pop1" in caught.value.hint


def test_no_lab_is_said(lab: Lab, tmp_path: Path) -> None:
    """Without a lab, status is empty and other commands name the one that makes it."""
    nowhere = LabSettings(state=tmp_path / ".lab", run=tmp_path / "run")
    assert lab_status(nowhere) == ()
    with pytest.raises(NetorchError, match="no lab is up"):
        exec_in("h1.pop1", ["true"], nowhere)


def test_command_that_hangs_is_ended(lab: Lab) -> None:
    """At its deadline a command inside a node is killed with its children."""
    with pytest.raises(TimedOut, match=r"did not end within 0\.5 s"):
        exec_in("h1.pop1", ["sh", "-c", "sleep 4711; true"], lab.settings, timeout_s=0.5)
    wait_until(
        lambda: "sleep 4711" not in lab.run("h1.pop1", "ps", "-eo", "args").replace("sh -c", ""),
        timeout_s=5,
        what="the command is gone",
    )


def test_production_address_is_refused(lab: Lab) -> None:
    """A management address that could be real is never put on this machine."""
    pop = lab.inventory.pops[1]
    host = replace(pop.hosts[0], ssh=replace(pop.hosts[0].ssh, address="10.0.0.1"))
    real = replace(lab.inventory, pops=(replace(pop, hosts=(host,)),))
    with pytest.raises(NetorchError, match=r"198\.18\.0\.0/15"):
        lab_up(real, lab.settings)
