"""Routes of operators' own programs: added to devices through deploys, each owner's by itself."""

from __future__ import annotations

from netorch.api import Argument, Option, Plugin, Verb

from .allow import SETTINGS, mistakes
from .amend import amend
from .entries import NAME, lapse
from .verbs import list_routes, set_routes, withdraw

_OWNER = Argument("owner", "whose routes they are: the name of the program")
_CONFIRM = Option(
    "confirm-timeout", "a device that hears no confirmation for so many seconds goes back, 60 unless given", "int", 60
)
_REASON = Option("reason", "why; shown by 'netorch routes list' and in histories")

PLUGIN = Plugin(
    name=NAME,
    help="routes of operators' own programs, added through deploys",
    amend=amend,
    lapse=lapse,
    settings=SETTINGS,
    mistakes=mistakes,
    verbs=(
        Verb(
            "routes list",
            "which routes operators' programs have added, and until when",
            list_routes,
            arguments=(Argument("owner", "of this one alone", required=False),),
        ),
        Verb(
            "routes set",
            "make the routes of OWNER exactly those of a file",
            set_routes,
            arguments=(
                _OWNER,
                Argument("target", "where; elsewhere the owner has none any more", many=True, kind="targets"),
            ),
            options=(
                Option("file", "JSON: one route per line, or a list; - is standard input", kind="file"),
                Option("for", "how long they last, such as 2h, where a route does not say", kind="duration"),
                _REASON,
                _CONFIRM,
                Option("allow-covering", "even if they cover the management, fabric or service networks", kind="flag"),
            ),
        ),
        Verb(
            "routes withdraw",
            "take all routes of OWNER away",
            withdraw,
            arguments=(_OWNER,),
            options=(_REASON, _CONFIRM),
        ),
    ),
)
