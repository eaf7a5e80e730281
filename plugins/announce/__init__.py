"""Announce: what every provider hears of own prefixes: announced, withheld, prepended, with communities, parts of them."""

from __future__ import annotations

from netorch.api import Argument, Option, Plugin, Verb

from .amend import amend
from .change import announce, taken_back_by, withdraw
from .entries import NAME, lapse, words
from .refuse import SETTINGS, mistakes
from .show import announcements

_PREFIX = Argument("prefix", "an own prefix of a POP, or a part of one")
_POP = Option("pop", "only in this POP; without it, wherever the prefix is announced")
_COMMON = (
    Option("for", "how long it holds, such as 2h; then it is as the inventory has it again", kind="duration"),
    Option("reason", "why; shown by 'netorch announcements' and in histories"),
    Option("yes", "do not ask", kind="flag"),
    Option("allow-last", "even if no provider hears the prefix any more", kind="flag"),
    Option("allow-changes", "how many announcements may change, instead of the plugin's max_changes", kind="int"),
)

PLUGIN = Plugin(
    name=NAME,
    help="changes what every provider hears of own prefixes",
    amend=amend,
    lapse=lapse,
    tell=words,
    settings=SETTINGS,
    mistakes=mistakes,
    verbs=(
        Verb(
            "announce",
            "announce PREFIX to providers with just these prepends and communities; without any, plainly",
            announce,
            arguments=(_PREFIX,),
            options=(
                Option("to", "the provider, as often as needed; without it, every one there", many=True),
                _POP,
                Option("prepend", "how many times more our AS number is in the path", kind="int"),
                Option("community", "such as 64496:666, 64496:1:1 or no-export, as often as needed", many=True),
                Option("action", "an action of the provider's by its name in the inventory", many=True),
                Option("as-inventory", "take every change of it away, wherever it is", kind="flag"),
                *_COMMON,
                Option("allow-long", "even if providers accept nothing that long", kind="flag"),
                Option("allow-invalid", "even if it is invalid by RPKI", kind="flag"),
            ),
            examples=(
                "netorch announce 192.0.2.0/24 --to northtel --prepend 2 --for 2h",
                "netorch announce 192.0.2.0/24 --to northtel --action not-to-meadow --check",
                "netorch announce 192.0.2.0/24 --as-inventory",
            ),
            back=taken_back_by,
        ),
        Verb(
            "withdraw",
            "keep PREFIX from providers",
            withdraw,
            arguments=(_PREFIX,),
            options=(
                Option("from", "the provider, as often as needed; without it, every one", many=True),
                _POP,
                *_COMMON,
            ),
            examples=(
                "netorch withdraw 192.0.2.0/24 --from southnet --for 2h --reason 'they leak it'",
                "netorch withdraw 2001:db8:1::/48 --from southnet --check",
            ),
            back=taken_back_by,
        ),
        Verb(
            "announcements",
            "what every provider hears now, and what was changed about it, by whom and until when",
            announcements,
            arguments=(
                Argument("target", "of these switches and POPs alone", required=False, many=True, kind="targets"),
            ),
            examples=("netorch announcements pop1", "netorch announcements -o json"),
        ),
    ),
)
