"""Steer: one prefix through one provider, from every host of a POP, as long as that provider has a route for it."""

from __future__ import annotations

from netorch.api import Argument, Option, Plugin, Verb

from .amend import amend
from .entries import NAME, lapse, words
from .guards import SETTINGS, mistakes
from .verbs import again, ended_by, steer, steers, unsteer

_POP = Option("pop", "only in this POP; without it, in every one where the provider has circuits")

PLUGIN = Plugin(
    name=NAME,
    help="sends single prefixes through one provider, whatever BGP would choose",
    amend=amend,
    lapse=lapse,
    tell=words,
    settings=SETTINGS,
    mistakes=mistakes,
    verbs=(
        Verb(
            "steer",
            "send packets to PREFIX through one provider, as long as it has a route",
            steer,
            arguments=(Argument("prefix", "a prefix that the provider announces, or that holds such prefixes"),),
            options=(
                Option("via", "the provider"),
                _POP,
                Option("for", "how long, such as 2h; netorch run ends it then", kind="duration"),
                Option("reason", "why; shown by 'netorch steers' and in histories"),
                Option(
                    "allow-absent", "even if the provider has no route for it now, or is drained or down", kind="flag"
                ),
                Option("allow-capacity", "even if its circuits would be too full", kind="flag"),
            ),
            examples=(
                "netorch steer 1.144.0.0/16 --via meadow --for 2h --reason 'transit is slow there'",
                "netorch steer 2425:c770::/29 --via northtel --pop pop1 --check",
            ),
            back=ended_by,
        ),
        Verb(
            "unsteer",
            "let BGP choose for PREFIX again",
            unsteer,
            arguments=(Argument("prefix", "as it was steered"),),
            options=(Option("pop", "only in this POP"), Option("reason", "why; shown in histories")),
            examples=("netorch unsteer 1.144.0.0/16",),
            back=again,
        ),
        Verb(
            "steers",
            "what is steered where, by whom, until when, and whether it is in force",
            steers,
            examples=("netorch steers -o json",),
        ),
    ),
)
