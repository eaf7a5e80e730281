"""AS-SETs looked up in an IRR by ``bgpq4``, the tool for it; every question ends in time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeVar

from netorch.errors import NetorchError, TimedOut, first_line
from netorch.model.bogons import SHORTEST_HELD
from netorch.model.sources import Irr, IrrAnswer
from netorch.model.types import IPNetwork

PROGRAM = "bgpq4"
_NAME = "list"
_COMPLAINTS = ("ERROR:", "FATAL ")
_HARMLESS = "ERROR:Invalid AS number"
"""What bgpq4 says of private and documentation numbers inside of a set, which it leaves out."""

_LARGEST_ASN = 2**32 - 1
_SHOWN = 60

Network = TypeVar("Network", IPv4Network, IPv6Network)


def too_short(answer: IrrAnswer) -> tuple[IPNetwork, ...]:
    """What of ``answer`` is shorter than anybody can hold: no filter should have it."""
    return tuple(each for each in (*answer.ipv4, *answer.ipv6) if each.prefixlen < SHORTEST_HELD[each.version])


def look_up(irr: Irr, as_set: str, *, timeout_s: float, now: float) -> IrrAnswer:
    """All that ``as_set`` comes to. ``timeout_s`` is for each of three questions: numbers, IPv4, IPv6.

    Raises NetorchError: bgpq4 is missing, nobody answers, the answer is cut, lacks a part, or is empty; TimedOut.
    """
    asns = _numbers(_ask(irr, as_set, "-t", timeout_s=timeout_s))
    if not asns:
        raise NetorchError(f"the answer is empty: {as_set} has no AS number", hint="is it spelt right, and registered?")
    ipv4 = _prefixes(_ask(irr, as_set, "-4", timeout_s=timeout_s), IPv4Network)
    ipv6 = _prefixes(_ask(irr, as_set, "-6", timeout_s=timeout_s), IPv6Network)
    if not ipv4 and not ipv6:
        raise NetorchError(f"the answer is empty: nobody in {as_set} has registered a prefix")
    return IrrAnswer(as_set, now, asns, ipv4, ipv6)


def _numbers(found: list[Any]) -> tuple[int, ...]:
    for each in found:
        if type(each) is not int or not 0 < each <= _LARGEST_ASN:
            raise NetorchError(f"{PROGRAM} said what is no AS number: {repr(each)[:_SHOWN]}")
    return tuple(sorted(set(found)))


def _prefixes(found: list[Any], network: type[Network]) -> tuple[Network, ...]:
    prefixes = set()
    for each in found:
        try:
            prefixes.add(network(str(each["prefix"])))
        except (ValueError, KeyError, TypeError):
            shown = repr(each)[:_SHOWN]
            raise NetorchError(f"{PROGRAM} said what is no prefix of that family: {shown}") from None
    return tuple(sorted(prefixes))


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
    lines = stderr.decode(errors="replace").splitlines()
    complaints = [line for line in lines if line.startswith(_COMPLAINTS) and not line.startswith(_HARMLESS)]
    # It ends well, with a list that lacks something, where the server refuses one of its many questions.
    if process.returncode != 0 or complaints:
        said = first_line("\n".join(complaints)).removeprefix("FATAL ").removeprefix("ERROR:")
        if said.startswith("EOF"):
            said = f"it hung up in the middle of its answer ({said})"
        raise NetorchError(f"{irr.server} port {irr.port}: {said or f'{PROGRAM} ended with {process.returncode}'}")
    return stdout.decode(errors="replace")
