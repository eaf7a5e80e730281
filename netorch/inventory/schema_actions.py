"""A provider's action communities: what it does on our behalf with a prefix that carries one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from netorch.inventory.fields import Checked, Description, Name, refusal, text_of
from netorch.inventory.findings import shown_value
from netorch.inventory.keys import Keys

_HIGHEST = {2: 0xFFFF, 3: 0xFFFFFFFF}  # RFC 1997, RFC 8092
_EXAMPLES = {2: "64496:666", 3: "64496:1:1"}


def _numbers(count: int) -> Callable[[Any], tuple[int, ...]]:
    expected = f"{count} numbers from 0 to {_HIGHEST[count]} with colons between them, such as {_EXAMPLES[count]}"

    def read(value: Any) -> tuple[int, ...]:
        if isinstance(value, int) and not isinstance(value, bool):
            raise refusal(expected, shown_value(value), hint="put quotes around it")
        text = text_of(value, expected)
        words = text.split(":")
        if len(words) == 5 - count and all(word.isdecimal() for word in words):
            other = "large_community" if count == 2 else "community"
            raise refusal(expected, shown_value(text), hint=f"write it as {other}")
        if len(words) != count or not all(word.isascii() and word.isdecimal() for word in words):
            raise refusal(expected, shown_value(text))
        found = tuple(map(int, words))
        if max(found) > _HIGHEST[count]:
            hint = "AS numbers above 65535 have room in a large community alone" if count == 2 else ""
            raise refusal(expected, shown_value(text), hint=hint)
        return found

    return read


def _schema(count: int) -> dict[str, Any]:
    return {"type": "string", "pattern": "^" + ":".join(["[0-9]{1,10}"] * count) + "$"}


CommunityText = Annotated[tuple[int, int], Checked(_numbers(2), "community", _schema(2))]
LargeCommunityText = Annotated[tuple[int, int, int], Checked(_numbers(3), "large community", _schema(3))]


class ActionKeys(Keys):
    name: Name = Field(description="what `netorch announce --action` calls it", examples=["no-export-europe"])
    community: CommunityText | None = Field(default=None, description="what is sent", examples=["64496:666"])
    large_community: LargeCommunityText | None = Field(
        default=None, description="what is sent, beside or instead of it", examples=["64496:1:1"]
    )
    description: Description = Field(default="", description="what the provider does upon it")
