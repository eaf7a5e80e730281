"""Commands over SSH against real sshd processes: streams, ends, deadlines, many at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from netorch.errors import TimedOut, TransportError, Unreachable
from netorch.io.clock import Deadline, SystemClock
from netorch.model.inventory import Ssh
from tests.lab.ssh_server import SshLab, SshServer, ssh_lab
from tests.waiting import wait_until

__all__ = ["ssh_lab"]

pytestmark = pytest.mark.lab

MEGABYTE = 1_000_000


def test_a_command_gives_its_status_and_both_streams(ssh_lab: SshLab) -> None:
    """Exit status, standard output and standard error come back apart."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    reply = transport.run("cat; echo problem >&2; exit 3", stdin=b"input", timeout_s=10)
    transport.close()
    assert (reply.status, reply.stdout, reply.stderr) == (3, b"input", b"problem\n")


def test_one_connection_runs_commands_one_after_the_other(ssh_lab: SshLab) -> None:
    """A transport is used again, and each command has its own streams."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    replies = [transport.run(f"echo {number}", timeout_s=10).stdout for number in range(3)]
    transport.close()
    assert replies == [b"0\n", b"1\n", b"2\n"]


def test_large_streams_in_all_directions_do_not_block_each_other(ssh_lab: SshLab) -> None:
    """20 MB each on standard input, output and error at the same time arrive whole."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    stdin = os.urandom(20 * MEGABYTE)
    reply = transport.run("tee /dev/stderr", stdin=stdin, timeout_s=120)
    transport.close()
    assert (reply.status, reply.stdout == stdin, reply.stderr == stdin) == (0, True, True)


def test_a_command_may_leave_its_input_unread(ssh_lab: SshLab) -> None:
    """A command that ends before it has read its input still reports its status."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    reply = transport.run("exit 4", stdin=bytes(20 * MEGABYTE), timeout_s=60)
    transport.close()
    assert reply.status == 4


def test_output_that_ends_before_the_command_does_is_waited_for(ssh_lab: SshLab) -> None:
    """A command that closes its streams early still has its status read."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    reply = transport.run("echo early; exec >&- 2>&-; sleep 0.3; exit 5", timeout_s=10)
    transport.close()
    assert (reply.status, reply.stdout) == (5, b"early\n")


def test_a_killed_command_is_no_success(ssh_lab: SshLab) -> None:
    """A shell killed by SIGKILL has no exit status: TransportError, though its output was complete."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    with pytest.raises(TransportError, match="without an exit status"):
        transport.run("echo done; kill -9 $$", timeout_s=10)
    transport.close()


def test_a_connection_that_ends_is_no_empty_answer(ssh_lab: SshLab) -> None:
    """When the device's sshd dies in the middle of a command the reply is an error, not an empty success."""
    server = ssh_lab.server("sw1")
    transport = ssh_lab.connector(sw1=server).connect("sw1")
    started = ssh_lab.folder / "started"
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(transport.run, f"touch {started}; sleep 60", timeout_s=60)
        wait_until(started.exists, what="the command")
        server.signal(signal.SIGKILL)
        with pytest.raises(TransportError, match="ended before the command did"):
            reply.result(timeout=20)
    transport.close()


def test_a_dead_connection_refuses_the_next_command_at_once(ssh_lab: SshLab) -> None:
    """A command on a connection that has ended fails well before its deadline."""
    server = ssh_lab.server("sw1")
    transport = ssh_lab.connector(sw1=server).connect("sw1")
    server.signal(signal.SIGKILL)
    deadline = Deadline.after(SystemClock(), 30)
    with pytest.raises(TransportError) as caught:
        transport.run("true", timeout_s=60)
    transport.close()
    assert not deadline.passed()
    assert not isinstance(caught.value, TimedOut)


