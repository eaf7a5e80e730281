"""``netorch run`` under cron: silent when all is well, puts right what is not, never two at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import set_service
from netorch.model.types import Family
from tests.lab.deployed_pop import POP, FirstDeploy, established, kernel_routes
from tests.lab.operator_shell import Said, cron_environment
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

CONFIGURATION = "/etc/bird/bird.conf"


def run(pop: FirstDeploy, *, code: int = 0) -> Said:
    """``netorch run`` as cron starts it, with the inventory named on the command line."""
    inventory = str(pop.netorch.folder / "inventory")
    return pop.netorch("run", POP, "--inventory", inventory, code=code, environment=cron_environment())


@pytest.fixture
def without_ssh(pop: FirstDeploy) -> Iterator[str]:
    """A host whose sshd does not run."""
    set_service("h3.pop1", "sshd", pop.lab.settings, running=False)
    yield "h3.pop1"
    set_service("h3.pop1", "sshd", pop.lab.settings, running=True)


def test_silent_when_all_is_well(pop: FirstDeploy) -> None:
    """Nothing is printed and the exit code is 0."""
    said = run(pop)
    assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize(
    ("node", "breakage", "told"),
    [
        ("h2.pop1", "ip rule del pref 10002", "+ rule ipv4 priority 10002 fwmark 1002 lookup 1002"),
        (
            "h3.pop1",
            "sysctl -qw net.ipv4.fib_multipath_hash_policy=0",
            "~ sysctl net.ipv4.fib_multipath_hash_policy = 1",
        ),
        ("sw1.pop1", "ip link set swp1 alias nonsense", "~ alias of swp1: northtel"),
        ("sw1.pop1", f"echo '# by hand' >> {CONFIGURATION}", f"~ file {CONFIGURATION}"),
        ("h3.pop1", f"rm {CONFIGURATION}", f"+ file {CONFIGURATION}"),
        ("sw2.pop1", "birdc disable northtel_2_v4", "+ session northtel_2_v4 open again"),
    ],
    ids=lambda text: text if "." in text and " " not in text else "",
)
def test_drift_is_put_right_and_told(pop: FirstDeploy, node: str, breakage: str, told: str) -> None:
    """What somebody changed by hand comes back; standard output names the device, the change and the result."""
    pop.lab.sh(node, breakage)
    lines = run(pop).out.splitlines()
    assert any(line.strip().startswith(told) for line in lines), lines
    assert [line.split()[0] for line in lines if line.split()[1:2] == ["changed"]] == [node]
    assert sorted(lines[-1].split(", ")) == ["1 changed", "4 unchanged"]
    pop.netorch("plan", POP, "--detailed-exitcode")


@pytest.mark.parametrize(("family", "address"), [(Family.IPV4, "192.0.2.11/32"), (Family.IPV6, "2001:db8:1::11/128")])
def test_a_service_address_comes_back_with_its_routes(pop: FirstDeploy, family: Family, address: str) -> None:
    """The kernel drops every route of that source without telling BIRD; they are back soon after the address is."""
    pop.lab.run("h1.pop1", "ip", "addr", "del", address, "dev", "lo")
    run(pop)
    expected = set(pop.main_tables[family])
    wait_until(
        lambda: expected <= set(kernel_routes(pop.lab, "h1.pop1", family, "main", proto="bird")),
        timeout_s=10,  # BIRD looks by itself once a minute
        what="the main table is whole again",
    )


def test_session_closed_by_hand_comes_back(pop: FirstDeploy) -> None:
    """A session that somebody disabled is Established after the run."""
    pop.lab.run("sw2.pop1", "birdc", "disable", "southnet_3_v6")
    run(pop)
    wait_until(lambda: established(pop.lab, "sw2.pop1"), timeout_s=20, what="the session is up again")


def test_second_run_leaves_at_once(pop: FirstDeploy) -> None:
    """While a run is at work another one exits 0 and says nothing; the first still ends well."""
    first = pop.netorch.start("run", POP, environment=cron_environment())
    try:
        wait_until(
            lambda: _holds_a_lock(first.pid) or first.poll() is not None,
            timeout_s=20,
            what="the first run holds its lock",
        )
        os.kill(first.pid, signal.SIGSTOP)
        assert _holds_a_lock(first.pid)
        second = pop.netorch("run", POP, timeout_s=15, environment=cron_environment())
        assert (second.out, second.err) == ("", "")
    finally:
        os.kill(first.pid, signal.SIGCONT)
        said = pop.netorch.finish(first, timeout_s=60)
    assert (said.code, said.out, said.err) == (0, "", "")


def test_dead_device_gives_exit_code_3(pop: FirstDeploy, without_ssh: str) -> None:
    """A device that cannot be reached is told once, with the reason; the others are put right all the same."""
    pop.lab.run("h1.pop1", "ip", "rule", "del", "pref", "10001")
    said = run(pop, code=3)
    assert "h1.pop1   changed" in said.out
    assert f"{without_ssh}   failed" in said.out
    assert (said.out + said.err).count("refused the connection") == 1


def _holds_a_lock(pid: int) -> bool:
    lines = (line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines())
    return any(words[1] == "FLOCK" and words[4] == str(pid) for words in lines)
