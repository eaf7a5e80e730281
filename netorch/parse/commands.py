"""Which parser reads which command, and the result as JSON: ``netorch parse``."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

from netorch.errors import UsageError
from netorch.model.codec import to_json
from netorch.parse import frr
from netorch.parse.daemon import parse_eval, parse_memory, parse_status
from netorch.parse.interfaces import parse_bfd_sessions, parse_interface_summary, parse_interfaces
from netorch.parse.neighbours import parse_ospf_neighbors, parse_rip_neighbors
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
    ("show", "ospf", "neighbors"): lambda text, arguments: parse_ospf_neighbors(text),
    ("show", "rip", "neighbors"): lambda text, arguments: parse_rip_neighbors(text),
    ("eval",): lambda text, arguments: parse_eval(text),
}

# FRR's, which end with ``json``; where they may be about one family or prefix, ``*`` stands for any words.
_FRR_PARSERS: Tuple[Tuple[Tuple[str, ...], Callable[[str], Any]], ...] = (
    (("show", "version"), frr.read_version),
    (("show", "bgp", "*", "summary", "json"), frr.read_summary),
    (("show", "bgp", "*", "neighbors", "*", "json"), frr.read_neighbors),
    (("show", "bgp", "*", "json"), frr.read_bgp_routes),
    (("show", "ip", "route", "*", "json"), frr.read_routes),
    (("show", "ipv6", "route", "*", "json"), frr.read_routes),
    (("show", "bfd", "peers", "json"), frr.read_bfd_sessions),
    (("show", "interface", "*", "json"), frr.read_interfaces),
    (("show", "ip", "ospf", "neighbor", "json"), frr.read_ospf_neighbors),
    (("show", "ipv6", "ospf6", "neighbor", "json"), frr.read_ospf6_neighbors),
)

_QUOTES = {ord(quote): " " for quote in "\"'"}

SUPPORTED = (
    "show protocols [all] [NAME]",
    "show route [all] [...]",
    "show route count [...]",
    "show status",
    "show memory",
    "show interfaces [summary]",
    "show bfd sessions [NAME]",
    "show ospf|rip neighbors [NAME]",
    "eval EXPRESSION",
    "show version",
    "show bgp summary json",
    "show bgp neighbors [ADDRESS] json",
    "show bgp ipv4|ipv6 unicast [detail] [PREFIX] json",
    "show ip|ipv6 route [...] json",
    "show bfd peers json",
    "show interface json",
    "show ip ospf neighbor json",
    "show ipv6 ospf6 neighbor json",
)


def parse_command(command: str, text: str) -> Any:
    """Parse ``text``, what BIRD (with or without reply codes) or FRR answered to ``command``, into plain JSON data.

    Words of the command may be abbreviated as birdc and vtysh allow (``sh pr all``). Lists of objects, one object for
    ``show status``, a string for ``eval``; an absent value is None, never missing, never an empty string.

    Raises UsageError for a command that has no parser, naming those that have one; ParseError for a text that does not fit
    the command or is cut; ReplyError where BIRD, FrrError where FRR answered with an error.
    """
    quoted = command.startswith("vtysh ")  # vtysh -c "show version"
    words = command.translate(_QUOTES).split() if quoted else command.split()
    if words[:1] in (["birdc"], ["vtysh"]):
        words = [word for word in words[1:] if not word.startswith("-")]
    for pattern, reader in _FRR_PARSERS:
        if _fits(words, pattern):
            return to_json(reader(text), kinds=False)
    for keywords, parser in _PARSERS.items():
        if len(words) >= len(keywords) and all(_abbreviates(word, full) for word, full in zip(words, keywords)):
            return to_json(parser(text, words[len(keywords) :]), kinds=False)
    raise UsageError(f"no parser for {command!r}", hint=f"supported: {'; '.join(SUPPORTED)}")


def _abbreviates(word: str, keyword: str) -> bool:
    return keyword.startswith(word)


def _fits(words: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether ``words`` are those of ``pattern``, abbreviated or not; ``json`` is what tells FRR's commands from BIRD's."""
    if not pattern:
        return not words
    if pattern[0] == "*":
        return any(_fits(words[skipped:], pattern[1:]) for skipped in range(len(words) + 1))
    if not words or not _abbreviates(words[0], pattern[0]) or (pattern[0] == "json" and words[0] != "json"):
        return False
    return _fits(words[1:], pattern[1:])


def _asks(keyword: str, arguments: List[str]) -> bool:
    return keyword in arguments