def test_a_slow_command_times_out_and_the_connection_stays_usable(ssh_lab: SshLab) -> None:
    """The deadline ends one command, not the connection."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    with pytest.raises(TimedOut, match=r"running sleep 60: no answer within 0\.5 s"):
        transport.run("sleep 60", timeout_s=0.5)
    reply = transport.run("echo still here", timeout_s=10)
    transport.close()
    assert reply.stdout == b"still here\n"


def test_a_device_that_stops_in_the_middle_of_a_large_upload_times_out(ssh_lab: SshLab) -> None:
    """SIGSTOP on the device while it takes 20 MB: TimedOut shortly after the deadline."""
    server = ssh_lab.server("sw1")
    transport = ssh_lab.connector(sw1=server).connect("sw1")
    started = ssh_lab.folder / "started"
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(transport.run, f"touch {started}; sleep 60; cat", stdin=bytes(20 * MEGABYTE), timeout_s=3)
        wait_until(started.exists, what="the command")
        server.signal(signal.SIGSTOP)
        with pytest.raises(TimedOut):
            reply.result(timeout=10)
    transport.close()


def test_a_stopped_sshd_times_out(ssh_lab: SshLab) -> None:
    """A stopped sshd, whose kernel still accepts connections, ends the connect at its deadline."""
    server = ssh_lab.server("sw1")
    server.signal(signal.SIGSTOP)
    with pytest.raises(TimedOut, match="no answer within 1 s"):
        ssh_lab.connector(sw1=server).connect("sw1", timeout_s=1)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2p1\r\n"], ids=["silent", "greets, then silent"])
def test_a_server_that_falls_silent_times_out(ssh_lab: SshLab, greeting: bytes) -> None:
    """A server that accepts the connection and then says nothing more ends the connect at its deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connector = ssh_lab.connector(sw1=Ssh("127.0.0.1", port=listener.getsockname()[1]))
        with ThreadPoolExecutor(1) as pool:
            connected = pool.submit(connector.connect, "sw1", timeout_s=1)
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(greeting)
                with pytest.raises(TimedOut, match="no answer within 1 s"):
                    connected.result(timeout=10)


