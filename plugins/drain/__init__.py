"""Drain: take a provider, circuit, switch, host or whole POP out of service without losing a packet, and bring it back."""

from __future__ import annotations

from typing import Any, Mapping, Tuple

from netorch.api import Argument, Option, Plugin, Verb, WrongSetting

from .amend import amend
from .end import again, drains, undrain
from .entries import lapse, words
from .start import drain, ended_by

_KINDS = "KIND is provider, circuit, switch, host or pop, and may be left out where NAME says it"
_POP = Option("pop", "only in this POP; without it, wherever it is")
_SETTINGS: Mapping[str, Tuple[float, float]] = {
    "quiet_percent": (0, 50),
    "quiet_s": (1, 600),
    "measure_s": (1, 600),
    "load_percent": (1, 100),
    "prepend": (0, 10),
}
"""The settings and the least and the most that each may be."""

_WHOLE = ("prepend",)


def find_mistakes(settings: Mapping[str, Any]) -> Tuple[WrongSetting, ...]:
    """Settings that are no number, or too small or too large."""
    wrong = []
    for name, (least, most) in _SETTINGS.items():
        value = settings.get(name, least)
        is_number = isinstance(value, int if name in _WHOLE else (int, float)) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            noun = "a whole number" if name in _WHOLE else "a number"
            message = f"expected {noun} from {least:g} to {most:g}, found {value!r}"
            wrong.append(WrongSetting((name,), message, "docs/drain.md says what it does"))
    return tuple(wrong)


PLUGIN = Plugin(
    name="drain",
    help="takes providers, circuits, switches, hosts and POPs out of service gracefully, and back",
    amend=amend,
    lapse=lapse,
    tell=words,
    settings=tuple(_SETTINGS),
    mistakes=find_mistakes,
    verbs=(
        Verb(
            "drain",
            "move traffic away from a provider, circuit, switch, host or POP, then close what it came by",
            drain,
            arguments=(
                Argument(
                    "name",
                    f"[KIND] NAME; {_KINDS}. KIND alone lists what it could mean",
                    required=False,
                    many=True,
                ),
            ),
            options=(
                _POP,
                Option("reason", "why; neighbours are told when the sessions close"),
                Option("for", "end it after this time, such as 2h: netorch run brings it back", kind="duration"),
                Option(
                    "wait",
                    "how long to wait for the traffic to leave, 5m unless given, and no longer than half of --for",
                    kind="duration",
                    default=300.0,
                ),
                Option("keep-session", "do not take the last step: what is drained stays the last choice", kind="flag"),
                Option("allow-last", "even if nobody else is left to do the same", kind="flag"),
                Option("allow-capacity", "even if too little capacity is left", kind="flag"),
            ),
            examples=(
                'netorch drain northtel --pop pop1 --reason "fibre works" --for 2h',
                "netorch drain switch sw1.pop1",
                "netorch drain host h1.pop1 --wait 10m",
                "netorch drain pop",
            ),
            back=ended_by,
        ),
        Verb(
            "undrain",
            "end a drain",
            undrain,
            arguments=(
                Argument(
                    "name",
                    f"[KIND] NAME; {_KINDS}",
                    required=False,
                    many=True,
                ),
            ),
            options=(
                _POP,
                Option(
                    "wait",
                    "how long to wait for the sessions to come back, 5m unless given",
                    kind="duration",
                    default=300.0,
                ),
            ),
            examples=("netorch undrain northtel --pop pop1", "netorch undrain h1.pop1"),
            back=again,
        ),
        Verb(
            "drains",
            "what is drained, by whom, why, since and until when",
            drains,
            examples=("netorch drains", "netorch drains -o json"),
        ),
    ),
)
