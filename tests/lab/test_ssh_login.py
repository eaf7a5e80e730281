"""Logging in to real sshd processes: host keys, keys, agents, ssh_config, jump hosts."""

from __future__ import annotations

import dataclasses
import re
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from netorch.errors import AuthError, TimedOut, TransportError, Unreachable, annotated
from netorch.io.ssh import SshConnector
from netorch.model.inventory import Ssh
from tests.lab.ssh_server import SshLab, SshServer, make_key, public_key, ssh_lab
from tests.waiting import wait_until

__all__ = ["ssh_lab"]

pytestmark = pytest.mark.lab


def _says_hello(connector: SshConnector, device: str) -> bool:
    transport = connector.connect(device)
    reply = transport.run("echo hello", timeout_s=10)
    transport.close()
    return reply.stdout == b"hello\n"


def _fingerprint(server: SshServer) -> str:
    listed = subprocess.run(["ssh-keygen", "-lf", str(server.host_keys[0])], check=True, capture_output=True, text=True)
    return listed.stdout.split()[1]


def _assert_nobody_tried_to_log_in(server: SshServer) -> None:
    wait_until(lambda: "[preauth]" in server.log.read_text(), what="the end of the connection in sshd's log")
    assert not re.search(r"publickey|Accepted|Failed|authenticating user", server.log.read_text())


def test_an_unknown_host_key_is_refused_before_anything_is_sent(ssh_lab: SshLab) -> None:
    """The error names the fingerprint and the files that lack it; the device sees no attempt to log in."""
    server = ssh_lab.server("sw1")
    ssh_lab.known_hosts.unlink()
    with pytest.raises(AuthError) as caught:
        ssh_lab.connector(sw1=server).connect("sw1")
    assert f"sw1: the host key of 127.0.0.1 port {server.port} is unknown" in str(caught.value)
    assert f"found ssh-ed25519 {_fingerprint(server)}" in str(caught.value)
    assert f"expected a key for [127.0.0.1]:{server.port} in {ssh_lab.known_hosts}" in str(caught.value)
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {ssh_lab.known_hosts}" in annotated(caught.value)
    _assert_nobody_tried_to_log_in(server)


def test_a_changed_host_key_is_refused_before_anything_is_sent(ssh_lab: SshLab) -> None:
    """The error names both fingerprints, file and line, and how to forget the old key."""
    server = ssh_lab.server("sw1")
    old = make_key(ssh_lab.folder / "old")
    ssh_lab.known_hosts.write_text(f"# devices\n[127.0.0.1]:{server.port} {public_key(old)}\n")
    with pytest.raises(AuthError, match=r"has changed: found ssh-ed25519 SHA256:") as caught:
        ssh_lab.connector(sw1=server).connect("sw1")
    assert f"({ssh_lab.known_hosts}:2)" in str(caught.value)
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {ssh_lab.known_hosts}" in caught.value.hint
    _assert_nobody_tried_to_log_in(server)


def test_the_inventorys_known_hosts_is_the_only_one_asked(ssh_lab: SshLab) -> None:
    """A key that only the user's own known_hosts has does not count when the inventory names a file."""
    server = ssh_lab.server("sw1")
    own = ssh_lab.folder / "known_hosts"
    settings = Ssh("127.0.0.1", port=server.port, known_hosts=str(own))
    with pytest.raises(AuthError, match="is unknown"):
        ssh_lab.connector(sw1=settings).connect("sw1")
    own.write_text(server.known_hosts_lines())
    assert _says_hello(ssh_lab.connector(sw1=settings), "sw1")


