"""Texts that try to be more than text, and how they may appear where they are shown."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from netorch.intent.symbols import session_symbol
from netorch.model.intent import DeviceIntent, Session
from netorch.model.types import Family

INJECTION = "protocol static evil { ipv4; route 0.0.0.0/0 blackhole; }"
INJECTIONS = (
    f'x"; }} {INJECTION}',
    f"x'; }} {INJECTION}",
    f'\\"; }} {INJECTION}',
    f'"\n}}\n{INJECTION}\n#',
    f"\n{INJECTION}\n",
    f"\r{INJECTION}\r",
    f"\u2028{INJECTION}\u2029{INJECTION}\x85{INJECTION}",
    f"*/ {INJECTION} /*",
    f"# {INJECTION}",
    f"/* {INJECTION}",
    f"}}\x00 {INJECTION}",
    "\x00\x01\x1b[2J\x7f",
    '"' * 300,
    "x" * 4095,
    "x" * 4096,
    "ü" * 4096,
    "'" * 4096 + '"',
    "\\",
    "\\\\\\",
    '\\"',
    "{{ device }}",
    "{% include 'bird/switch.conf.j2' %}",
    "@stamp@",
    "@secret:env:HOME@",
    "@secret:file:/etc/shadow@",
    '@sec@stamp@ret:env:HOME@"',
    'include "/etc/passwd";',
    "$(reboot)`reboot`${IFS}",
    "\ud800 half a character",
    "\u202eright to left",
    "-empty-",
    "disabled off;",
    ";;;;",
    "}" * 200,
    "",
    " ",
    "\t",
)

_PIECES = (
    *'"\'\\{}[]();:,.#@$%&|<>=!?*/-_~^`+',
    *("\n", "\r", "\r\n", "\t", "\x00", "\x0b", "\x0c", "\x1b[31m", "\x1c", "\x7f", "\x85", "\xa0", "\xad"),
    *("\u200b", "\u2028", "\u2029", "\u202e", "\u2066", "\ufeff", "\ufffd", "\ud800", "\udfff", "\U0010ffff", "\U000e0001"),
    *("é", "e\u0301", "ß", "日本", "🙂", "ﬀ", "x", "abc", "0", "1e9", "0x1f", "203.0.113.1", "2001:db8::/32", " ", "  "),
    *("/*", "*/", "//", "# ", "{{", "}}", "{%", "%}", "{#", "#}", "{{ device }}", "{% raw %}", "{% endraw %}", "<<EOF"),
    *('";', "'; ", '"}', '" }\n', "};", "}\n}\n", '\\"', "\\n", "\\x22", "&quot;", "%22", INJECTION),
    *("protocol bgp x {", "filter x", "define NETORCH_STAMP =", "include", "password", "description", "disabled", "local"),
    *("neighbor 203.0.113.9 as 1;", "export all;", "import all;", "table t;", "template bgp t {", "function f()", "eval"),
    *("show status", "configure", "down", "-empty-", "!", "exit", "no router bgp 64500", "write"),
    *("@stamp@", "@secret:env:HOME@", "@secret:file:/etc/shadow@", "NETORCH_STAMP", "$(reboot)", "`reboot`", "../../"),
)  # fmt: skip
_ORDINARY = tuple(piece for piece in _PIECES if piece.isprintable() and '"' not in piece)
_LENGTHS = (1, 2, 62, 63, 64, 80, 81, 127, 128, 129, 254, 255, 256, 257, 300, 4094, 4095, 4096, 4097)


def hostile_sessions(switch: DeviceIntent, strings: Sequence[str], *, kind: str) -> tuple[Session, ...]:
    """A session for each string, like the switch's own of that ``kind`` and in both families in turns: the string is in its name,
    its description and its shutdown message. Each third is closed."""
    pattern = {session.family: session for session in switch.sessions if session.kind == kind}

    def made(number: int, text: str) -> Session:
        family = list(Family)[number % 2]
        neighbor = "203.0.113." if family is Family.IPV4 else "2001:db8:c::"
        return replace(
            pattern[family],
            name=session_symbol(f"{text}_{number}", family),
            description=text,
            shutdown_message=text,
            enabled=number % 3 != 0,
            neighbor=ip_address(f"{neighbor}{number + 10}"),
        )

    return tuple(made(number, text) for number, text in enumerate(strings))


def generate(dice: random.Random, count: int) -> list[str]:
    """``count`` different hostile texts, which ``dice`` choose: known ones, bent; odd pieces put together; characters of all
    of Unicode; and lengths at which something somewhere ends."""
    found: dict[str, None] = {}
    while len(found) < count:
        make: Callable[[random.Random], str] = dice.choice((_bent, _pieced, _ordinary, _ordinary, _any, _long))
        found[make(dice)] = None
    return list(found)


def _bent(dice: random.Random) -> str:
    text = dice.choice(INJECTIONS)
    for _ in range(dice.randint(1, 3)):
        place = dice.randint(0, len(text))
        text = text[:place] + dice.choice(_PIECES) + text[place + dice.randint(0, 2) :]
    return text


def _pieced(dice: random.Random) -> str:
    return "".join(dice.choices(_PIECES, k=dice.randint(1, 12)))


def _ordinary(dice: random.Random) -> str:
    """Nothing that an inventory refuses in a description."""
    return "".join(dice.choices(_ORDINARY, k=dice.randint(1, 30)))


def _any(dice: random.Random) -> str:
    top = dice.choice((0x7F, 0xFF, 0x2FF, 0xFFFF, 0x10FFFF))
    return "".join(chr(dice.randint(0, top)) for _ in range(dice.randint(1, 120)))


def _long(dice: random.Random) -> str:
    """Exactly so many bytes, or as near as its characters come, with something odd at its end."""
    filler, end = dice.choice(("x", "ü", "日", "'", "} ", "a b ")), dice.choice(_PIECES)
    size = dice.choice(_LENGTHS) - len(end.encode(errors="replace"))
    return filler * max(0, size // len(filler.encode())) + end


def scalar(text: str) -> str:
    """``text`` as a YAML scalar in double quotes, every unusual character escaped."""
    return (
        '"' + "".join(c if (c.isalnum() and c.isascii()) or c in " -_.:;" else f"\\U{ord(c):08x}" for c in text) + '"'
    )


def visible(text: str) -> str:
    """``text`` on one line: what cannot be seen and runs of blanks become one space."""
    seen = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return " ".join(seen.split())


def unmarked(text: str) -> str:
    """``text`` as a configuration may hold it: netorch's own marks must not be taken for such, so a space breaks them."""
    return text.replace("@stamp", "@ stamp").replace("@secret:", "@ secret:")


def cut(text: str, size: int) -> str:
    """The first ``size`` bytes of ``text``, without half a character at the end."""
    return text.encode()[:size].decode(errors="ignore")


def read_back(text: str) -> str:
    """``text`` as it is read back from ``show protocols all``, where some releases of BIRD indent by four blanks more: at its
    beginning these are taken for such."""
    return text.removeprefix("    ")
