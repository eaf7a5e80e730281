"""FRR that answers nonsense: its programs on their control sockets, or the vtysh that everybody's tools ask."""

from __future__ import annotations

import random
from typing import Optional

from netorch.agent.clock import uptime
from tests.lab.faults.bed import Attempt
from tests.lab.faults.control import Control
from tests.lab.faults.frr import REAL_VTYSH, in_place_of_vtysh
from tests.lab.faults.play import finish
from tests.lab.operator_shell import Said
from tests.waiting import wait_until

SAID = ("broken off", "cut short", "garbage", "another code", "nothing")
TOOLS = ("vtysh does nothing", "vtysh fails", "vtysh is cut short", "vtysh types half of it")
LIES = (*SAID, *TOOLS)

ANSWERS = {"": 2000, "show": 60}
"""Of FRR's programs until a change is applied, at least, counted: in all, and to commands that begin so."""

CALLS = 8
"""Of vtysh until a change is applied, at least, counted."""

_COUNTS = (1, 1, 3, 10_000)
_CODES = (0, 1, 2, 4, 13, 255)
_END = b"\0\0\0"
_CALLED = "/run/vtysh-called"
# Only one asks at a time while it is counted. ``-f``, where it is, has the file behind it.
_WRAPPER = f"""#!/bin/bash
exec 9>>{_CALLED}.lock
flock 9
echo "$*" >> {_CALLED}
number=$(wc -l < {_CALLED})
exec 9>&-
[ "$number" -gt @FIRST@ ] && [ "$number" -le @LAST@ ] || exec -a vtysh {REAL_VTYSH} "$@"
echo "$*" >> {_CALLED}.twisted
case "@HOW@" in
*nothing) exit 0 ;;
*fails) exit 1 ;;
*short) bash -c 'exec -a vtysh {REAL_VTYSH} "$@"' vtysh "$@" | head -c @BYTES@; exit 0 ;;
esac
words=()
last=
for word; do
    if [ "$last" = -f ]; then
        head -n "$(($(wc -l < "$word") / 2))" "$word" > "/run/half.$$"
        words+=("/run/half.$$")
    else
        words+=("$word")
    fi
    last=$word
done
exec -a vtysh {REAL_VTYSH} "${{words[@]}}"
"""


class Liar:
    """Changes some answers of FRR's programs: from the one numbered ``first`` on, ``count`` of them. Of all commands, most of
    which are lines that are loaded, or of those that ask for something. Where nothing is said nothing is cut short."""

    def __init__(self, how: str, dice: random.Random) -> None:
        self.how = how
        self.asks = dice.choice(tuple(ANSWERS))
        self.first = int(
            ANSWERS[self.asks] ** dice.random()
        )  # there are few until something is loaded, and many meanwhile
        self.count = dice.choice(_COUNTS)
        self._dice = dice
        self._seen = 0
        self._told = 0

    def __call__(self, command: str, reply: bytes) -> Optional[bytes]:
        if not command.startswith(self.asks):
            return reply
        number, self._seen = self._seen, self._seen + 1
        text, code = reply[:-4], reply[-1]
        is_over = self._told == self.count
        if number < self.first or is_over or (self.how == "cut short" and not text):
            return reply
        self._told += 1
        if self.how == "nothing":
            return None
        if self.how == "broken off":
            return reply[: self._dice.randrange(len(reply) - 3)]
        if self.how == "cut short":
            return text[: self._dice.randrange(len(text))] + reply[-4:]
        if self.how == "garbage":
            return self._dice.randbytes(self._dice.randint(1, 400)) + reply[-4:]
        return text + _END + bytes([self._dice.choice([one for one in _CODES if one != code])])


def lies(attempt: Attempt) -> Optional[Said]:
    """Answers that are cut, garbage, have another code, or never come; a vtysh that does not do what it is told."""
    if attempt.choice in TOOLS:
        return _lying_vtysh(attempt)
    liar = Liar(attempt.choice, attempt.random)
    with Control(attempt.target, liar) as control:
        said = _deploy(attempt)
        asked, twisted = len(control.asked), list(control.twisted)
    attempt.excused_until = uptime()
    shown = ", ".join(word.split("\n")[0][:40] for word in twisted[:2])
    attempt.events.append(
        f"{liar.how} from {liar.asks or 'any'} answer {liar.first} on, {len(twisted)} of {asked}: {shown}"
    )
    assert twisted, f"{attempt.seed}: no answer was changed: {attempt.events}"
    return said


def _lying_vtysh(attempt: Attempt) -> Optional[Said]:
    first, count = attempt.random.randrange(CALLS), attempt.random.choice(_COUNTS)
    script = _WRAPPER.replace("@FIRST@", str(first)).replace("@LAST@", str(first + count))
    script = script.replace("@BYTES@", str(attempt.random.randint(0, 4000))).replace("@HOW@", attempt.choice)
    with in_place_of_vtysh(attempt, script):
        said = _deploy(attempt)
        called = attempt.target.path(_CALLED).read_text().splitlines()
        file = attempt.target.path(f"{_CALLED}.twisted")
        twisted = file.read_text().splitlines() if file.exists() else []
        for left in (file, attempt.target.path(_CALLED)):
            left.unlink(missing_ok=True)
    attempt.excused_until = uptime()
    attempt.events.append(f"{attempt.choice} from call {first} on, {len(twisted)} of {len(called)}: {twisted[:1]}")
    assert twisted, f"{attempt.seed}: vtysh told no lie: {called}"
    return said


def _deploy(attempt: Attempt) -> Said:
    """It ends by itself, and the deadline passes."""
    with attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process, timeout_s=180)
        end = attempt.watcher.deadline() + 1
        wait_until(lambda: uptime() > end, timeout_s=90, what="the deadline has passed")
    return said
