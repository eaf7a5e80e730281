"""YAML text with positions: what a file holds as plain data, and where in the file each value stands.

ruamel.yaml composes the node graph; plain values are made here, because its round-trip loader is three times as slow,
and its safe one forgets positions. Numbers are decimal only, so that ``010`` or ``0x1f`` never mean something else than
they seem to.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

Path = tuple[Union[str, int], ...]

MAX_VALUES = 1_000_000  # aliases of aliases can describe far more values than the file has characters
_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset(_TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "seq", "map"))
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})")


class SyntaxProblem(Exception):
    """The text is not the YAML that an inventory may have; ``line`` and ``column`` count from 1. Ends as a finding."""

    def __init__(self, message: str, *, line: int, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.hint = hint


@dataclass(frozen=True)
class Document:
    """One file. ``data`` is None for an empty one; mappings have text keys only."""

    data: Any
    root: Node | None

    def position(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value at ``path``, or of the last value on the way that exists.

        With ``of_key`` those of the mapping key that leads to the value.
        """
        node, key_node = self.root, self.root
        for step in path:
            below = _child(node, step)
            if below is None:
                break
            key_node, node = below
        if isinstance(node, ScalarNode) and not node.value and not node.style:
            of_key = True  # a value that is not there is marked where the next thing starts
        at = key_node if of_key else node
        return _position(at.start_mark) if at is not None else (1, 1)

    def clip(self, path: Path) -> Path:
        """``path`` cut after the first value that is neither mapping nor list: nothing can lie below it."""
        node = self.root
        for depth, step in enumerate(path):
            if not isinstance(node, (MappingNode, SequenceNode)):
                return path[:depth]
            below = _child(node, step)
            if below is None:
                break
            node = below[1]
        return path


def parse_document(text: str) -> Document:
    """The Document that ``text`` is; raises SyntaxProblem."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is defined twice: the later one holds, as YAML says
            root = YAML(typ="safe", pure=True).compose(text)
        if root is None:
            return Document(None, None)
        return Document(_Builder().build(root), root)
    except RecursionError:
        raise SyntaxProblem("nested too deeply", line=1, column=1) from None
    except ReaderError as error:
        raise _unreadable(text, error) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = _position(mark) if mark is not None else (1, 1)
        raise SyntaxProblem(_complaint(error), line=line, column=column, hint=_hint(error)) from None
    except (ValueError, OverflowError):  # chr() of an escape beyond Unicode
        raise SyntaxProblem("not valid YAML: an escape that is no character", line=1, column=1) from None
    except YAMLError as error:
        raise SyntaxProblem(f"not valid YAML: {_first_words(str(error))}", line=1, column=1) from None


class _Builder:
    """Makes plain data of nodes; refuses what would loop or grow without end."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: Node) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _at(node, f"more than {MAX_VALUES:,} values", hint="split the file, or use fewer aliases")
        if str(node.tag) not in _TAGS:
            raise _at(node, f"expected a plain value, found one with the tag {_shown_tag(node)}", hint="remove the tag")
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _at(node, "an alias inside of what it stands for")
        self._open.add(id(node))
        value = self._mapping(node) if isinstance(node, MappingNode) else [self.build(item) for item in node.value]
        self._open.discard(id(node))
        return value

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        built: dict[str, Any] = {}
        places: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise _at(key_node, "expected a word as key, found a list or mapping")
            key = key_node.value
            if key in built:
                line, _ = _position(places[key].start_mark)
                raise _at(key_node, f"key {key!r} is there twice, first in line {line}", hint="keep one of them")
            if key == "<<":
                raise _at(key_node, "expected a key, found the merge key '<<'", hint="write the keys out")
            places[key] = key_node
            built[key] = self.build(value_node)
        return built


def _scalar(node: ScalarNode) -> Any:
    text = str(node.value)
    tag = str(node.tag)
    if tag == _TAG + "null":
        return None
    if tag == _TAG + "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if tag == _TAG + "int" and _WHOLE.fullmatch(text):
        return int(text)
    if tag == _TAG + "float":
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _child(node: Node | None, step: str | int) -> tuple[Node, Node] | None:
    """The key's node (the item's own in a list) and the value's, None if there is no such value."""
    if isinstance(node, MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == step:
                return key_node, value_node
    elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _shown_tag(node: Node) -> str:
    """The tag as it is written."""
    return _first_words(str(node.tag).replace(_TAG, "!!"))[:40]


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _at(node: Node, message: str, *, hint: str = "") -> SyntaxProblem:
    line, column = _position(node.start_mark)
    return SyntaxProblem(message, line=line, column=column, hint=hint)


def _unreadable(text: str, error: ReaderError) -> SyntaxProblem:
    """``error.position`` counts from the start of a chunk, so the character is looked up in the text itself."""
    character = error.character if isinstance(error.character, str) else chr(error.character)
    before = text[: max(text.find(character), 0)]
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return SyntaxProblem(f"expected text, found the control character {character!r}", line=line, column=column)


def _complaint(error: MarkedYAMLError) -> str:
    parts: Sequence[object] = [part for part in (error.context, error.problem) if part]
    return "not valid YAML: " + _first_words(", ".join(str(part) for part in parts))


def _hint(error: MarkedYAMLError) -> str:
    problem = str(error.problem or "")
    if "'\\t'" in problem:
        return "indent with spaces: YAML allows no tabs there"
    if "<block" in problem:
        return "line the keys of one mapping, and the dashes of one list, up below each other"
    if "mapping values are not allowed" in problem:
        return "put quotes around a text that holds ': ', and line keys up below each other"
    if "cannot start any token" in problem:
        return "put quotes around the text"
    if "another document" in problem or "single document" in str(error.context or ""):
        return "one file holds one document: remove the '---'"
    return ""


def _first_words(text: str) -> str:
    """The first line of ``text``, at most 200 characters, without control characters."""
    line = next(iter(text.splitlines()), "")
    return "".join(character if character.isprintable() else "?" for character in line)[:200]
