"""The frame around a BIRD reply: banner, reply codes, and whether the reply is whole.

BIRD's control socket sends ``NNNN-text`` for a line, `` text`` for the next one with the same code, and ``NNNN text`` for the
last one. ``birdc -v`` prints the same with five spaces instead of one, except that **it prints nothing for code 0000**;
``birdc`` alone prints the text only. All three forms are read here. A reply with codes is whole when its last line carries
a final code. Best is the control socket itself; whoever uses ``birdc -v`` for a command that ends with 0000 gives it ``eval 0``
as well (both on standard input) and passes on everything: the answer to ``eval`` can only follow a whole reply. The prompts
that birdc prints then are taken off. Plain text carries no such proof.

Source: BIRD 2.0.12 nest/cli.c cli_printf(), client/client.c server_got_reply().
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

from netorch.errors import DeviceError, ParseError

_CODED = re.compile(r"\d{4}(?:[- ]|$)")
_FINAL = re.compile(r"\d{4}(?: |$)")
_PREAMBLE = re.compile(r"(?:0001 )?BIRD \S+ ready\.$|(?:0016 )?Access restricted$")
_UNFRAMED = re.compile(r"^(?!\d{4}(?:[- ]|$)| |$)", re.MULTILINE)
_SOCKET = re.compile(r"^ {1,4}(?! )", re.MULTILINE)
# Prompts that birdc takes back, and one that stays with the command behind it.
_PROMPT = re.compile(r"^(?:bird> \r\x1b\[K)+(?:bird> .*\n?)?|^bird> .*\n?", re.MULTILINE)
_EVALUATED = 23
_FIRST_ERROR = 8000

# TextFSM splits its input with str.splitlines(), and a description may hold any of these: without the escape, the rest of
# that description would be read as a line of its own.
_LINE_BREAKS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)
}
_ANY_LINE_BREAK = re.compile("[\x0b\x0c\r\x1c\x1d\x1e\x85\u2028\u2029]")

_HINT_WHOLE = (
    "birdc -v shows no code 0000: read the control socket, or give birdc the command and `eval 0` on standard input"
)


class ReplyError(DeviceError):
    """BIRD answered with an error: ``code`` is 8000 to 9999, ``text`` its own words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"BIRD answered {code:04d} {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Reply:
    """A reply without its frame. ``first_line`` is the number of ``lines[0]`` in the original text, counted from 1.

    ``code`` is the final code, None for plain text; for a whole reply that ``birdc -v`` left without one it is 0.
    """

    lines: Tuple[str, ...]
    first_line: int
    code: Optional[int]

    def error(self, index: int, problem: str, *, hint: str = "") -> ParseError:
        """A ParseError about ``lines[index]``."""
        found = self.lines[index] if index < len(self.lines) else ""
        return ParseError(f"{problem}, found {found!r}", where=f"line {self.first_line + index}", hint=hint)


def read_reply(text: str, *, evaluated: bool = False) -> Reply:
    """Take the frame off ``text``, the output of one command (``evaluated``: of ``eval``).

    Raises ParseError for a text that ends inside a line or, where lines have codes, before the final one, and ReplyError
    for a final code of 8000 and more.
    """
    text = _PROMPT.sub("", text)
    if not text.strip():
        raise ParseError("no output at all", hint="birdc prints at least 'BIRD ... ready.'; was it run?")
    if not text.endswith("\n"):
        raise ParseError(
            f"the output ends inside line {text.count(chr(10)) + 1}",
            hint="keep the line break at the end of birdc's output",
        )
    if _ANY_LINE_BREAK.search(text):
        text = text.replace("\r\n", "\n").translate(_LINE_BREAKS)
    lines = text.split("\n")
    lines.pop()
    start = 0
    while start < len(lines) and _PREAMBLE.match(lines[start]):
        start += 1
    if not _CODED.match(lines[0]):
        return Reply(tuple(lines[start:]), start + 1, None)
    return _read_coded(text, lines[start:], start + 1, evaluated=evaluated)


def _read_coded(text: str, lines: List[str], first_line: int, *, evaluated: bool) -> Reply:
    unframed = _UNFRAMED.search(text)
    if unframed:
        number = text.count("\n", 0, unframed.start()) + 1
        raise ParseError(f"expected a reply code, found {text.splitlines()[number - 1]!r}", where=f"line {number}")
    if not lines or not _FINAL.match(lines[-1]):
        raise ParseError("the output ends before the final reply code", hint=_HINT_WHOLE)
    code = int(lines[-1][:4])
    if code == _EVALUATED and not evaluated:
        lines = lines[:-1]
        code = int(lines[-1][:4]) if lines and _FINAL.match(lines[-1]) else 0
    for index, line in enumerate(lines[:-1]):
        if line[:1] != " " and _FINAL.match(line):
            raise ParseError(f"expected one reply, which ends at {line!r}", where=f"line {first_line + index}")
    if code >= _FIRST_ERROR:
        raise ReplyError(code, lines[-1][5:])
    if _SOCKET.search(text):
        body = [line[1:] if line[:1] == " " else line[5:] for line in lines]
    else:
        body = [line[5:] for line in lines]
    if code == 0 and lines and _FINAL.match(lines[-1]):
        body.pop()
    return Reply(tuple(body), first_line, code)
