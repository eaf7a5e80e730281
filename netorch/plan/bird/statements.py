"""BIRD's configuration language, as far as plans look into it: words, strings, braces, statements."""

from __future__ import annotations

import re
from typing import Iterable, Iterator, List, Tuple

_TOKEN = re.compile(r"""\s+|\#[^\n]*|/\*.*?\*/|("[^"\n]*")|([{};])|([^\s{};"#]+)""", re.DOTALL)

Statement = Tuple[str, ...]


def top_level(text: str) -> Iterator[Tuple[Statement, List[str]]]:
    """Each top-level statement as its words before the first brace, and the words between its braces; no comments."""
    return _blocks(_words(text))


def statements(body: Iterable[str]) -> Iterator[Statement]:
    """The statements of a block; those of a nested channel are prefixed with its name and ``/``."""
    for head, inside in nested(body):
        if inside and head[0] in ("ipv4", "ipv6"):
            yield from ((*head, "/", *inner) for inner in statements(inside))
        else:
            yield (*head, *inside)


def nested(body: Iterable[str]) -> Iterator[Tuple[Statement, List[str]]]:
    """Each statement of a block as its words before the first brace, and the words between its braces."""
    return (found for found in _blocks([*body, ";"]) if found[0])


def _words(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        word = match.group(1) or match.group(2) or match.group(3)
        if word:
            yield word


def _blocks(words: Iterable[str]) -> Iterator[Tuple[Statement, List[str]]]:
    head: List[str] = []
    body: List[str] = []
    depth = 0
    for word in words:
        if word == "{":
            depth += 1
            if depth > 1:
                body.append(word)
        elif word == "}":
            depth -= 1
            if depth:
                body.append(word)
            else:
                yield tuple(head), body
                head, body = [], []
        elif depth:
            body.append(word)
        elif word == ";":
            if head:
                yield tuple(head), body
            head, body = [], []
        else:
            head.append(word)
