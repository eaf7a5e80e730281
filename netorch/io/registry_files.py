"""The last good answers of registries, a file for each provider: ``irr/NAME.json``, ``peeringdb/NAME.json``.

Files are replaced whole, so that several users, checkouts and cron may share a folder. Beside an answer,
``NAME.problem.json`` says why the last attempt did not replace it.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from netorch.errors import NetorchError
from netorch.model.sources import IrrAnswer, PeeringDbAnswer, Registered
from netorch.model.text import utc_text

IRR, PEERINGDB = "irr", "peeringdb"
_MODE = 0o644
_END_OF_TIME = 4e9  # the year 2096
_DAMAGED = (OSError, ValueError, KeyError, TypeError, RecursionError)


@dataclass(frozen=True)
class Problem:
    """Why the last attempt did not give a new answer, and when: seconds since the epoch."""

    time: float
    text: str


def answer_path(folder: str, kind: str, provider: str) -> Path:
    """Where an answer of ``kind`` (IRR, PEERINGDB) about ``provider`` is kept."""
    return Path(folder, kind, f"{provider}.json")


def read_registered(folder: str, provider: str) -> Registered:
    """The last good answers about ``provider``; None for one that is not there, or that cannot be read."""
    return Registered(_read_irr(folder, provider), _read_peeringdb(folder, provider))


def is_damaged(folder: str, kind: str, provider: str) -> bool:
    """Whether there is an answer of ``kind`` about ``provider`` that cannot be read, so that nobody knows what it was."""
    held = read_registered(folder, provider)
    is_read = held.irr is not None if kind == IRR else held.peeringdb is not None
    return not is_read and os.path.lexists(answer_path(folder, kind, provider))


def write_irr(folder: str, provider: str, answer: IrrAnswer) -> None:
    """Keep ``answer``, a list entry in each line, so that git shows what has changed."""
    document = {
        "as_set": answer.as_set,
        "fetched": answer.fetched,
        "fetched_utc": utc_text(answer.fetched),
        "asns": list(answer.asns),
        "ipv4": [str(prefix) for prefix in answer.ipv4],
        "ipv6": [str(prefix) for prefix in answer.ipv6],
    }
    _write(answer_path(folder, IRR, provider), document)


def write_peeringdb(folder: str, provider: str, answer: PeeringDbAnswer) -> None:
    """Keep ``answer``."""
    document = {**vars(answer), "fetched_utc": utc_text(answer.fetched)}
    _write(answer_path(folder, PEERINGDB, provider), document)


def write_problem(folder: str, kind: str, provider: str, problem: Problem | None) -> None:
    """Say why there is no newer answer, or with None that the answer is the newest."""
    path = _problem_path(folder, kind, provider)
    if problem is not None:
        _write(path, vars(problem))
        return
    with suppress(FileNotFoundError):
        path.unlink()


def read_problem(folder: str, kind: str, provider: str) -> Problem | None:
    """Why the last attempt did not replace the answer; None where it did."""
    with suppress(*_DAMAGED):
        found = json.loads(_problem_path(folder, kind, provider).read_bytes())
        return Problem(_moment(found["time"]), str(found["text"]))
    return None


def _problem_path(folder: str, kind: str, provider: str) -> Path:
    return Path(folder, kind, f"{provider}.problem.json")


def _read_irr(folder: str, provider: str) -> IrrAnswer | None:
    with suppress(*_DAMAGED):
        found = json.loads(answer_path(folder, IRR, provider).read_bytes())
        asns = tuple(int(asn) for asn in found["asns"])
        ipv4 = tuple(IPv4Network(text) for text in found["ipv4"])
        ipv6 = tuple(IPv6Network(text) for text in found["ipv6"])
        if asns and (ipv4 or ipv6):  # one that somebody emptied by hand is none
            return IrrAnswer(str(found["as_set"]), _moment(found["fetched"]), asns, ipv4, ipv6)
    return None


def _read_peeringdb(folder: str, provider: str) -> PeeringDbAnswer | None:
    with suppress(*_DAMAGED):
        found = json.loads(answer_path(folder, PEERINGDB, provider).read_bytes())
        counts = int(found["ipv4"]), int(found["ipv6"])
        return PeeringDbAnswer(int(found["asn"]), _moment(found["fetched"]), *counts)
    return None


def _moment(seconds: Any) -> float:
    """Raises ValueError for what is no time of these days: JSON of Python has NaN, and numbers without end."""
    moment = float(seconds)
    if not 0 <= moment < _END_OF_TIME:
        raise ValueError(f"expected seconds since the epoch, found {seconds!r}")
    return moment


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                json.dump(document, file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, _MODE)  # others' cron may read it: nothing in it is secret
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as exc:
        hint = "registries: folder in network.yml names the folder; whoever updates must be able to write there"
        raise NetorchError(f"cannot be written: {exc.strerror}", where=str(path), hint=hint) from exc
