"""A terminal of the reader of an example's README: the same lines, in a fresh clone, on a machine without a lab."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.labs import ROOT
from tests.lab.operator_shell import Said

# A machine of its own as far as the lab is concerned: its /run, its interfaces.
_HOLD = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/sshd
mount -t sysfs sysfs /sys
ip link set lo up
echo ready
exec sleep infinity
"""
NETORCH = ".venv/bin/netorch"


@dataclass(frozen=True)
class Terminal:
    """Runs lines of ``readme`` in ``folder``; ``holder`` is the process id that holds the machine's namespaces."""

    folder: Path
    example: str
    readme: str
    holder: int

    @property
    def netorch(self) -> str:
        """How each line begins that needs the inventory."""
        return f"{NETORCH} --inventory inventory/examples/{self.example}"

    def type(self, line: str, *, code: int | None = 0, timeout_s: float = 60.0) -> Said:
        """Run a line that stands in the README; it must end with ``code`` (None: any). Its output is ``out``, errors included."""
        assert f"\n    {line}\n" in self.readme, f"the README has no line '{line}'"
        said = self.run(*shlex.split(line.removeprefix("sudo ")), timeout_s=timeout_s)
        assert code in (None, said.code), f"{line}: exit code {said.code}\n{said.out}{said.err}"
        return said

    def run(self, *argv: str, timeout_s: float = 60.0) -> Said:
        """Run a command however it ends."""
        done = subprocess.run(
            self._entered(*argv),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Said(argv, done.returncode, done.stdout, done.stderr)

    def lab_exec(self, node: str, *argv: str) -> Said:
        """Run a command in a node; it must succeed."""
        said = self.run(NETORCH, "lab", "exec", node, *argv)
        assert said.code == 0, f"{node}: {argv}: {said.out}{said.err}"
        return said

    def inside(self, node: str, *argv: str) -> Said:
        """Run a command in the network of a node, with this machine's files: quicker than ``netorch lab exec``."""
        return self.run(*_in_network(node), *argv)

    def start_inside(self, node: str, *argv: str) -> subprocess.Popen[str]:
        """The same as a process that goes on; its output is piped."""
        return subprocess.Popen(self._entered(*_in_network(node), *argv), stdout=subprocess.PIPE, text=True)

    def ping(self, station: str, destination: str) -> bool:
        """Whether one ping is answered within a second."""
        return self.inside(station, "ping", "-n", "-c", "1", "-W", "1", destination).code == 0

    def _entered(self, *argv: str) -> tuple[str, ...]:
        return ("nsenter", f"--target={self.holder}", "--mount", "--net", f"--wd={self.folder}", *argv)


def _in_network(node: str) -> tuple[str, ...]:
    return ("nsenter", f"--net=/run/netns/netorch-{node}")


@contextmanager
def terminal(example: str, folder: Path) -> Iterator[Terminal]:
    """A terminal in ``folder``, which has what a clone has; the lab that was booted there is gone after the block."""
    shutil.copytree(ROOT / "inventory", folder / "inventory", ignore=shutil.ignore_patterns(".lab"))
    (folder / ".venv").symlink_to(sys.prefix)
    readme = (folder / "inventory/examples" / example / "README.md").read_text(encoding="utf-8")
    unshare = ["unshare", "--net", "--mount", "--propagation=private", "sh", "-c", _HOLD]
    with subprocess.Popen(unshare, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            there = Terminal(folder, example, readme, holder.pid)
            try:
                yield there
            finally:
                there.run(*there.netorch.split(), "lab", "down")
        finally:
            holder.kill()
