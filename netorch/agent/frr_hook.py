"""Runs frr-reload.py so that no secret is seen and the file on disk is left alone: ``frr_hook SCRIPT ARGUMENTS...``.

What it takes away it gives to vtysh in a private file instead of on the command line, which every user can read; what it adds it
writes to files that root alone can read. It never lets vtysh write the running configuration to disk.

A program of its own, without anything of netorch's: what is on disk of the agent may be gone when a change is undone.

Source: FRR 8.4.4 and 10.3, tools/frr-reload.py: Vtysh._call() starts every vtysh by subprocess.Popen.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import Any, List


class QuietPopen(subprocess.Popen):  # type: ignore[type-arg]  # which has no parameters in Python 3.8 and may gain some
    """Starts vtysh as frr-reload.py asks for it, but with commands in a file, which is in ``folder``, root's alone."""

    folder = ""

    def __init__(self, args: List[str], **options: Any) -> None:
        commands = [args[place + 1] for place, word in enumerate(args) if word == "-c"]
        self._file = ""
        if any(command.split()[:1] == ["write"] for command in commands):
            args = ["true"]
        elif len(commands) > 1 and commands[0] == "configure":
            # ``vtysh -f`` is in the configuration already, and ends with the status of what failed, as ``vtysh -c`` does.
            descriptor, self._file = tempfile.mkstemp(dir=self.folder)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write("".join(f"{command}\n" for command in commands[1:]))
            args = [*args[: args.index("-c")], "-f", self._file]
        super().__init__(args, **options)

    def wait(self, timeout: Any = None) -> int:
        """Its status; the file is gone."""
        status = super().wait(timeout)
        if self._file:
            os.unlink(self._file)
            self._file = ""
        return status


def main(arguments: List[str]) -> None:
    """Run the script ``arguments[0]`` with the rest."""
    os.umask(0o077)
    QuietPopen.folder = arguments[arguments.index("--rundir") + 1]
    subprocess.Popen = QuietPopen  # type: ignore[misc, assignment]
    with open(arguments[0], encoding="utf-8") as file:
        source = file.read()
    sys.argv = arguments
    exec(compile(source, arguments[0], "exec"), {"__name__": "__main__", "__file__": arguments[0]})  # noqa: S102 - the point


if __name__ == "__main__":
    main(sys.argv[1:])
