"""A real BIRD without neighbours, to load configurations into and read them back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.agent.bird import stamp_of
from netorch.agent.bird_daemon import BirdControl
from netorch.model.state import Protocol
from netorch.parse import parse_protocols
from tests.lab.labs import own_network
from tests.waiting import wait_until


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
