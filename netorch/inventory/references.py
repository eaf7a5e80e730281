"""How the inventory refers to a secret that is kept elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from netorch.inventory.fields import Checked, refusal
from netorch.model.sessions import SecretRef

_PATH = r"(?!~)[^#]+"

# What stands behind each scheme's colon, and how that is called in a message.
SCHEMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "env": (r"[A-Za-z_][A-Za-z0-9_]{0,99}", "env:NAME"),
        "file": (r"(?!~).+", "file:PATH"),
        "age": (r"(?!~).+", "age:PATH"),
        "sops": (rf"{_PATH}#[^#/]+(/[^#/]+)*", "sops:PATH#KEY/KEY"),
        "credential": (r"(?!\.\.?$)[^/]{1,255}", "credential:NAME"),
    }
)

EXPECTED = f"a reference to a secret ({', '.join(form for _, form in SCHEMES.values())})"


def _secret(value: Any) -> SecretRef:
    """A secret written here by mistake is never shown."""
    scheme, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    pattern, _ = SCHEMES.get(scheme, ("(?!)", ""))
    if not name.isprintable() or not re.fullmatch(pattern, name):
        hint = "keep the secret out of the inventory: docs/secrets.md lists where it may be"
        raise refusal(EXPECTED, "something else", hint=hint)
    return SecretRef(scheme, name)


_ALL = "|".join(f"{scheme}:{pattern}" for scheme, (pattern, _) in SCHEMES.items())

Secret = Annotated[SecretRef, Checked(_secret, "secret reference", {"type": "string", "pattern": f"^({_ALL})$"})]
