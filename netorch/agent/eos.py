"""Arista EOS: an interface's label is told to its own CLI too, since ``show interfaces`` knows nothing of the kernel's alias.

Sources: the EOS User Manual, "Command-Line Interface" (FastCli, privilege levels) and "Interface configuration"
(``description``); kernel names of interfaces as EOS shows them in bash. Tried with a stand-in of FastCli, on no EOS.
"""

from __future__ import annotations

import errno
import os
import re

from netorch.agent.clock import uptime
from netorch.agent.paths import PROGRAMS
from netorch.model.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

CLI = "FastCli"
TIMEOUT_S = 20.0
SILENCE_S = 60.0
DESCRIPTION_BYTES = 240

_KINDS = {"et": "Ethernet", "ma": "Management", "po": "Port-Channel", "vlan": "Vlan", "lo": "Loopback"}
_KERNEL_NAME = re.compile(r"(?P<kind>[a-z]+)(?P<number>\d+(_\d+)*)(?P<sub>\.\d+)?")


class _Silence:
    """Until when (uptime) a CLI that gave no answer is not asked again in the same change, which is one process of the agent:
    every label of it, and of undoing it, would wait as long."""

    until = 0.0


def eos_cli() -> Optional[str]:
    """The path of EOS's CLI; None on any other system."""
    return next((f"{folder}/{CLI}" for folder in PROGRAMS if os.access(f"{folder}/{CLI}", os.X_OK)), None)


def eos_name(interface: str) -> Optional[str]:
    """What EOS calls an interface of the kernel: ``et3_1`` is ``Ethernet3/1``; None for one that is not EOS's."""
    match = _KERNEL_NAME.fullmatch(interface)
    if match is None or match["kind"] not in _KINDS:
        return None
    return _KINDS[match["kind"]] + match["number"].replace("_", "/") + (match["sub"] or "")


def describe_interface(cli: str, interface: str, label: str) -> None:
    """Make ``label`` the description of an interface, "" for none; nothing for an interface that is not EOS's.

    Raises OSError with what the CLI complains of, or at once within ``SILENCE_S`` of one that gave this process no answer. The
    running configuration alone is changed, never the one that EOS starts with.
    """
    import subprocess

    name = eos_name(interface)
    if name is None:
        return
    if uptime() < _Silence.until:
        raise OSError(errno.ETIMEDOUT, "EOS's CLI was not asked, since it gave no answer before")
    # One line for certain: whatever followed a line break would be a command.
    text = one_line(label, max_bytes=DESCRIPTION_BYTES)
    commands = ("configure", f"interface {name}", f"description {text}" if text else "no description")
    try:
        run = subprocess.run(
            [cli, "-p", "15", "-c", "\n".join(commands)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        _Silence.until = uptime() + SILENCE_S
        raise OSError(errno.ETIMEDOUT, f"EOS's CLI gave no answer within {TIMEOUT_S:g} s") from None
    said = run.stdout.decode("utf-8", "replace").strip()
    complaint = next((line for line in said.splitlines() if line.startswith("%")), "")
    if run.returncode or complaint:
        raise OSError(errno.EIO, f"EOS's CLI: {complaint or said or f'exit code {run.returncode}'}")
