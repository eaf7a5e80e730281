"""What tests of netorch do to a lab: stop, start, kill, repair."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from netorch.lab import lab_status, lab_up, restart_node, set_service, start_node, stop_node
from netorch.lab.processes import recorded
from tests.lab.labs import Lab, booted, example_inventory, lab_settings, own_network, small
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def pop2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("faults")
    inventory = small(example_inventory(folder))
    with own_network(), booted(replace(inventory, pops=inventory.pops[1:]), lab_settings(folder, "faults")) as lab:
        yield lab


def service(lab: Lab, node: str, name: str) -> tuple[int | None, int]:
    """Process id and number of starts."""
    status = next(each for each in lab_status(lab.settings) if each.name == node)
    return next((each.pid, each.starts) for each in status.services if each.name == name)


def test_killed_daemon_comes_back(pop2: Lab) -> None:
    """The supervisor restarts a daemon that died."""
    pid, starts = service(pop2, "h1.pop2", "bird")
    pop2.run("h1.pop2", "kill", "-9", str(pid))
    wait_until(lambda: service(pop2, "h1.pop2", "bird")[1] == starts + 1, timeout_s=10, what="bird is started again")
    wait_until(
        lambda: "up and running" in pop2.sh("h1.pop2", "birdc show status || true"), timeout_s=10, what="bird answers"
    )


def test_stopped_daemon_stays_down(pop2: Lab) -> None:
    """A service that was stopped is not restarted until it is asked for."""
    set_service("h1.pop2", "bird", pop2.settings, running=False)
    assert "bird.ctl" not in pop2.run("h1.pop2", "ls", "/run/bird")
    assert service(pop2, "h1.pop2", "bird")[0] is None
    set_service("h1.pop2", "bird", pop2.settings, running=True)
    wait_until(
        lambda: "up and running" in pop2.sh("h1.pop2", "birdc show status || true"), timeout_s=10, what="bird answers"
    )


def test_restart_keeps_files_and_loses_the_rest(pop2: Lab) -> None:
    """After a reboot files are there; addresses, rules, /run and processes are as after a boot; sysctl.d is applied."""
    pop2.sh(
        "h2.pop2",
        """
        echo kept > /etc/kept; touch /run/lost; sleep 4712 </dev/null >/dev/null 2>&1 &
        ip addr add 192.0.2.200/32 dev lo; ip rule add fwmark 7 table 7
        mkdir -p /etc/sysctl.d; echo 'net.ipv4.conf.all.rp_filter = 0' > /etc/sysctl.d/90-test.conf
        """,
    )
    restart_node("h2.pop2", pop2.settings)
    assert pop2.run("h2.pop2", "cat", "/etc/kept") == "kept\n"
    assert "lost" not in pop2.run("h2.pop2", "ls", "/run").split()
    assert "4712" not in pop2.run("h2.pop2", "ps", "-eo", "args")
    assert "192.0.2.200" not in pop2.run("h2.pop2", "ip", "addr")
    assert "fwmark" not in pop2.run("h2.pop2", "ip", "rule")
    assert pop2.run("h2.pop2", "sysctl", "-n", "net.ipv4.conf.all.rp_filter").strip() == "0"
    wait_until(lambda: pop2.ping("h2.pop2", "10.2.1.1"), timeout_s=5, what="the uplink works")


def test_neighbours_of_a_restarted_node_keep_their_ends(pop2: Lab) -> None:
    """While a host is down its switch only loses the carrier; what is configured on the cable's other end stays."""
    stop_node("h1.pop2", pop2.settings)
    assert not next(status for status in lab_status(pop2.settings) if status.name == "h1.pop2").running
    start_node("h1.pop2", pop2.settings)
    assert "swp11" in pop2.run("sw1.pop2", "ip", "link", "show", "master", "br0")
    wait_until(lambda: pop2.ping("h1.pop2", "10.2.1.1"), timeout_s=5, what="the uplink works")


@pytest.mark.parametrize("node", ["northtel", "internet", "sw1.pop2"])
def test_any_node_can_be_restarted(pop2: Lab, node: str) -> None:
    """Providers, the Internet and switches too come back with a working network."""
    restart_node(node, pop2.settings)
    wait_until(lambda: pop2.ping("northtel", "8.8.8.8"), timeout_s=10, what="northtel reaches the Internet")
    wait_until(lambda: pop2.ping("northtel", "203.0.113.18"), timeout_s=10, what="northtel reaches the switch")
    wait_until(lambda: pop2.ping("h1.pop2", "10.2.1.1"), timeout_s=10, what="a host reaches the switch")


def test_up_repairs_what_died(pop2: Lab) -> None:
    """lab_up starts a node that was killed, plugs a cable that is gone, and leaves the others alone."""
    init = {s.name: recorded(pop2.settings.node_folder(s.name) / "init") for s in lab_status(pop2.settings)}
    victim = init["h1.pop2"]
    assert victim is not None
    os.kill(victim.pid, signal.SIGKILL)
    pop2.run("meadow", "ip", "link", "del", "circuit6")
    lab_up(pop2.inventory, pop2.settings)
    after = {name: recorded(pop2.settings.node_folder(name) / "init") for name in init}
    assert after["h1.pop2"] not in (None, victim)
    assert {name for name in init if init[name] != after[name]} == {"h1.pop2"}
    wait_until(lambda: pop2.ping("h1.pop2", "10.2.1.1"), timeout_s=5, what="the host reaches its switch")
    wait_until(lambda: pop2.ping("meadow", "203.0.113.22"), timeout_s=5, what="meadow reaches the switch")
