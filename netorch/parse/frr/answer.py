"""What all answers of FRR have in common: JSON, or a complaint that begins with ``%``."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple

from netorch.errors import DeviceError, ParseError
from netorch.model.state import DaemonStatus

Object = Dict[str, Any]

_VERSION = re.compile(r"FRRouting (?P<version>\S+) \((?P<hostname>[^)]*)\)")
_HINT = "pass on all that vtysh printed, and nothing else"


class FrrError(DeviceError):
    """FRR answered with a complaint; ``text`` is its own words."""

    def __init__(self, text: str) -> None:
        super().__init__(f"FRR answered {text}")
        self.text = text


class Fields:
    """One object of an answer. A value that is absent is None, one of another type than expected is a ParseError."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ParseError(f"expected an object, found {type(value).__name__}", where=where)
        self._value: Object = value
        self.where = where

    def text(self, name: str, *, unless: str = "") -> Optional[str]:
        """A text; None also where it is empty, or ``unless``, FRR's word for nothing."""
        found = self._value.get(name)
        if found is not None and not isinstance(found, str):
            raise self._unexpected(name, "a text")
        return None if not found or found == unless else found

    def number(self, name: str) -> Optional[int]:
        """A whole number."""
        found = self._value.get(name)
        if found is not None and (not isinstance(found, int) or isinstance(found, bool)):
            raise self._unexpected(name, "a number")
        return found

    def seconds(self, name: str) -> Optional[int]:
        """Whole seconds, of a number of milliseconds."""
        found = self.number(name)
        return None if found is None else found // 1000

    def required_text(self, name: str) -> str:
        """A text that FRR always gives."""
        found = self.text(name)
        if found is None:
            raise self._unexpected(name, "a text")
        return found

    def required_number(self, name: str) -> int:
        """A number that FRR always gives."""
        found = self.number(name)
        if found is None:
            raise self._unexpected(name, "a number")
        return found

    def flag(self, name: str) -> bool:
        """Whether it is there and true."""
        return self._value.get(name) is True

    def has(self, name: str) -> bool:
        """Whether it is there, whatever it is."""
        return name in self._value

    def part(self, name: str) -> Fields:
        """An object inside; one without fields where it is absent."""
        return Fields(self._value.get(name, {}), f"{self.where}.{name}")

    def parts(self, name: str) -> List[Fields]:
        """The objects of a list inside, none where it is absent."""
        found = self._value.get(name, [])
        if not isinstance(found, list):
            raise self._unexpected(name, "a list")
        return [Fields(member, f"{self.where}.{name}[{index}]") for index, member in enumerate(found)]

    def is_object(self, name: str) -> bool:
        """Whether there is an object of that name."""
        return isinstance(self._value.get(name), dict)

    def named(self) -> List[str]:
        """The names of all that is inside, in FRR's order."""
        return list(self._value)

    def members(self) -> List[Tuple[str, Fields]]:
        """The objects inside with their names, in FRR's order; other values are passed over."""
        return [(n, Fields(v, f"{self.where}.{n}")) for n, v in self._value.items() if isinstance(v, dict)]

    def words(self, name: str) -> Tuple[str, ...]:
        """The texts of a list inside, none where it is absent."""
        found = self._value.get(name, [])
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise self._unexpected(name, "a list of texts")
        return tuple(found)

    def _unexpected(self, name: str, expected: str) -> ParseError:
        return ParseError(f"expected {expected} in {name}, found {self._value.get(name)!r}", where=self.where)


def read_json(text: str) -> Any:
    """The value of an answer in JSON.

    Raises FrrError for a complaint, ParseError for anything else that is not whole JSON.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ParseError("no output at all", hint="vtysh prints at least '{}'; was it run?")
    complaint = next((line.strip() for line in lines if line.lstrip().startswith("%")), None)
    if complaint is not None:
        raise FrrError(complaint)
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ParseError(f"expected JSON: {exc}", hint=_HINT) from exc


def read_version(text: str) -> DaemonStatus:
    """Read ``show version``, which is text. ``state`` is up, since the daemon answers.

    Raises ParseError for any other text, FrrError for a complaint.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lstrip().startswith("%"):
        raise FrrError(first.strip())
    found = _VERSION.match(first)
    if not found:
        raise ParseError(f"expected 'FRRouting VERSION (HOSTNAME) ...', found {first!r}", where="line 1")
    return DaemonStatus(version=found["version"], state="up", hostname=found["hostname"] or None)


def moment(epoch_s: Optional[int]) -> Optional[str]:
    """A moment as text, in UTC with its offset. FRR derives it from a duration, so it may be a second off each time."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, timezone.utc).isoformat(sep=" ")
