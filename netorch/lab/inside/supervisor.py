"""First process of a node: starts its services, restarts those that die, collects orphans, keeps the system log.

A service named NAME stays down while ``/run/netorch-lab/NAME.stopped`` exists; SIGHUP makes the supervisor look. What runs
is written to ``/run/netorch-lab/services.json`` after every change. A service with ``enabled_by``, as FRR's daemons have it, runs
only while that file has that line. Beside the node's own services it runs those that netorch's agent asks for by a file in
``/var/lib/netorch/services``. Both are looked at every half second.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

RUN = "/run/netorch-lab"
LOGS = "/var/log"
SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM)
RESTART_S = (0.1, 1.0)  # after a service that had run for a while; after one that died at once
SHORT_LIFE_S = 5.0
AGENT = "/var/lib/netorch/boot"
AGENT_TIMEOUT_S = 60.0
AGENT_SERVICES = "/var/lib/netorch/services"
LOOK_S = 0.2


class Service:
    def __init__(self, spec: Dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.argv: List[str] = spec["argv"]
        self.directories = spec["directories"]
        self.once: bool = spec["once"]
        self.marker: str = spec.get("marker", "")
        self.enabled_by: List[str] = spec.get("enabled_by", [])
        self.pid: Optional[int] = None
        self.started = 0.0
        self.starts = 0
        self.due: Optional[float] = 0.0

    @property
    def enabled(self) -> bool:
        return (not self.marker or os.path.exists(self.marker)) and (not self.enabled_by or has_line(*self.enabled_by))

    @property
    def wanted(self) -> bool:
        if not self.enabled:
            return False
        return not os.path.exists(f"{RUN}/{self.name}.stopped") and not (self.once and self.starts)

    def start(self) -> None:
        for path, owner, mode in self.directories:
            user = pwd.getpwnam(owner)
            os.makedirs(path, exist_ok=True)
            os.chown(path, user.pw_uid, user.pw_gid)
            os.chmod(path, mode)
        self.pid = os.fork()
        self.started, self.due = time.monotonic(), None  # noqa: TID251
        self.starts += 1
        if self.pid == 0:
            try:
                self.run()
            finally:
                os._exit(127)

    def run(self) -> None:
        """In the child: become the service."""
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        log = os.open(f"{LOGS}/{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            os.execv(self.argv[0], self.argv)  # noqa: S606
        except OSError as error:
            os.write(2, f"{self.argv[0]}: {error}\n".encode())

    def ended(self) -> None:
        now = time.monotonic()  # noqa: TID251
        self.pid, self.due = None, now + RESTART_S[now - self.started < SHORT_LIFE_S]


def has_line(path: str, line: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return line in file.read().splitlines()
    except FileNotFoundError:
        return False


def apply_sysctls() -> None:
    """What systemd-sysctl does at boot, for the network's settings alone: the others belong to the whole machine."""
    for path in sorted(glob.glob("/etc/sysctl.d/*.conf"), key=os.path.basename):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, equals, value = (part.strip() for part in line.partition("="))
                if not equals or not name.lstrip("-").startswith(("net.ipv4.", "net.ipv6.")):
                    continue
                try:
                    with open("/proc/sys/" + name.lstrip("-").replace(".", "/"), "w", encoding="ascii") as setting:
                        setting.write(value)
                except OSError as error:
                    print(f"{path}: {name}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the node's boot log


def recover() -> None:
    """What the agent's boot unit does where systemd runs: before any daemon starts, if a deploy has been here."""
    if not os.path.exists(f"{AGENT}/__main__.py"):
        return
    argv = ["/usr/bin/python3", "-I", "-S", AGENT, "recover"]
    with open(f"{LOGS}/netorch-boot.log", "ab") as log:
        try:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=AGENT_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            log.write(f"{error}\n".encode())


def write_status(services: List[Service], written: Dict[str, Any]) -> Dict[str, Any]:
    """Write what runs, if it is not what is ``written``; what is written then."""
    status = {
        service.name: {"pid": service.pid, "starts": service.starts}
        for service in services
        if service.enabled or service.pid is not None
    }
    if status == written:
        return written
    with open(f"{RUN}/services.new", "w", encoding="ascii") as file:
        json.dump(status, file)
    os.rename(f"{RUN}/services.new", f"{RUN}/services.json")
    return status


def open_log_socket() -> socket.socket:
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)  # noqa: S103 - every user may log
    log.setblocking(False)
    return log


def copy_log(log: socket.socket) -> None:
    """Append what waits on /dev/log to the system log, without its priority."""
    with open(f"{LOGS}/syslog", "ab") as file:
        while True:
            try:
                message = log.recv(65536)
            except BlockingIOError:
                return
            if message.startswith(b"<"):
                message = message.partition(b">")[2]
            file.write(message.rstrip(b"\n\0") + b"\n")


def reap(services: List[Service]) -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for service in services:
            if service.pid == pid:
                service.ended()


def find_agents(services: List[Service]) -> None:
    """Add the services that netorch's agent asks for, and forget those that it no longer does once they have ended."""
    names = sorted(os.listdir(AGENT_SERVICES)) if os.path.isdir(AGENT_SERVICES) else []
    services[:] = [s for s in services if not s.marker or s.name in names or s.pid is not None]
    known = {service.name for service in services}
    for name in names:
        if name in ("feed", "mirror") and name not in known:
            argv = ["/usr/bin/python3", "-I", "-S", AGENT, name]
            marker = f"{AGENT_SERVICES}/{name}"
            services.append(Service({"name": name, "argv": argv, "directories": [], "once": False, "marker": marker}))


def update(services: List[Service]) -> float:
    """Start and stop what is to be started and stopped; seconds until it is time to look again."""
    find_agents(services)
    now = time.monotonic()  # noqa: TID251
    waits = [LOOK_S]
    for service in services:
        if not service.wanted:
            if service.pid is not None and not service.once:
                os.kill(service.pid, signal.SIGTERM)
        elif service.pid is None:
            due = service.due or 0.0
            if due <= now:
                service.start()
            else:
                waits.append(due - now)
    return min(waits)


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        services = [Service(spec) for spec in json.load(file)["services"]]
    os.umask(0o022)
    os.makedirs(RUN, exist_ok=True)
    apply_sysctls()
    recover()
    log = open_log_socket()
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    status: Dict[str, Any] = {}
    while True:
        reap(services)
        wait_s = update(services)
        status = write_status(services, status)
        ready, _, _ = select.select([reader, log.fileno()], [], [], wait_s)
        if log.fileno() in ready:
            copy_log(log)
        if reader in ready and signal.SIGTERM in os.read(reader, 4096):
            return 0


if __name__ == "__main__":
    raise SystemExit(main())