def test_hashed_known_hosts_are_understood(ssh_lab: SshLab) -> None:
    """What ssh-keygen -H makes of a known_hosts file still lets the device in."""
    server = ssh_lab.server("sw1")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(ssh_lab.known_hosts)], check=True, stderr=subprocess.DEVNULL)
    assert ssh_lab.known_hosts.read_text().startswith("|1|")
    assert _says_hello(ssh_lab.connector(sw1=server), "sw1")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_device_is_asked_for_the_key_type_that_is_known(ssh_lab: SshLab, kind: str) -> None:
    """Of a device with three host keys only one is known: that one is used, as ssh does."""
    server = ssh_lab.server("sw1", host_keys=("ed25519", "ecdsa", "rsa"))
    index = ("ed25519", "ecdsa", "rsa").index(kind)
    ssh_lab.known_hosts.write_text(server.known_hosts_lines().splitlines(keepends=True)[index])
    assert _says_hello(ssh_lab.connector(sw1=server), "sw1")


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_user_keys_work(ssh_lab: SshLab, kind: str) -> None:
    """ECDSA and RSA keys log in as well."""
    server = ssh_lab.server("sw1")
    key = make_key(ssh_lab.folder / kind, kind=kind)
    server.authorize(key)
    settings = Ssh("127.0.0.1", port=server.port, identity=str(key))
    assert _says_hello(ssh_lab.connector(sw1=settings), "sw1")


def test_a_key_that_the_device_does_not_know_is_refused(ssh_lab: SshLab) -> None:
    """The error names user, key file and fingerprint, and where the key belongs."""
    server = ssh_lab.server("sw1")
    stranger = make_key(ssh_lab.folder / "stranger")
    with pytest.raises(AuthError) as caught:
        ssh_lab.connector(sw1=Ssh("127.0.0.1", port=server.port, identity=str(stranger))).connect("sw1")
    assert f"logging in to 127.0.0.1 port {server.port} as root: refused {stranger} (SHA256:" in str(caught.value)
    assert "authorized_keys" in caught.value.hint


def test_no_key_at_all_says_so(ssh_lab: SshLab) -> None:
    """Without agent and key files the error says that there is nothing to offer."""
    server = ssh_lab.server("sw1")
    ssh_lab.key.unlink()
    with pytest.raises(AuthError, match="there is no key to offer"):
        ssh_lab.connector(sw1=server).connect("sw1")


def test_a_missing_identity_is_named(ssh_lab: SshLab) -> None:
    """An identity of the inventory that does not exist is an error about that file, and no other key is tried."""
    server = ssh_lab.server("sw1")
    missing = ssh_lab.folder / "missing"
    with pytest.raises(AuthError, match=f"no key to offer; not usable: {missing}: No such file"):
        ssh_lab.connector(sw1=Ssh("127.0.0.1", port=server.port, identity=str(missing))).connect("sw1")


def test_an_encrypted_key_needs_an_agent(ssh_lab: SshLab) -> None:
    """Without an agent an encrypted key is a clear error; with the key in an agent it logs in."""
    server = ssh_lab.server("sw1")
    key = make_key(ssh_lab.folder / "secret", passphrase="open sesame")
    server.authorize(key)
    settings = Ssh("127.0.0.1", port=server.port, identity=str(key))
    with pytest.raises(AuthError, match=f"{key}: encrypted, and no agent holds it") as caught:
        ssh_lab.connector(sw1=settings).connect("sw1")
    assert "ssh-add" in caught.value.hint
    ssh_lab.start_agent(key, passphrase="open sesame")
    assert _says_hello(ssh_lab.connector(sw1=settings), "sw1")


def test_a_key_that_only_the_agent_has_logs_in(ssh_lab: SshLab) -> None:
    """Keys without a file are offered from the agent."""
    server = ssh_lab.server("sw1")
    ssh_lab.start_agent(ssh_lab.key)
    shutil.rmtree(ssh_lab.home / ".ssh", ignore_errors=False)
    (ssh_lab.home / ".ssh").mkdir()
    ssh_lab.known_hosts.write_text(server.known_hosts_lines())
    assert _says_hello(ssh_lab.connector(sw1=server), "sw1")