def test_a_server_of_another_protocol_is_named(ssh_lab: SshLab) -> None:
    """What is not an SSH server is reported with what it said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connector = ssh_lab.connector(sw1=Ssh("127.0.0.1", port=listener.getsockname()[1]))
        with ThreadPoolExecutor(1) as pool:
            connected = pool.submit(connector.connect, "sw1", timeout_s=10)
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 100)
                with pytest.raises(Unreachable, match=r"HTTP/1\.1 400"):
                    connected.result(timeout=10)


def test_a_closed_port_is_unreachable(ssh_lab: SshLab) -> None:
    """Nothing listening: Unreachable, with address and port."""
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 port 1 refused the connection"):
        ssh_lab.connector(sw1=Ssh("127.0.0.1", port=1)).connect("sw1")


def test_a_server_that_hangs_up_is_unreachable(ssh_lab: SshLab) -> None:
    """A connection closed before the banner, as a full sshd does, says so."""
    server = ssh_lab.server("sw1", "MaxStartups 1")
    with socket.create_connection((server.address, server.port)):
        wait_until(lambda: len(server.workers()) > 1, what="the first connection")
        with pytest.raises(Unreachable, match="closed before the device said who it is"):
            ssh_lab.connector(sw1=server).connect("sw1")


def test_a_login_that_a_busy_sshd_dropped_is_tried_again(ssh_lab: SshLab) -> None:
    """An sshd that hangs up while it has too many logins lets a later try in."""
    server = ssh_lab.server("sw1", "MaxStartups 1")
    with ThreadPoolExecutor(1) as pool:
        with socket.create_connection((server.address, server.port)):
            wait_until(lambda: len(server.workers()) > 1, what="the first connection")
            connected = pool.submit(ssh_lab.connector(sw1=server).connect, "sw1")
            wait_until(lambda: "MaxStartups" in server.log.read_text(), what="a dropped login in sshd's log")
        connected.result(timeout=20).close()


def test_no_algorithm_in_common_is_readable(ssh_lab: SshLab) -> None:
    """An sshd that knows only SHA-1 key exchange is reported with what it offers."""
    server = ssh_lab.server("sw1", "KexAlgorithms diffie-hellman-group14-sha1")
    with pytest.raises(TransportError, match=r"no algorithm in common.*offers diffie-hellman-group14-sha1"):
        ssh_lab.connector(sw1=server).connect("sw1")


def test_fifty_connections_at_once_all_work(ssh_lab: SshLab) -> None:
    """50 threads through one connector to one sshd with its default MaxStartups all get their answer."""
    connector = ssh_lab.connector(sw1=ssh_lab.server("sw1"))

    def ask(number: int) -> bytes:
        transport = connector.connect("sw1", timeout_s=60)
        try:
            return transport.run(f"echo {number}", timeout_s=30).stdout
        finally:
            transport.close()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert answers == [f"{number}\n".encode() for number in range(50)]


def test_nothing_is_left_after_close_or_failure(ssh_lab: SshLab) -> None:
    """Threads and file descriptors are back to what they were after a session, a refusal and a time-out."""
    server, stopped = ssh_lab.server("sw1"), ssh_lab.server("sw2")
    connector = ssh_lab.connector(sw1=server, sw2=stopped, sw3=Ssh("127.0.0.1", port=server.port, user="nobody"))
    connector.connect("sw1").close()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    transport = connector.connect("sw1")
    transport.run("true", timeout_s=10)
    transport.close()
    stopped.signal(signal.SIGSTOP)
    for device in ("sw2", "sw3"):
        with pytest.raises(TransportError):
            connector.connect(device, timeout_s=1)
    wait_until(lambda: threading.active_count() == threads, timeout_s=2, what="all threads ended")
    assert len(os.listdir("/proc/self/fd")) == files


@pytest.fixture
def cable() -> Iterator[tuple[str, str]]:
    """A network namespace on a cable of its own: its name and its address; ``ip link`` knows our end as ``ssh-cable``."""
    _ip("netns add ssh-far")
    _ip("link add ssh-cable type veth peer name eth0 netns ssh-far")
    _ip("addr add 198.18.250.1/30 dev ssh-cable")
    _ip("link set ssh-cable up")
    _ip("-n ssh-far addr add 198.18.250.2/30 dev eth0")
    _ip("-n ssh-far link set eth0 up")
    yield "ssh-far", "198.18.250.2"
    _ip("link del ssh-cable")
    _ip("netns del ssh-far")


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


def _far_server(ssh_lab: SshLab, cable: tuple[str, str]) -> SshServer:
    namespace, address = cable
    return ssh_lab.server("far", address=address, namespace=namespace)


@pytest.mark.parametrize("work", ["sleep 120", "cat /dev/zero"], ids=["idle", "sending"])
def test_a_path_that_vanishes_ends_the_command(ssh_lab: SshLab, cable: tuple[str, str], work: str) -> None:
    """A cable pulled while a command runs ends it with an error long before its deadline."""
    transport = ssh_lab.connector(far=_far_server(ssh_lab, cable)).connect("far")
    started = ssh_lab.folder / "started"
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(transport.run, f"touch {started}; {work}", timeout_s=100)
        wait_until(started.exists, what="the command")
        _ip("link set ssh-cable down")
        with pytest.raises(TransportError, match="ended before the command did"):
            reply.result(timeout=20)
    transport.close()


def test_an_address_that_does_not_answer_is_unreachable(ssh_lab: SshLab, cable: tuple[str, str]) -> None:
    """A device that is off: Unreachable within the deadline."""
    server = _far_server(ssh_lab, cable)
    _ip("-n ssh-far link set eth0 down")
    with pytest.raises(Unreachable):
        ssh_lab.connector(far=server).connect("far", timeout_s=1)
