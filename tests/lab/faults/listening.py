"""Everything through which a secret could be told, listened to: argument lists, environments, syslog, files, and output."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from netorch.agent.clock import uptime
from tests.lab.faults.bed import Target
from tests.lab.labs import ROOT
from tests.lab.looker import Looker
from tests.lab.operator_shell import Said

MARK = "".join(("KAN", "ARI"))
"""Every canary begins with it; written so that this file is none of the places where it is found."""

_INTERVAL_S = 0.01
_PRIVATE_OWNERS = ("root:root", "root:bird", "root:frr", "frr:frr")
_YOUNG_S, _AGAIN_S = 1.0, 2.0
_ANCESTORS = 6
_OWN_DEV = """
mkdir -p "$1/dev"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=755 tmpfs /dev
for device in null zero random urandom; do : > "/dev/$device"; mount --bind "$1/dev/$device" "/dev/$device"; done
ln -s /proc/self/fd /dev/fd
ln -s "$1/log" /dev/log
shift
exec "$@"
"""


class ProcessList(Looker):
    """Reads the argument list and the environment of every process that there is, of all devices too, again and again: those
    of a young process a hundred times a second, as far as the machine allows.

    ``found`` are places with a canary. A controller may have its own secrets in its environment, and what it starts has them
    from it (git, a ProxyCommand): nobody but the same user can read them there.
    """

    def __init__(self) -> None:
        super().__init__(interval_s=_INTERVAL_S)
        self.samples = 0
        self.found: set[str] = set()
        self._seen: dict[str, tuple[float, float]] = {}

    def look(self) -> None:
        """At every process whose turn it is."""
        names = set(filter(str.isdigit, os.listdir("/proc")))
        self._seen = {name: times for name, times in self._seen.items() if name in names}
        now = uptime()
        for name in names:
            first, last = self._seen.get(name, (now, 0.0))
            if now - first < _YOUNG_S or now - last > _AGAIN_S:
                self._seen[name] = (first, now)
                self._look_at(name)

    def _look_at(self, name: str) -> None:
        environment = _read(f"/proc/{name}/environ")
        line = _read(
            f"/proc/{name}/cmdline"
        )  # afterwards: a program that begins gets both at once, and until then has none
        self.samples += 1
        if MARK.encode() in line:
            self.found.add(f"argument list: {_words(line)}")
        # Without one it has ended meanwhile, or begins another program, which is seen next time.
        if line and MARK.encode() in environment and not _is_of_a_controller(name, line):
            self.found.add(f"environment of: {_words(line)}")


def _is_of_a_controller(pid: str, line: bytes) -> bool:
    """Whether the process with this argument list is one, or was started by one on the same machine."""
    own = os.readlink("/proc/self/ns/pid")
    for _ in range(_ANCESTORS):
        if pid == "0":
            return False
        words = line.split(b"\0")
        try:
            if b"netorch" in words and os.readlink(f"/proc/{pid}/ns/pid") == own:
                return True
        except OSError:
            return True  # it has ended meanwhile, so that nobody can say: the argument list would have told
        stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if len(stat) < 2:
            return True
        pid = stat[1].decode()
        line = _read(f"/proc/{pid}/cmdline")
    return False


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _words(line: bytes) -> str:
    return line.replace(b"\0", b" ")[:200].decode(errors="replace")


class Desk:
    """A machine for controllers with a syslog of its own; a context manager. ``logged`` is what came there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logged: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Desk:
        self.folder.mkdir(mode=0o700)
        self._socket.bind(str(self.folder / "log"))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", str(self.folder / "log"))
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while data := self._socket.recv(1 << 16):
            self.logged.append(data)

    def netorch(self, folder: Path, *arguments: str, environment: Mapping[str, str], timeout_s: float = 240.0) -> Said:
        """``netorch ARGUMENTS`` in ``folder``; its syslog is this one."""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _OWN_DEV, "sh", str(self.folder)]
        command += [sys.executable, "-m", "netorch", *arguments]
        inherited = dict(os.environ)  # noqa: TID251 - what an operator's shell has
        done = subprocess.run(
            command,
            cwd=folder,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Said(arguments, done.returncode, done.stdout, done.stderr)


def files_for_others(since: Path, folders: Sequence[Path]) -> list[str]:
    """Files on this machine that others may use, younger than ``since``, with a canary in them."""
    places = [str(folder) for folder in folders if folder.is_dir()]
    find = ["find", *places, "-xdev", "-type", "f", "-newer", str(since), "-perm", "/077", "-size", "-20M", "-print0"]
    listed = subprocess.run(find, capture_output=True, check=False).stdout
    grep = ["xargs", "-0", "-r", "grep", "-ls", MARK]
    return subprocess.run(grep, input=listed, capture_output=True, check=False).stdout.decode().splitlines()


def files_of_device(target: Target) -> tuple[list[str], list[str]]:
    """Files of the device that others may use, or that are logs, with a canary in them; and all others with one."""
    script = (
        f"find / /run /dev/shm -xdev \\( -path {shlex.quote(str(ROOT))} -o -path /usr -o -path /tmp \\) -prune -o "
        f"-type f -mmin -120 -size -20M -print0 2>/dev/null | xargs -0 -r grep -ls {MARK} 2>/dev/null"
        " | xargs -r -d '\\n' stat -c '%a %U:%G %n' || true"
    )
    open_to: list[str] = []
    kept: list[str] = []
    for line in target.sh(script).splitlines():
        mode, owner, path = line.split(" ", 2)
        is_private = not int(mode, 8) & 0o007 and (not int(mode, 8) & 0o070 or owner in _PRIVATE_OWNERS)
        (kept if is_private and "/log/" not in path else open_to).append(path)
    return open_to, kept
