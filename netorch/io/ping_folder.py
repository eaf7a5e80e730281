"""A folder of ping records: a file for each day (UTC), a line of JSON for each row of each run."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netorch.errors import NetorchError

DAY_S = 86400.0
_NAME = re.compile(r"ping-(\d{4}-\d{2}-\d{2})\.jsonl")
_HINT = "name a folder that exists or can be made, and that you may write to"


class PingFolder:
    """Records in ``path``. Every method raises NetorchError where files cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def only_writer(self) -> Iterator[bool]:
        """Makes the folder; whether no other process holds it. The kernel frees it when this one dies."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise NetorchError(f"cannot be opened: {exc.strerror}", where=str(self.path), hint=_HINT) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def append(self, records: Iterable[Mapping[str, Any]], now_s: float) -> None:
        """Add lines to the file of the day. A line that a crash cut short stays a line of its own."""
        path = self.path / f"ping-{_day(now_s)}.jsonl"
        data = "".join(f"{json.dumps(record, separators=(',', ':'), ensure_ascii=False)}\n" for record in records)
        try:
            with path.open("ab+") as file:
                if file.tell() and not _ends_line(path):
                    data = f"\n{data}"
                file.write(data.encode())
        except OSError as exc:
            raise NetorchError(f"cannot be written: {exc.strerror}", where=str(path), hint=_HINT) from exc

    def forget(self, before_s: float) -> None:
        """Delete the files of days that ended before then; nothing else in the folder is touched."""
        for path in self._files():
            if _day_of(path) < _day(before_s):
                try:
                    path.unlink()
                except OSError as exc:
                    raise NetorchError(f"cannot be deleted: {exc.strerror}", where=str(path), hint=_HINT) from exc

    def lines(self, since_s: float) -> Iterator[str]:
        """The lines of that day and all later ones, oldest first. A run that began before midnight is in its day's file."""
        if not self.path.is_dir():
            hint = "netorch ping --record FOLDER writes them"
            raise NetorchError("no such folder, expected records of pings", where=str(self.path), hint=hint)
        for path in self._files():
            if _day_of(path) < _day(since_s - DAY_S):
                continue
            try:
                yield from (line for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line)
            except OSError as exc:
                raise NetorchError(f"cannot be read: {exc.strerror}", where=str(path)) from exc

    def _files(self) -> list[Path]:
        return sorted(path for path in self.path.iterdir() if _NAME.fullmatch(path.name))


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")


def _day_of(path: Path) -> str:
    found = _NAME.fullmatch(path.name)
    return found.group(1) if found else ""


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
