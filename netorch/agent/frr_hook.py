"""Runs frr-reload.py so that no secret is seen and the file on disk is left alone: ``frr_hook SCRIPT ARGUMENTS...``.

What it takes away it gives to vtysh in a private file instead of on the command line, which every user can read; what it adds
it writes to files that root alone can read. It never lets vtysh write the running configuration to disk.

It adds in three parts. ``vtysh -f`` hands route maps to zebra in one go at the end, while ``ip protocol ... route-map`` takes
effect at once: FRR 8.4.4 then finds no such map, and refuses every static route of a table of its own for good.

A program of its own, without anything of netorch's: what is on disk of the agent may be gone when a change is undone.

Source: FRR 8.4.4 and 10.3, tools/frr-reload.py: Vtysh._call() starts every vtysh by subprocess.Popen.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from typing import Any, List

_TO_KERNEL = re.compile(r"ip(v6)? protocol ")
_STATIC = re.compile(r"ip(v6)? route ")
_EACH = 'status=0; for part in {parts}; do "$@" -f "$part" || status=$?; done; exit $status'


class QuietPopen(subprocess.Popen):  # type: ignore[type-arg]  # which has no parameters in Python 3.8 and may gain some
    """Starts vtysh as frr-reload.py asks for it, but with commands in files, which are in ``folder``, root's alone."""

    folder = ""

    def __init__(self, args: List[str], **options: Any) -> None:
        commands = [args[place + 1] for place, word in enumerate(args) if word == "-c"]
        self._files: List[str] = []
        if any(command.split()[:1] == ["write"] for command in commands):
            args = ["true"]
        elif len(commands) > 1 and commands[0] == "configure":
            # ``vtysh -f`` is in the configuration already, and ends with the status of what failed, as ``vtysh -c`` does.
            self._keep("".join(f"{command}\n" for command in commands[1:]))
            args = [*args[: args.index("-c")], "-f", self._files[0]]
        elif len(args) > 1 and args[-2] == "-f" and args[-1].startswith(f"{self.folder}/"):
            with open(args[-1], encoding="utf-8") as file:
                lines = file.readlines()
            self._keep("".join(line for line in lines if not _TO_KERNEL.match(line) and not _STATIC.match(line)))
            for pattern in (_TO_KERNEL, _STATIC):
                if any(map(pattern.match, lines)):
                    self._keep("".join(filter(pattern.match, lines)))
            if len(self._files) > 1:
                args = ["sh", "-c", _EACH.format(parts=" ".join(self._files)), "sh", *args[:-2]]
        super().__init__(args, **options)

    def _keep(self, text: str) -> None:
        descriptor, path = tempfile.mkstemp(dir=self.folder)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        self._files.append(path)

    def wait(self, timeout: Any = None) -> int:
        """Its status; the files are gone."""
        status = super().wait(timeout)
        while self._files:
            os.unlink(self._files.pop())
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
