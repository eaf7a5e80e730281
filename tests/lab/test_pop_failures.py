"""Devices that cannot be reached, or are not who they should be: each fails alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import exec_in, set_link, set_service, start_node, stop_node
from tests.lab.deployed_pop import POP, SWITCHES, FirstDeploy, wait_until_complete
from tests.lab.operator_shell import Said

pytestmark = pytest.mark.lab

RULE = ("ip", "rule", "show", "pref", "10001")
STALL_S = 20.0


@pytest.fixture
def drifted(pop: FirstDeploy) -> FirstDeploy:
    """Hosts h1 and h2 have something to be put right."""
    for host in ("h1.pop1", "h2.pop1"):
        exec_in(host, ("ip", "rule", "del", "pref", "10001"), pop.lab.settings)
        assert pop.lab.run(host, *RULE) == ""
    return pop


@pytest.fixture
def known_hosts(pop: FirstDeploy) -> Iterator[Path]:
    """The operator's known_hosts; put back afterwards."""
    path = pop.lab.settings.state / "known_hosts"
    text = path.read_text(encoding="ascii")
    yield path
    path.write_text(text, encoding="ascii")


def assert_failed_alone(said: Said, reasons: dict[str, str], *, changed: tuple[str, ...]) -> None:
    """One line for each device; below each that failed its reason and a hint; exactly ``changed`` changed."""
    rows = {line.split()[0]: line.split()[1] for line in said.out.splitlines() if _is_result(line)}
    assert {device for device, outcome in rows.items() if outcome == "failed"} == reasons.keys()
    assert {device for device, outcome in rows.items() if outcome == "changed"} == set(changed)
    assert len(rows) == 5
    for name, reason in reasons.items():
        below = said.out[said.out.index(f"{name:<8}  failed") :].splitlines()[1:3]
        assert reason in below[0]
        assert below[1].strip().startswith("hint: ")


def _is_result(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[1] in ("changed", "unchanged", "failed", "skipped", "unknown", "reverted")


def test_refused_connection_fails_alone(drifted: FirstDeploy) -> None:
    """With its sshd stopped a host fails with the reason, the others are deployed, and the exit code is 3."""
    set_service("h3.pop1", "sshd", drifted.lab.settings, running=False)
    try:
        said = drifted.netorch("deploy", POP, "--yes", code=3, timeout_s=STALL_S)
    finally:
        set_service("h3.pop1", "sshd", drifted.lab.settings, running=True)
    assert_failed_alone(said, {"h3.pop1": "refused the connection"}, changed=("h1.pop1", "h2.pop1"))
    assert all("lookup 1001" in drifted.lab.run(host, *RULE) for host in ("h1.pop1", "h2.pop1"))


def test_silence_stalls_nobody(drifted: FirstDeploy) -> None:
    """A host and a switch that answer nothing at all cost the rest of the deploy less than 20 seconds together."""
    silent = ("h3.pop1", "sw2.pop1")
    for name in silent:
        set_link(name, "mgmt0", drifted.lab.settings, connected=False)
    try:
        said = drifted.netorch("deploy", POP, "--yes", code=3, timeout_s=STALL_S)
    finally:
        for name in silent:
            set_link(name, "mgmt0", drifted.lab.settings, connected=True)
    assert_failed_alone(said, dict.fromkeys(silent, "nothing answers at"), changed=("h1.pop1", "h2.pop1"))


def test_nobody_can_be_reached(pop: FirstDeploy) -> None:
    """When no device of the targets can be reached the exit code is 4."""
    for switch in SWITCHES:
        set_service(switch, "sshd", pop.lab.settings, running=False)
    try:
        said = pop.netorch("deploy", "role:switch", "--limit", POP, "--yes", code=4, timeout_s=STALL_S)
        assert said.out.splitlines()[-1] == "2 failed"
        status = pop.netorch("status", "role:switch", "--limit", POP, code=4).out
        assert status.count("unreachable") == 2
    finally:
        for switch in SWITCHES:
            set_service(switch, "sshd", pop.lab.settings, running=True)


def test_restarted_host_is_made_whole(pop: FirstDeploy) -> None:
    """A host that lost power fails alone while it is off. When it is back its boot unit gives it all it had, tables included, so
    that the next deploy has nothing to do."""
    stop_node("h3.pop1", pop.lab.settings)
    try:
        said = pop.netorch("deploy", POP, "--yes", code=3, timeout_s=STALL_S)
        assert_failed_alone(said, {"h3.pop1": "198.18.1.13 port 22"}, changed=())
    finally:
        start_node("h3.pop1", pop.lab.settings)
    said = pop.netorch("deploy", POP, "--yes")
    assert said.out.splitlines()[-1] == "5 unchanged"
    wait_until_complete(pop)


def test_wrong_host_key_is_refused(drifted: FirstDeploy, known_hosts: Path) -> None:
    """A device with another key than the known one gets nothing sent; the message has both fingerprints and the file."""
    addresses = dict(line.split(" ", 1) for line in known_hosts.read_text(encoding="ascii").splitlines())
    addresses["198.18.1.12"] = addresses["198.18.1.11"]
    known_hosts.write_text("".join(f"{name} {key}\n" for name, key in addresses.items()), encoding="ascii")
    said = drifted.netorch("deploy", POP, "--yes", code=3)
    assert_failed_alone(said, {"h2.pop1": "the host key of 198.18.1.12 port 22 has changed"}, changed=("h1.pop1",))
    assert said.out.count("SHA256:") == 2
    assert str(known_hosts) in said.out
    assert drifted.lab.run("h2.pop1", *RULE) == ""
    assert "has changed" in drifted.netorch("plan", "h2.pop1", code=4).err


def test_unknown_host_key_is_refused(drifted: FirstDeploy, known_hosts: Path) -> None:
    """A device without a known key is not trusted on first use; the hint says how to make it known."""
    lines = known_hosts.read_text(encoding="ascii").splitlines()
    known_hosts.write_text("\n".join(line for line in lines if "198.18.1.12 " not in line) + "\n", encoding="ascii")
    said = drifted.netorch("deploy", "h2.pop1", "--yes", code=4)
    assert "is unknown" in said.out
    assert "ssh-keyscan 198.18.1.12" in said.out
    assert drifted.lab.run("h2.pop1", *RULE) == ""
