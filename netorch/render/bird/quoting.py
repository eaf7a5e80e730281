"""Values on their way into a BIRD configuration: every string passes one of these filters.

BIRD's strings have no escapes, so a double quote or a line break cannot be written in one; 4096 bytes abort the daemon.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from netorch.errors import RenderError
from netorch.model.conventions import MAX_SYMBOL
from netorch.model.sessions import SecretRef
from netorch.render.marks import secret_token, without_tokens
from netorch.render.plain import Bounds, Numbers, address_text, number_text, prefix_text

MAX_STRING_BYTES = 255

_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")  # BIRD 2.0.12 conf/cf-lex.l; IFNAMSIZ in linux/if.h
_NOT_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})


def bird_string(value: object) -> str:
    """A quoted string that holds exactly ``value``; RenderError where BIRD cannot write it."""
    text = str(value)
    if '"' in text or not _is_plain(text) or without_tokens(text) != text:
        raise RenderError(
            f"expected a text without double quotes, control characters and netorch's marks, found {text!r}"
        )
    if len(text.encode()) > MAX_STRING_BYTES:
        raise RenderError(f"expected a text of at most {MAX_STRING_BYTES} bytes, found {len(text.encode())}")
    return f'"{text}"'


def bird_text(value: object) -> str:
    """A quoted string for people: what BIRD cannot write is replaced (``"`` by ``'``, control characters by spaces), and
    the end cut off at 255 bytes."""
    text = without_tokens(_printable(str(value)).replace('"', "'"))
    return f'"{_cut(text)}"'


def bird_comment(value: object) -> str:
    """A text that stays inside a comment of one line."""
    return _cut(without_tokens(_printable(str(value))))


def bird_symbol(value: object) -> str:
    """A name for a protocol, table or filter; RenderError where it is none."""
    text = str(value)
    if not _SYMBOL.fullmatch(text) or len(text) > MAX_SYMBOL:
        raise RenderError(
            f"expected a symbol of at most {MAX_SYMBOL} letters, digits and underscores, found {text[:80]!r}"
        )
    return text


def bird_interface(value: object) -> str:
    """An interface behind an address, in the quotes that let a symbol have dots and dashes; RenderError where it is none."""
    text = str(value)
    if not _INTERFACE.fullmatch(text):
        raise RenderError(f"expected an interface of at most 15 letters, digits and any of _.:-, found {text[:80]!r}")
    return f"'{text}'"


def bird_number(value: object) -> str:
    """A whole number from 0 to 4294967295."""
    return number_text(value)


def bird_address(value: object) -> str:
    """An IP address without prefix length or zone."""
    return address_text(value)


def bird_prefix(value: object) -> str:
    """An IP network."""
    return prefix_text(value)


def bird_inside(value: object) -> str:
    """An IP network and all that is inside of it, as sets of prefixes have it."""
    return f"{bird_prefix(value)}+"


def bird_bounds(value: Bounds) -> str:
    """What lies inside of a network, within two lengths; nothing of them where these are its own length."""
    prefix, shortest, longest = bird_prefix(value.prefix), bird_number(value.shortest), bird_number(value.longest)
    return prefix if prefix.endswith(f"/{shortest}") and shortest == longest else f"{prefix}{{{shortest},{longest}}}"


def bird_set_number(members: Iterable[str]) -> str:
    """A number that follows from the members of a prefix set, as they are written, and is longer than any prefix."""
    return bird_number(_LONGER_THAN_ANY + zlib.crc32(",".join(members).encode()) % 10**9)


def bird_secret(value: object) -> str:
    """A quoted token that ``seal`` replaces by the secret itself."""
    if not isinstance(value, SecretRef):
        raise RenderError("expected a reference to a secret, found something else")
    return f'"{secret_token(value)}"'


def bird_range(value: Numbers) -> str:
    """A range of numbers as sets of communities have it: ``64512..65534``, or one number."""
    first, last = bird_number(value.first), bird_number(value.last)
    return first if first == last else f"{first}..{last}"


def bird_community(value: tuple[int, ...]) -> str:
    """A community or a large community."""
    if len(value) not in (2, 3):
        raise RenderError(f"expected a community of 2 or 3 numbers, found {len(value)}")
    return f"({', '.join(bird_number(part) for part in value)})"


def expected_secret(secret: str) -> str:
    """What a secret must be like, in words, if ``secret`` cannot stand inside a string; else ""."""
    is_writable = secret and secret.isascii() and secret.isprintable() and '"' not in secret
    return "" if is_writable else "printable ASCII without double quotes"


_LONGER_THAN_ANY = 1000

# Devices of one network share most of their values, and writing an address costs more than the template around it.
_REMEMBERED = 4096

_SHARED: tuple[Callable[..., str], ...] = (
    bird_address,
    bird_bounds,
    bird_comment,
    bird_community,
    bird_inside,
    bird_interface,
    bird_number,
    bird_prefix,
    bird_range,
    bird_secret,
    bird_string,
    bird_symbol,
    bird_text,
)

FILTERS: Mapping[str, Callable[..., str]] = {
    **{function.__name__: lru_cache(maxsize=_REMEMBERED, typed=True)(function) for function in _SHARED},
    "bird_set_number": bird_set_number,
}


def _is_plain(text: str) -> bool:
    return not any(unicodedata.category(character) in _NOT_TEXT for character in text)


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if unicodedata.category(character) in _NOT_TEXT else character for character in text)


def _cut(text: str) -> str:
    return text.encode()[:MAX_STRING_BYTES].decode(errors="ignore")
