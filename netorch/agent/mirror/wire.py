"""What feed and mirror say to each other: JSON, one object a line, over TLS. Pure.

A mirror begins with ``hello`` and says it again when its own MACs change. The feed answers with a ``snapshot``, then sends a
``delta`` for each change, ``own`` when the POP's own MACs change, and a ``beat`` every second. Snapshot, delta and own carry
numbers without a gap; a beat repeats the last one, so that what is missing at the end is noticed too.
"""

from __future__ import annotations

import json
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from netorch.model.types import Mac

VERSION = 1
BEAT_S = 1.0
SILENCE_S = 3.0
"""After three missed beats the other side is taken for dead."""

MAX_FROM_FEED = 2 << 20
"""Bytes of a message: a snapshot of every next hop that settings may name."""

MAX_FROM_MIRROR = 1 << 16
MAX_OWN_MACS = 8192
MAX_MACS_OF_HOST = 512
DELTA_ENTRIES = 500
_WORD = 32
_REASON = 400


class WireError(Exception):
    """The other side does not keep to the rules: the connection ends, and a new one starts from a snapshot."""


class Told(NamedTuple):
    """What a feed says of one address. ``mac`` None: there is none to send to, ``refusal`` why not where there would be one."""

    address: str
    mac: Optional[Mac]
    state: str
    refusal: str = ""


class Hello(NamedTuple):
    """Who a mirror is, and the MACs of its own interfaces."""

    host: str
    macs: FrozenSet[Mac]


class News(NamedTuple):
    """What a feed's message means. ``own`` None: as before. ``is_whole``: addresses that are not in ``told`` have no entry."""

    told: Tuple[Told, ...]
    own: Optional[FrozenSet[Mac]]
    is_whole: bool


class Lines:
    """Takes bytes as they come, gives whole lines; WireError for one of more than ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = bytearray()

    def take(self, data: bytes) -> List[bytes]:
        """The lines that ``data`` completes, without their ends."""
        rest = self._rest
        rest += data
        lines: List[bytes] = []
        start = 0
        while True:
            end = rest.find(b"\n", start)
            if end < 0:
                break
            lines.append(bytes(rest[start:end]))
            start = end + 1
        del rest[:start]
        if len(rest) > self._most or any(len(line) > self._most for line in lines):
            raise WireError(f"a message of more than {self._most} bytes")
        return lines


def hello(host: str, macs: Iterable[str]) -> bytes:
    """The mirror's first message."""
    return _line({"type": "hello", "version": VERSION, "host": host, "macs": sorted(macs)[:MAX_MACS_OF_HOST]})


def snapshot(sequence: int, switch: str, *, own: Iterable[str], told: Iterable[Told]) -> bytes:
    """Everything that a mirror may know."""
    return _line(
        {
            "type": "snapshot",
            "version": VERSION,
            "sequence": sequence,
            "switch": switch,
            "own": sorted(own)[:MAX_OWN_MACS],
            "entries": list(told),
        }
    )


def delta(sequence: int, told: Sequence[Told]) -> bytes:
    """What has changed; at most DELTA_ENTRIES of it."""
    return _line({"type": "delta", "sequence": sequence, "entries": told})


def own(sequence: int, macs: Iterable[str]) -> bytes:
    """The POP's own MACs have changed."""
    return _line({"type": "own", "sequence": sequence, "macs": sorted(macs)[:MAX_OWN_MACS]})


def beat(sequence: int) -> bytes:
    """The feed is alive; ``sequence`` is the last number that was used."""
    return _line({"type": "beat", "sequence": sequence})


def read_hello(line: bytes) -> Hello:
    """Raises WireError."""
    message = _object(line)
    if message.get("type") != "hello" or message.get("version") != VERSION:
        raise WireError(f"expected a hello of version {VERSION}")
    return Hello(_text(message.get("host"), 255), _macs(message.get("macs"), MAX_MACS_OF_HOST))


class FeedReader:
    """The mirror's side of one connection to ``switch``: messages in, news out. Raises WireError for whatever is not as it should
    be, a gap or a repetition of numbers among them."""

    def __init__(self, switch: str) -> None:
        self._switch = switch
        self._sequence: Optional[int] = None

    @property
    def has_snapshot(self) -> bool:
        return self._sequence is not None

    def take(self, line: bytes) -> Optional[News]:
        """The news of one message; None for a beat."""
        message = _object(line)
        kind, sequence = message.get("type"), message.get("sequence")
        if type(sequence) is not int or sequence < 0:
            raise WireError("a message without its number")
        if kind == "snapshot":
            return self._snapshot(message, sequence)
        if self._sequence is None:
            raise WireError("expected a snapshot first")
        expected = self._sequence + (kind != "beat")
        if sequence != expected:
            raise WireError(f"message number {sequence}, expected {expected}")
        self._sequence = sequence
        if kind == "beat":
            return None
        if kind == "delta":
            return News(_told(message.get("entries"), DELTA_ENTRIES), None, is_whole=False)
        if kind == "own":
            return News((), _macs(message.get("macs"), MAX_OWN_MACS), is_whole=False)
        raise WireError("a message of an unknown type")

    def _snapshot(self, message: Dict[str, Any], sequence: int) -> News:
        if self._sequence is not None:
            raise WireError("a second snapshot")
        if message.get("version") != VERSION:
            raise WireError(f"expected a snapshot of version {VERSION}")
        if message.get("switch") != self._switch:
            raise WireError(f"the snapshot of another switch than {self._switch}")
        news = News(_told(message.get("entries"), MAX_OWN_MACS), _macs(message.get("own"), MAX_OWN_MACS), is_whole=True)
        self._sequence = sequence
        return news


def _line(message: Dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _object(line: bytes) -> Dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("a message that is not JSON") from None
    if type(message) is not dict:
        raise WireError("a message that is not an object")
    return message


def _told(entries: Any, most: int) -> Tuple[Told, ...]:
    if type(entries) is not list or len(entries) > most:
        raise WireError(f"entries: expected a list of at most {most}")
    found = []
    for entry in entries:
        if type(entry) is not list or len(entry) != 4:
            raise WireError("entries: expected address, MAC, state and refusal")
        address, mac, state, refusal = entry
        found.append(
            Told(_text(address, 45), None if mac is None else _mac(mac), _text(state, _WORD), _text(refusal, _REASON))
        )
    return tuple(found)


def _macs(found: Any, most: int) -> FrozenSet[Mac]:
    if type(found) is not list or len(found) > most:
        raise WireError(f"expected a list of at most {most} MACs")
    return frozenset(map(_mac, found))


def _mac(found: Any) -> Mac:
    try:
        return Mac(_text(found, 17))
    except ValueError:
        raise WireError("expected a MAC") from None


def _text(found: Any, most: int) -> str:
    if type(found) is not str or len(found) > most or not found.isprintable():
        raise WireError(f"expected a text of at most {most} characters")
    return found
