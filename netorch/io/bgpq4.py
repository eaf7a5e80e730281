"""AS-SETs looked up in an IRR by ``bgpq4``, the tool for it; every question ends in time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from netorch.errors import NetorchError, TimedOut, first_line
from netorch.model.sources import Irr, IrrAnswer

PROGRAM = "bgpq4"
_NAME = "list"
_HARMLESS = "ERROR:Invalid AS number"
"""What bgpq4 says of private and documentation numbers inside of a set, which it leaves out."""


def look_up(irr: Irr, as_set: str, *, timeout_s: float, now: float) -> IrrAnswer:
    """All that ``as_set`` comes to. ``timeout_s`` is for each of three questions: numbers, IPv4, IPv6.

    Raises NetorchError: bgpq4 is missing, nobody answers, the answer is cut, or it is empty; TimedOut.
    """
    asns = tuple(sorted(set(_ask(irr, as_set, "-t", timeout_s=timeout_s))))
    if not asns:
        raise NetorchError(f"the answer is empty: {as_set} has no AS number", hint="is it spelt right, and registered?")
    ipv4 = {IPv4Network(entry["prefix"]) for entry in _ask(irr, as_set, "-4", timeout_s=timeout_s)}
    ipv6 = {IPv6Network(entry["prefix"]) for entry in _ask(irr, as_set, "-6", timeout_s=timeout_s)}
    if not ipv4 and not ipv6:
        raise NetorchError(f"the answer is empty: nobody in {as_set} has registered a prefix")
    return IrrAnswer(as_set, now, asns, tuple(sorted(ipv4)), tuple(sorted(ipv6)))


def _ask(irr: Irr, as_set: str, question: str, *, timeout_s: float) -> list[Any]:
    host = f"[{irr.server}]" if ":" in irr.server else irr.server
    sources = ("-S", ",".join(irr.sources)) if irr.sources else ()
    argv = (PROGRAM, "-h", f"{host}:{irr.port}", *sources, question, "-j", "-l", _NAME, as_set)
    said = _run(argv, irr, timeout_s=timeout_s)
    try:
        found = json.loads(said)[_NAME]
    except (ValueError, KeyError, TypeError):
        raise NetorchError(f"{PROGRAM} said what is no list: {first_line(said)!r}") from None
    if not isinstance(found, list):
        raise NetorchError(f"{PROGRAM} said what is no list: {first_line(said)!r}")
    return found


def _run(argv: Sequence[str], irr: Irr, *, timeout_s: float) -> str:
    if shutil.which(PROGRAM) is None:
        raise NetorchError(f"{PROGRAM} is not installed", hint=f"apt-get install {PROGRAM}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException as exc:  # an interrupted command leaves nothing behind either
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(exc, subprocess.TimeoutExpired):
                raise TimedOut(
                    f"{irr.server} port {irr.port} had not answered after {timeout_s:g} s",
                    hint="registries: timeout_s in network.yml sets how long is waited",
                ) from None
            raise
    complaints = [line for line in stderr.decode(errors="replace").splitlines() if not line.startswith(_HARMLESS)]
    if process.returncode != 0:
        said = first_line("\n".join(complaints)).removeprefix("FATAL ").removeprefix("ERROR:")
        if said.startswith("EOF"):
            said = f"it hung up in the middle of its answer ({said})"
        raise NetorchError(f"{irr.server} port {irr.port}: {said or f'{PROGRAM} ended with {process.returncode}'}")
    return stdout.decode(errors="replace")
