"""Which parser reads which command, and the result as JSON: ``netorch parse``."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

from netorch.errors import UsageError
from netorch.model.codec import to_json
from netorch.parse.daemon import parse_eval, parse_memory, parse_status
from netorch.parse.interfaces import parse_bfd_sessions, parse_interface_summary, parse_interfaces
from netorch.parse.protocols import parse_protocols
from netorch.parse.routes import parse_route_counts, parse_routes

Parser = Callable[[str, List[str]], Any]


def _show_route(text: str, arguments: List[str]) -> Any:
    # `table all` selects tables; the `all` that asks for details stands for itself.
    words = [word for before, word in zip(["", *arguments], arguments) if before != "table"]
    if _asks("count", words):
        return parse_route_counts(text)
    return parse_routes(text, details=_asks("all", words))


def _show_interfaces(text: str, arguments: List[str]) -> Any:
    return parse_interface_summary(text) if _asks("summary", arguments) else parse_interfaces(text)


# By their words; the rest of the command line are arguments.
_PARSERS: Dict[Tuple[str, ...], Parser] = {
    ("show", "protocols"): lambda text, arguments: parse_protocols(text, details=_asks("all", arguments)),
    ("show", "route"): _show_route,
    ("show", "status"): lambda text, arguments: parse_status(text),
    ("show", "memory"): lambda text, arguments: parse_memory(text),
    ("show", "interfaces"): _show_interfaces,
    ("show", "bfd", "sessions"): lambda text, arguments: parse_bfd_sessions(text),
    ("eval",): lambda text, arguments: parse_eval(text),
}

SUPPORTED = (
    "show protocols [all] [NAME]",
    "show route [all] [...]",
    "show route count [...]",
    "show status",
    "show memory",
    "show interfaces [summary]",
    "show bfd sessions [NAME]",
    "eval EXPRESSION",
)


def parse_command(command: str, text: str) -> Any:
    """Parse ``text``, what BIRD answered to ``command`` (with or without reply codes), into plain JSON data.

    Words of the command may be abbreviated as birdc allows (``sh pr all``). Lists of objects, one object for ``show status``,
    a string for ``eval``; an absent value is None, never missing, never an empty string.

    Raises UsageError for a command that has no parser, naming those that have one; ParseError for a text that does not fit
    the command or is cut; ReplyError where BIRD answered with an error.
    """
    words = command.split()
    if words[:1] == ["birdc"]:
        words = [word for word in words[1:] if not word.startswith("-")]
    for keywords, parser in _PARSERS.items():
        if len(words) >= len(keywords) and all(_abbreviates(word, full) for word, full in zip(words, keywords)):
            return to_json(parser(text, words[len(keywords) :]), kinds=False)
    raise UsageError(f"no parser for {command!r}", hint=f"supported: {'; '.join(SUPPORTED)}")


def _abbreviates(word: str, keyword: str) -> bool:
    return keyword.startswith(word)


def _asks(keyword: str, arguments: List[str]) -> bool:
    return keyword in arguments
