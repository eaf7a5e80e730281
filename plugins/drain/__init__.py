"""Drain: take a provider, circuit or switch out of service without losing a packet, and bring it back."""

from __future__ import annotations

from netorch.api import Argument, Option, Plugin, Verb

from .amend import amend
from .end import drains, undrain
from .start import drain

_NAME = "[KIND] NAME; KIND is provider, circuit or switch, and may be left out where NAME says it"
_POP = Option("pop", "only in this POP; without it, wherever it is")

PLUGIN = Plugin(
    name="drain",
    help="takes providers, circuits and switches out of service gracefully, and back",
    amend=amend,
    verbs=(
        Verb(
            "drain",
            "move traffic away from a provider, circuit or switch, then close its sessions",
            drain,
            arguments=(Argument("name", f"{_NAME}; KIND alone lists what it could mean", required=False, many=True),),
            options=(
                _POP,
                Option("reason", "why; neighbours are told when the sessions close"),
                Option("for", "how long it is meant to last, such as 2h; shown by 'netorch drains'", kind="duration"),
                Option(
                    "wait",
                    "how long to wait for the ports to fall quiet, 5m unless given",
                    kind="duration",
                    default=300.0,
                ),
                Option("keep-session", "do not close the sessions", kind="flag"),
                Option("allow-last", "even if the POP is left without another provider", kind="flag"),
                Option("allow-capacity", "even if too little of the POP's capacity is left", kind="flag"),
            ),
        ),
        Verb(
            "undrain",
            "end a drain",
            undrain,
            arguments=(Argument("name", _NAME, required=False, many=True),),
            options=(
                _POP,
                Option(
                    "wait",
                    "how long to wait for the sessions to come back, 5m unless given",
                    kind="duration",
                    default=300.0,
                ),
            ),
        ),
        Verb("drains", "what is drained, by whom and until when", drains),
    ),
)
