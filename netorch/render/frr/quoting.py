"""Values on their way into an FRR configuration: every string passes one of these filters.

FRR has no quotes: a text ends with its line, a word with a blank. Runs of blanks become one. A vertical bar anywhere in a line is
a pipe of vtysh's, not a character. ``frr-reload.py`` looks for some words anywhere in a line, and rewrites whatever looks like
an IPv6 address.

Source: lib/command.c cmd_execute(), lib/command_lex.l; tools/frr-reload.py; tried on 8.4.4 and 10.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_network

from netorch.errors import RenderError
from netorch.model.communities import WELL_KNOWN
from netorch.model.conventions import MAX_SYMBOL
from netorch.model.sessions import SecretRef
from netorch.model.text import one_line
from netorch.render.frr.patterns import frr_asn_patterns, frr_digits
from netorch.render.marks import secret_token, without_tokens
from netorch.render.plain import Bounds, Numbers, Scrubbed, address_text, number_text, prefix_text

MAX_TEXT_BYTES = 255  # RFC 9003 section 2; more than that, and the session is closed without a message

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*")
# Words that frr-reload.py finds in the middle of a line and takes for configuration. It respects case.
_READ_BY_RELOAD = re.compile(
    r"neighbor|remote-as|route-map|peer-group|interface|vrf|bfd|ebgp-multihop|multipath-relax|table-map"
)


def frr_word(value: object) -> str:
    """A name of a list, a route map, an interface, a host; RenderError where FRR would not take it for one word."""
    text = str(value)
    if not _WORD.fullmatch(text) or len(text) > MAX_SYMBOL:
        raise RenderError(
            f"expected a word of at most {MAX_SYMBOL} letters, digits and any of _.:/@+-, found {text[:80]!r}"
        )
    return text


def frr_number(value: object) -> str:
    """A whole number from 0 to 4294967295."""
    return number_text(value)


def frr_address(value: object) -> str:
    """An IP address without prefix length or zone."""
    return address_text(value)


def frr_prefix(value: object) -> str:
    """An IP network."""
    return prefix_text(value)


def frr_inside(value: object) -> str:
    """An IP network and all inside it, as prefix lists have it: ``10.0.0.0/8 le 32``."""
    network = ip_network(prefix_text(value))
    return f"{network}" if network.prefixlen == network.max_prefixlen else f"{network} le {network.max_prefixlen}"


def frr_range(value: object, shortest: int, *, longest: int) -> str:
    """Whatever in an IP network has a length from ``shortest`` to ``longest``: ``0.0.0.0/0 ge 8 le 24``."""
    network = ip_network(prefix_text(value))
    if not network.prefixlen <= longest <= network.max_prefixlen:
        raise RenderError(f"expected a length from {network.prefixlen} to {network.max_prefixlen}, found {longest!r}")
    words = [str(network)]
    if shortest > network.prefixlen:
        words.append(f"ge {number_text(shortest)}")
    if longest > network.prefixlen:
        words.append(f"le {number_text(longest)}")
    return " ".join(words)


def frr_text(value: object) -> str:
    """The rest of a line, for people: what FRR cannot hold is replaced, and the end cut off at 255 bytes."""
    text = one_line(str(value).replace("|", "/"), max_bytes=4 * MAX_TEXT_BYTES)
    text = _READ_BY_RELOAD.sub(lambda match: match.group().upper(), without_tokens(text))
    text = one_line(" ".join(map(_kept, text.split())), max_bytes=MAX_TEXT_BYTES)
    words = text.split()
    return " ".join(words[:-1] if words and _kept(words[-1]) != words[-1] else words)


def frr_comment(value: object) -> str:
    """A text that stays inside a comment of one line."""
    return without_tokens(one_line(str(value), max_bytes=MAX_TEXT_BYTES))


def frr_secret(value: object) -> str:
    """A token that ``seal`` replaces by the secret itself."""
    if not isinstance(value, SecretRef):
        raise RenderError("expected a reference to a secret, found something else")
    return secret_token(value)


def frr_communities(values: tuple[tuple[int, int], ...], *, names_internet: bool) -> str:
    """Communities as FRR shows them, in its order, each once; ``none`` for none. ``names_internet``: 0:0 has a name."""
    names = {value: name for value, name in WELL_KNOWN.items() if names_internet or value != (0, 0)}
    words = [names.get(value) or _joined(value, 2) for value in sorted(set(values))]
    return " ".join(words) or "none"


def frr_large_communities(values: tuple[tuple[int, int, int], ...]) -> str:
    """Large communities as FRR shows them, in its order, each once; ``none`` for none."""
    return " ".join(_joined(value, 3) for value in sorted(set(values))) or "none"


def frr_community_patterns(scrubbed: tuple[Scrubbed, ...]) -> tuple[str, ...]:
    """Expressions that together find each community of ``scrubbed`` in an expanded list.

    FRR compares with names where it has them, as of all that are kept of 65535:*, so that the number stands for the rest.
    """
    names = [
        name
        for one in scrubbed
        for (asn, value), name in WELL_KNOWN.items()
        if _holds(one.asns, asn) and (one.values is None or _holds(one.values, value))
    ]
    return (*frr_large_community_patterns(scrubbed), *(f"^{name}$" for name in names))


def frr_large_community_patterns(scrubbed: tuple[Scrubbed, ...]) -> tuple[str, ...]:
    """As ``frr_community_patterns``, of large communities, which have no names."""
    asns = sorted({one.asns for one in scrubbed}, key=lambda asns: asns.first)
    return tuple(f"^{digits}:" for digits in frr_digits(asns))


def frr_bounds(value: Bounds) -> str:
    """What lies inside of a network, within two lengths."""
    return frr_range(value.prefix, value.shortest, longest=value.longest)


def expected_secret(secret: str) -> str:
    """What a secret must be like, in words, if ``secret`` cannot stand in a line; else ""."""
    is_writable = secret and secret.isascii() and secret.isprintable() and not set(secret) & set(' |"')
    return "" if is_writable else "printable ASCII without blanks, vertical bars and double quotes"


# Devices of one network share most of their values.
_REMEMBERED = 4096

FILTERS: Mapping[str, Callable[..., object]] = {
    function.__name__: lru_cache(maxsize=_REMEMBERED, typed=True)(function)
    for function in (
        frr_address,
        frr_asn_patterns,
        frr_bounds,
        frr_comment,
        frr_communities,
        frr_community_patterns,
        frr_inside,
        frr_large_communities,
        frr_large_community_patterns,
        frr_number,
        frr_prefix,
        frr_range,
        frr_secret,
        frr_text,
        frr_word,
    )
}


def _holds(numbers: Numbers, one: int) -> bool:
    return numbers.first <= one <= numbers.last


def _joined(value: tuple[int, ...], parts: int) -> str:
    if len(value) != parts:
        raise RenderError(f"expected a community of {parts} numbers, found {len(value)}")
    return ":".join(number_text(part) for part in value)


def _kept(word: str) -> str:
    """``word``, in parentheses where frr-reload.py would write it otherwise than FRR shows it."""
    if ":" not in word:
        return word
    try:
        shown = str(ip_network(word, strict=False)) if "/" in word else str(IPv6Address(word))
    except ValueError:
        return word
    return word if shown == word and "." not in word else f"({word})"
