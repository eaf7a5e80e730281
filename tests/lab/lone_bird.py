"""A real BIRD without neighbours, to load configurations into and read them back; and BIRDs of any release in namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.agent.bird import stamp_of
from netorch.agent.bird_daemon import BirdControl
from netorch.lab import LabSettings
from netorch.lab.rootfs import check_rootfses, rootfs_for
from netorch.model.state import Protocol
from netorch.parse import parse_protocols
from tests.lab.labs import own_network
from tests.waiting import wait_until

# The folder lies below /tmp: nothing is written into the root file system itself.
_ENTER = 'mount -t tmpfs tmpfs "$0/tmp"; mkdir -p "$0$1"; mount --bind "$1" "$0$1"; shift; exec chroot "$0" "$@"'


def start_bird(netns: str, folder: Path, name: str, *, version: str = "2.0.12") -> subprocess.Popen[bytes]:
    """BIRD ``version`` in a network namespace, with ``folder``/NAME.conf; it listens at NAME.ctl when this returns."""
    paths = [str(folder / f"{name}.{end}") for end in ("conf", "ctl", "pid")]
    command = ["bird", "-f", "-c", paths[0], "-s", paths[1], "-P", paths[2]]
    settings, root = LabSettings(state=folder), rootfs_for("bird", version)
    check_rootfses(settings.rootfs, [root])
    if settings.root_of(root) != Path("/"):
        command = ["unshare", "--mount", "sh", "-euc", _ENTER, str(settings.root_of(root)), str(folder), *command]
    process = subprocess.Popen(["ip", "netns", "exec", netns, *command], stderr=subprocess.DEVNULL)
    try:
        wait_until(Path(paths[1]).exists, timeout_s=20, what=f"BIRD of {name} listens")
    except BaseException:
        process.kill()
        raise
    return process


@dataclass(frozen=True)
class LoneBird:
    """A BIRD whose files are in ``folder``."""

    folder: Path

    def control(self) -> BirdControl:
        """A connection to its control socket; a context manager."""
        return BirdControl(path=str(self.folder / "bird.ctl"))

    def load(self, text: str) -> None:
        """Let a process of its own check ``text``, then run it; it is what runs when this returns."""
        path = self.folder / "bird.conf"
        path.write_text(text)
        checked = subprocess.run(["bird", "-p", "-c", str(path)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr[-2000:]
        with self.control() as control:
            control.reload()
            assert control.live_stamp() == stamp_of(text), "the daemon runs something else"

    def protocols(self) -> dict[str, Protocol]:
        """Every protocol by name, as netorch reads it."""
        with self.control() as control:
            return {found.name: found for found in parse_protocols(control.ask("show protocols all").text)}

    def symbols(self) -> list[str]:
        """Every name that the configuration defines, and what it is."""
        with self.control() as control:
            return sorted(" ".join(line.split()) for line in control.ask("show symbols").lines)


@contextmanager
def lone_bird(folder: Path) -> Iterator[LoneBird]:
    """A BIRD for the time of the block, in a network namespace of its own that this thread is in meanwhile."""
    (folder / "bird.conf").write_text("log stderr all;\nrouter id 10.0.0.1;\nprotocol device { }\n")
    command = ["bird", "-f", "-c", f"{folder}/bird.conf", "-s", f"{folder}/bird.ctl", "-P", f"{folder}/bird.pid"]
    with own_network(), subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until((folder / "bird.ctl").exists, timeout_s=20, what="BIRD listens")
            yield LoneBird(folder)
        finally:
            process.kill()