def test_identities_only_keeps_other_agent_keys_back(ssh_lab: SshLab) -> None:
    """With IdentitiesOnly an agent's other keys, which would use up sshd's patience, are not offered."""
    server = ssh_lab.server("sw1")
    ssh_lab.start_agent(*(make_key(ssh_lab.folder / f"other{number}") for number in range(8)))
    connector = ssh_lab.connector(sw1=server)
    with pytest.raises(AuthError, match="Too many authentication failures") as caught:
        connector.connect("sw1")
    assert "MaxAuthTries" in caught.value.hint
    ssh_lab.config.write_text("IdentitiesOnly yes\n")
    assert _says_hello(connector, "sw1")


def test_an_agent_that_is_gone_is_no_obstacle(ssh_lab: SshLab) -> None:
    """A stale SSH_AUTH_SOCK is passed over while a key file works."""
    server = ssh_lab.server("sw1")
    ssh_lab.agent_socket = str(ssh_lab.folder / "gone")
    assert _says_hello(ssh_lab.connector(sw1=server), "sw1")


def test_ssh_config_is_applied(ssh_lab: SshLab) -> None:
    """HostName, Port, User, IdentityFile, UserKnownHostsFile and HostKeyAlias of ssh_config lead to the device."""
    server = ssh_lab.server("sw1")
    key = make_key(ssh_lab.folder / "special")
    server.authorize(key)
    ssh_lab.key.unlink()
    known_hosts = ssh_lab.folder / "elsewhere"
    known_hosts.write_text(f"switch-one {public_key(server.host_keys[0])}\n")
    ssh_lab.config.write_text(
        f"Host sw?.mgmt\n  HostName 127.0.0.1\n  Port {server.port}\n  User root\n  IdentityFile {key}\n"
        f"  UserKnownHostsFile {known_hosts}\n  HostKeyAlias switch-one\n"
    )
    assert _says_hello(ssh_lab.connector(sw1=Ssh("sw1.mgmt")), "sw1")


def test_an_ssh_config_that_cannot_be_followed_names_its_line(ssh_lab: SshLab) -> None:
    """What netorch does not do is refused with file and line, not passed over."""
    ssh_lab.config.write_text("# mine\nMatch exec true\n  ProxyJump bastion\n")
    with pytest.raises(TransportError, match=rf"sw1: {ssh_lab.config}:2: netorch does not follow 'Match exec'"):
        ssh_lab.connector(sw1=Ssh("127.0.0.1")).connect("sw1")


def test_a_chain_of_jump_hosts_leads_to_the_device(ssh_lab: SshLab) -> None:
    """Two jump hosts, one after the other, and the device behind them, which sees the last one's address."""
    first, second, server = (ssh_lab.server(name) for name in ("first", "second", "sw1"))
    ssh_lab.config.write_text(f"Host second\n  HostName 127.0.0.1\n  Port {second.port}\n")
    jump = f"root@127.0.0.1:{first.port},second"
    connector = ssh_lab.connector(sw1=Ssh("127.0.0.1", port=server.port, proxy_jump=jump))
    assert _says_hello(connector, "sw1")
    assert all("Accepted publickey for root" in each.log.read_text() for each in (first, second, server))


def test_large_streams_pass_a_jump_host(ssh_lab: SshLab) -> None:
    """5 MB each way through a jump host arrive whole."""
    jump, server = ssh_lab.server("jump"), ssh_lab.server("sw1")
    settings = Ssh("127.0.0.1", port=server.port, proxy_jump=f"127.0.0.1:{jump.port}")
    transport = ssh_lab.connector(sw1=settings).connect("sw1")
    reply = transport.run("cat", stdin=bytes(5_000_000), timeout_s=60)
    transport.close()
    assert reply.stdout == bytes(5_000_000)


