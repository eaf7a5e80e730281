"""A real FRR of any release in a network namespace, with ``/etc/frr`` and sockets of its own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netorch.lab import LabSettings
from netorch.lab.rootfs import check_rootfses, rootfs_for
from netorch.model.capabilities import parse_version
from tests.waiting import wait_until

_LOCKED = "datastore locked by another session"
"""What mgmtd of 10.3 says to one part of ``vtysh -b`` while it serves another: its lines are not loaded then."""
_LOADINGS = 5

DAEMONS = ("mgmtd", "zebra", "staticd", "bgpd", "bfdd")
CONFIGURATION = "/etc/frr/frr.conf"
_PRIVATE = ("etc/frr", "run/frr", "var/tmp/frr", "var/log/frr", "var/lib/frr")
# The holder of the mounts; what runs in the node enters through it.
_HOLD = """
set -e
root=$1; shift
hostname "$0"
for folder; do mkdir -p "$root/$folder"; mount -t tmpfs tmpfs "$root/$folder"; done
[ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
[ -e "$root/dev/null" ] && [ "$root" = / ] || mount --rbind /dev "$root/dev"
mkdir -p "$root/var/run"
for folder; do chroot "$root" chown frr:frr "/$folder"; done
# Only from inside: whoever enters before would be in this machine's own root.
exec chroot "$root" sh -c 'echo ready; exec sleep infinity'
"""


def folder_of(version: str) -> Path:
    """Where the root file system is that has FRR ``version``. Raises NetorchError where it has not been made."""
    settings, root = LabSettings(state=Path("/nonexistent")), rootfs_for("frr", version)
    check_rootfses(settings.rootfs, [root])
    return settings.root_of(root)


@dataclass
class FrrNode:
    """FRR ``version`` in the network namespace ``netns``."""

    netns: str
    version: str
    holder: subprocess.Popen[bytes]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` inside."""
        entered = ("--mount", "--uts", "--net", "--root", "--wd=/")
        return ["nsenter", f"--target={self.holder.pid}", *entered, *argv]

    def attempt(self, *argv: str, stdin: str = "", timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """``argv`` inside, however it ends."""
        return subprocess.run(
            self.command(*argv), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def run(self, *argv: str, stdin: str = "") -> str:
        """Standard output of ``argv`` inside; it must succeed."""
        done = self.attempt(*argv, stdin=stdin)
        assert done.returncode == 0, f"{self.netns}: {argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def vtysh(self, *commands: str) -> str:
        """What FRR answers."""
        return self.run("vtysh", *(word for command in commands for word in ("-c", command)))

    def write(self, text: str, path: str = CONFIGURATION) -> None:
        """Put a file in place as FRR's own user."""
        self.run("sh", "-euc", f'umask 027; cat > "{path}"; chown frr:frr "{path}"', stdin=text)

    def start(self, text: str, *, also: tuple[str, ...] = ()) -> None:
        """Start the daemons, and those named ``also``, with the configuration ``text``, as their start script does."""
        self.write(text)
        self.write("service integrated-vtysh-config\n", "/etc/frr/vtysh.conf")
        for daemon in (*(DAEMONS if parse_version(self.version) >= (9,) else DAEMONS[1:]), *also):
            address = "127.0.0.1"
            argv = [f"/usr/lib/frr/{daemon}", "-A", address, "--log", f"file:/var/log/frr/{daemon}.log"]
            self.daemons[daemon] = subprocess.Popen(
                self.command(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            ask = ("vtysh", "-d", daemon, "-c", "show version")
            wait_until(lambda ask=ask: self.attempt(*ask).returncode == 0, what=f"{daemon} answers")  # type: ignore[misc]
        for _ in range(_LOADINGS):
            loaded = self.attempt("vtysh", "-b")
            said = loaded.stdout + loaded.stderr
            if _LOCKED not in said:
                break
        assert loaded.returncode == 0, said
        assert not re.findall(r"^%|^line \d|does not exist", said, re.MULTILINE), said

    def check(self, text: str) -> str:
        """What ``vtysh -C`` has to say of ``text``, "" where it is content."""
        self.write(text, "/etc/frr/candidate.conf")
        done = self.attempt("vtysh", "-C", "-f", "/etc/frr/candidate.conf")
        return f"{done.returncode}: {done.stdout}{done.stderr}" if done.returncode else done.stdout + done.stderr

    def reload(self, text: str) -> str:
        """Load ``text`` into the running daemons; the log."""
        self.write(text)
        return self._frr_reload("--reload", "--stdout")

    def differences(self) -> str:
        """What ``frr-reload.py --test`` would change, "" for nothing."""
        return self._frr_reload("--test")

    def running(self) -> dict[str, list[str]]:
        """``show running-config``, as ``canonical`` has it."""
        return canonical(self.vtysh("show running-config"))

    def stop(self) -> None:
        """Kill the daemons, as a crash would."""
        for daemon in (*self.daemons.values(), self.holder):
            daemon.kill()
            daemon.wait(10)
        if self.holder.stdout is not None:
            self.holder.stdout.close()

    def _frr_reload(self, *options: str) -> str:
        done = self.attempt("/usr/lib/frr/frr-reload.py", *options, CONFIGURATION, timeout_s=180.0)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def canonical(text: str) -> dict[str, list[str]]:
    """What a configuration says: the lines of each section, in order, by its first line. Which section comes first differs from
    release to release, and matters to none."""
    found: dict[str, list[str]] = {}
    head = ""
    for line in map(str.rstrip, text.splitlines()):
        said = line.strip()
        if not said or said[0] == "!" or said in ("exit", "end") or line in _NOT_SAID or line.startswith("frr version"):
            continue
        if line[0] == " ":
            found[head].append(line)
        else:
            head = line
            found.setdefault(head, [])
    return found


_NOT_SAID = ("Building configuration...", "Current configuration:")


@contextmanager
def frr_node(netns: str, version: str) -> Iterator[FrrNode]:
    """A node without daemons yet; everything of it is gone after the block."""
    argv = ["ip", "netns", "exec", netns, "unshare", "--mount", "--uts", "--propagation", "private"]
    holder = subprocess.Popen(
        [*argv, "sh", "-c", _HOLD, netns, str(folder_of(version)), *_PRIVATE], stdout=subprocess.PIPE
    )
    node = FrrNode(netns, version, holder)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield node
    finally:
        node.stop()
