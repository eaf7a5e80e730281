"""The operator's shell: the real command line, as a process of its own in the project's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional


@dataclass(frozen=True)
class Said:
    """What a command printed and its exit code."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass
class Shell:
    """Runs ``netorch`` where the inventory is; ``said`` keeps everything that was ever printed."""

    folder: Path
    said: list[Said] = field(default_factory=list)

    def start(
        self, *arguments: str, environment: Optional[Mapping[str, str]] = None, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """``netorch ARGUMENTS`` as a process; ``environment`` None: that of this process."""
        return subprocess.Popen(
            [sys.executable, "-m", "netorch", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], *, timeout_s: float, already: str = "") -> Said:
        """What ``process`` says until it ends; ``already`` was read of its output before."""
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{_words(process)} did not end within {timeout_s:g} s: {out}{err}") from None
        said = Said(_words(process), process.returncode, already + out, err)
        self.said.append(said)
        return said

    def __call__(
        self,
        *arguments: str,
        code: Optional[int] = 0,
        timeout_s: float = 90.0,
        environment: Optional[Mapping[str, str]] = None,
    ) -> Said:
        """Run ``netorch ARGUMENTS``; it must end with ``code`` (None: any) within ``timeout_s``."""
        said = self.finish(self.start(*arguments, environment=environment), timeout_s=timeout_s)
        assert code in (None, said.code), f"netorch {' '.join(arguments)}: exit code {said.code}\n{said.out}{said.err}"
        return said


def _words(process: subprocess.Popen[str]) -> tuple[str, ...]:
    assert isinstance(process.args, list)
    return tuple(process.args[3:])


def cron_environment() -> dict[str, str]:
    """What cron gives to a command of root: no terminal, a bare PATH."""
    return {"HOME": os.path.expanduser("~root"), "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
