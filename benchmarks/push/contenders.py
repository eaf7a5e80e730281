"""Ways to bring one file to every device. Each returns the seconds that it took and leaves its result on the devices."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

from benchmarks import peers
from benchmarks.push.fleet import PORT, TARGET, Fleet, environment

WORKERS = 32  # as many as netorch works on at once
PEERS = "push"
PACKAGES = ("ansible-core", "asyncssh", "pyinfra")
BARE_START = "exec /usr/bin/python3 -I -S -c pass"

# Upload, validate, compare, rename, all from standard input.
ONE_EXEC = f"""set -e
cat >{TARGET}.new
printf '%s  {TARGET}.new\\n' SHA256 | sha256sum --check --status
/usr/sbin/bird -p -c {TARGET}.new
if cmp -s {TARGET}.new {TARGET}; then rm {TARGET}.new; else mv {TARGET}.new {TARGET}; fi
"""


def one_exec(content: bytes) -> str:
    """The command that takes ``content`` on its standard input."""
    return ONE_EXEC.replace("SHA256", hashlib.sha256(content).hexdigest())


def _in_threads(work: Callable[[str], None], names: Iterable[str]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(work, names):
            pass
    return time.perf_counter() - start


def _plain_paramiko(fleet: Fleet, name: str, command: str, stdin: bytes = b"") -> None:
    address = fleet.addresses[name]
    sock = socket.create_connection((address, PORT), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.SSHClient()
    client.load_host_keys(str(fleet.known_hosts))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    slow = {"kex": ["mlkem768x25519-sha256"]}
    client.connect(
        address, PORT, "root", key_filename=str(fleet.key), allow_agent=False, look_for_keys=False,
        disabled_algorithms=slow, sock=sock, timeout=60, banner_timeout=60, auth_timeout=60,
    )  # fmt: skip
    given, out, _ = client.exec_command(command, timeout=60)
    given.write(stdin)
    given.channel.shutdown_write()
    out.read()
    status = out.channel.recv_exit_status()
    client.close()
    assert status == 0, f"{name}: {command.splitlines()[0]}: exit status {status}"


def floor(fleet: Fleet, connections: int) -> float:
    """Per device ``connections`` one after the other, with a bare start of its python3 on each: nothing is pushed."""

    def work(name: str) -> None:
        for _ in range(connections):
            _plain_paramiko(fleet, name, BARE_START)

    return _in_threads(work, fleet.addresses)


def paramiko_one_exec(fleet: Fleet, content: bytes) -> float:
    """Plain paramiko, one connection, one command."""
    command = one_exec(content)
    return _in_threads(lambda name: _plain_paramiko(fleet, name, command, content), fleet.addresses)


def netorch_one_exec(fleet: Fleet, content: bytes) -> float:
    """netorch's transport, one connection, one command."""
    connector, command = fleet.connector(), one_exec(content)

    def work(name: str) -> None:
        transport = connector.connect(name, timeout_s=60)
        reply = transport.run(command, stdin=content, timeout_s=60)
        transport.close()
        assert reply.status == 0, reply

    return _in_threads(work, fleet.addresses)


def control_master(fleet: Fleet, content: bytes) -> float:
    """OpenSSH: a master connection per device, then scp and ssh over it."""
    source = fleet.folder / "content"
    source.write_bytes(content)
    check = one_exec(content).replace(f"cat >{TARGET}.new\n", "")

    def work(name: str) -> None:
        options = [*fleet.ssh_options(), "-o", f"ControlPath={fleet.folder}/master-{name}"]
        ssh, login = ["ssh", *options], f"root@{fleet.addresses[name]}"
        subprocess.run([*ssh, "-fNM", login], check=True)
        subprocess.run(["scp", "-q", *options, str(source), f"{login}:{TARGET}.new"], check=True)
        subprocess.run([*ssh, login, check], check=True)
        subprocess.run([*ssh, "-q", "-O", "exit", login], check=True, stderr=subprocess.DEVNULL)

    return _in_threads(work, fleet.addresses)


def asyncssh_one_exec(fleet: Fleet, content: bytes) -> float:
    """asyncssh, one connection, one command; the start of its interpreter does not count."""
    (fleet.folder / "content").write_bytes(content)
    script = Path(__file__).with_name("asyncssh_push.py")
    command = [
        str(peers.program(PEERS, "python")),
        str(script),
        str(fleet.folder / "content"),
        one_exec(content),
        str(WORKERS),
    ]
    printed = subprocess.run(
        command, input=fleet.describe(), check=True, capture_output=True, text=True, env=environment()
    )
    return float(printed.stdout)


def pyinfra(fleet: Fleet, content: bytes) -> float:
    """pyinfra's files.put: a plain copy that compares a checksum, without validation. The whole process counts."""
    (fleet.folder / "content").write_bytes(content)
    shared = {
        "ssh_user": "root", "ssh_key": str(fleet.key),
        "ssh_known_hosts_file": str(fleet.known_hosts), "ssh_strict_host_key_checking": "yes",
    }  # fmt: skip
    hosts = [(name, {**shared, "ssh_hostname": address}) for name, address in fleet.addresses.items()]
    (fleet.folder / "hosts.py").write_text(f"hosts = {hosts!r}\n")
    deploy = (
        f"from pyinfra.operations import files\nfiles.put(src={str(fleet.folder / 'content')!r}, dest={TARGET!r})\n"
    )
    (fleet.folder / "deploy.py").write_text(deploy)
    return _process(
        [str(peers.program(PEERS, "pyinfra")), "-y", "--parallel", str(WORKERS), "hosts.py", "deploy.py"], fleet
    )


def ansible(fleet: Fleet, content: bytes) -> float:
    """Ansible's copy with validation, pipelining on, facts off. The whole process counts."""
    (fleet.folder / "content").write_bytes(content)
    lines = [f"{name} ansible_host={address}" for name, address in fleet.addresses.items()]
    (fleet.folder / "hosts.ini").write_text("\n".join(lines) + "\n")
    (fleet.folder / "play.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.copy:\n"
        f"        src: {fleet.folder}/content\n        dest: {TARGET}\n        validate: /usr/sbin/bird -p -c %s\n"
    )
    masters = fleet.folder / f"cp{time.monotonic_ns()}"
    masters.mkdir()
    settings = environment(
        ANSIBLE_HOME=str(fleet.folder / "ansible"),
        ANSIBLE_PIPELINING="True",
        ANSIBLE_FORKS=str(WORKERS),
        ANSIBLE_SSH_ARGS=" ".join(["-o ControlMaster=auto -o ControlPersist=5s", *fleet.ssh_options()]),
        ANSIBLE_SSH_CONTROL_PATH_DIR=str(masters),
        ANSIBLE_REMOTE_USER="root",
        ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
        LC_ALL="C.UTF-8",
    )
    return _process([str(peers.program(PEERS, "ansible-playbook")), "-i", "hosts.ini", "play.yml"], fleet, settings)


def _process(command: list[str], fleet: Fleet, settings: dict[str, str] | None = None) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=fleet.folder, env=settings or environment(), capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - start
    assert done.returncode == 0, f"{command[0]}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return taken