def test_a_stopped_jump_host_holds_nobody_up(ssh_lab: SshLab) -> None:
    """A jump host that stops during a large upload: TimedOut shortly after the deadline, and close() returns."""
    jump, server = ssh_lab.server("jump"), ssh_lab.server("sw1")
    settings = Ssh("127.0.0.1", port=server.port, proxy_jump=f"127.0.0.1:{jump.port}")
    transport = ssh_lab.connector(sw1=settings).connect("sw1")
    started = ssh_lab.folder / "started"
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(transport.run, f"touch {started}; cat >/dev/null", stdin=bytes(500_000_000), timeout_s=3)
        wait_until(started.exists, what="the command")
        jump.signal(signal.SIGSTOP)
        with pytest.raises(TimedOut):
            reply.result(timeout=10)
        pool.submit(transport.close).result(timeout=10)


def test_a_jump_hosts_unknown_key_is_refused(ssh_lab: SshLab) -> None:
    """Jump hosts are checked as strictly as devices: the device hears nothing."""
    jump, server = ssh_lab.server("jump"), ssh_lab.server("sw1")
    ssh_lab.known_hosts.write_text(server.known_hosts_lines())
    settings = Ssh("127.0.0.1", port=server.port, proxy_jump=f"127.0.0.1:{jump.port}")
    with pytest.raises(AuthError, match=rf"sw1: the host key of 127\.0\.0\.1 port {jump.port} is unknown"):
        ssh_lab.connector(sw1=settings).connect("sw1")
    assert "Connection from" not in server.log.read_text()


def test_a_jump_host_that_cannot_reach_the_device_says_so(ssh_lab: SshLab) -> None:
    """The error names both, and the jump host's own reason."""
    jump = ssh_lab.server("jump")
    settings = Ssh("127.0.0.1", port=1, proxy_jump=f"127.0.0.1:{jump.port}")
    with pytest.raises(
        Unreachable, match=r"reaching 127\.0\.0\.1 port 1 through 127\.0\.0\.1 port \d+: Connect failed"
    ):
        ssh_lab.connector(sw1=settings).connect("sw1")


def test_a_proxy_command_is_the_way_to_the_device(ssh_lab: SshLab) -> None:
    """ProxyCommand with its tokens; here ssh itself as the command."""
    jump, server = ssh_lab.server("jump"), ssh_lab.server("sw1")
    options = f"-F none -i {ssh_lab.key} -o UserKnownHostsFile={ssh_lab.known_hosts} -p {jump.port}"
    ssh_lab.config.write_text(f"Host 127.0.0.1\n  ProxyCommand ssh {options} -W %h:%p %r@127.0.0.1\n")
    assert _says_hello(ssh_lab.connector(sw1=server), "sw1")
    assert "Accepted publickey" in jump.log.read_text()


def test_a_proxy_command_that_fails_is_quoted(ssh_lab: SshLab) -> None:
    """What the command says on standard error is in the message."""
    ssh_lab.config.write_text("ProxyCommand sh -c 'echo no tunnel today >&2; exit 1'\n")
    with pytest.raises(Unreachable, match="its ProxyCommand says: no tunnel today"):
        ssh_lab.connector(sw1=Ssh("127.0.0.1")).connect("sw1")


def test_the_inventory_wins_over_ssh_config(ssh_lab: SshLab) -> None:
    """Port, user, identity, known_hosts and jump host of the inventory are used although ssh_config has others."""
    server = ssh_lab.server("sw1")
    ssh_lab.config.write_text(
        "Port 1\nUser nobody\nIdentityFile /nowhere\nUserKnownHostsFile /nowhere\nProxyJump nowhere.invalid\n"
    )
    settings = Ssh("127.0.0.1", server.port, "root", str(ssh_lab.known_hosts), str(ssh_lab.key), "none")
    assert _says_hello(ssh_lab.connector(sw1=settings), "sw1")
    with pytest.raises(TransportError):
        ssh_lab.connector(sw1=dataclasses.replace(settings, port=None)).connect("sw1", timeout_s=5)
