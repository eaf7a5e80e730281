"""Windows of maintenance, as people write them: once, or every week."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from netorch.inventory.fields import Checked, refusal
from netorch.inventory.findings import shown_value
from netorch.model.inventory import Window
from netorch.model.text import did_you_mean

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_EXPECTED = "a window, {start, end} or {day, from, to}"
_HINT = "{start: 2026-11-22T22:00Z, end: 2026-11-23T02:00Z}, or every week {day: sunday, from: 22:00, to: 02:00}"


def _window(value: Any) -> Window:
    if not isinstance(value, dict) or set(value) not in ({"start", "end"}, {"day", "from", "to"}):
        found = ", ".join(map(str, value)) or "nothing" if isinstance(value, dict) else shown_value(value)
        raise refusal(_EXPECTED, found, hint=_HINT)
    return _once(value) if "start" in value else _weekly(value)


def _once(value: dict[str, Any]) -> Window:
    start, end = _moment(value["start"]), _moment(value["end"])
    if end <= start:
        raise refusal("an end after the start", shown_value(value["end"]))
    return Window(start, end)


def _moment(value: Any) -> float:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise refusal("a time such as 2026-11-22T22:00Z", shown_value(value)) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _weekly(value: dict[str, Any]) -> Window:
    day = value["day"]
    if day not in DAYS:
        hint = did_you_mean(day, DAYS) if isinstance(day, str) else ""
        raise refusal(f"one of {', '.join(DAYS)}", shown_value(day), hint=hint)
    begin, end = _minute(value["from"]), _minute(value["to"])
    start = DAYS.index(day) * DAY_MINUTES + begin
    length = end - begin if end > begin else end - begin + DAY_MINUTES
    return Window(start, (start + length) % WEEK_MINUTES, weekly=True)


def _minute(value: Any) -> int:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refusal("a time of day such as 22:00", shown_value(value))
    return int(found[1]) * 60 + int(found[2])


def _object(texts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    properties = {name: {"type": "string", **schema} for name, schema in texts.items()}
    return {"type": "object", "properties": properties, "required": list(texts), "additionalProperties": False}


_SCHEMA = {
    "anyOf": [
        _object({"start": {}, "end": {}}),
        _object({"day": {"enum": [*DAYS]}, "from": {"pattern": _TIME.pattern}, "to": {"pattern": _TIME.pattern}}),
    ]
}

WindowOfTime = Annotated[Window, Checked(_window, "window", _SCHEMA)]
