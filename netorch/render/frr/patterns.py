"""AS numbers as regular expressions over AS paths, which is all that FRR's AS path lists can hold.

An expression cannot hold alternatives: vtysh takes a vertical bar for a pipe of its own. So a range is several expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netorch.render.plain import Numbers

_HIGHEST = 0xFFFFFFFF


def frr_asn_patterns(ranges: Iterable[Numbers]) -> tuple[str, ...]:
    """One expression for every piece of ``ranges``, which must be in order; together they find a path with such a number.

    ``_`` stands for what surrounds a number in a path. Source: FRR doc/user/bgp.rst, "AS Path Regular Expressions".
    """
    return tuple(f"_{digits}_" for digits in frr_digits(ranges))


def frr_digits(ranges: Iterable[Numbers]) -> tuple[str, ...]:
    """As ``frr_asn_patterns``, without what surrounds a number."""
    return tuple(digits for first, last in _merged(ranges) for digits in _pieces(first, last))


def _merged(ranges: Iterable[Numbers]) -> list[tuple[int, int]]:
    """Neighbouring ranges become one. There is no number above the highest: a range up to it may be taken as longer."""
    merged: list[tuple[int, int]] = []
    for one in ranges:
        if merged and one.first == merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], one.last)
        else:
            merged.append((one.first, one.last))
    return [(first, 4_999_999_999 if last == _HIGHEST else last) for first, last in merged]


def _pieces(first: int, last: int) -> Iterator[str]:
    """Expressions for the decimal numbers from ``first`` to ``last``, which are of one length or are split into such."""
    while first <= last:
        size = 1
        # The largest block of 10^n numbers that starts here, as many of it side by side as one digit can tell.
        while first % (size * 10) == 0 and first + size * 10 - 1 <= last and len(str(first)) > len(str(size)):
            size *= 10
        digit = first // size % 10
        count = min(10 - digit, (last - first + 1) // size)
        head, free = str(first // size // 10) if first // size >= 10 else "", len(str(size)) - 1
        own = str(digit) if count == 1 else f"[{digit}-{digit + count - 1}]"
        yield head + own + "[0-9]" * free
        first += count * size
