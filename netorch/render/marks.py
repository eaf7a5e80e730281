"""Marks that templates leave where ``seal`` puts a secret or the stamp."""

from __future__ import annotations

import re

from netorch.errors import RenderError
from netorch.model.sessions import SecretRef

STAMP_TOKEN = "@stamp@"
SECRET_TOKEN = re.compile(r'@secret:([^@"\n]+)@')

_STAMP_START = "@stamp"
_SECRET_START = "@secret:"
_REFERENCE = re.compile(r'[^@"\x00-\x1f\x7f]+')


def secret_token(reference: SecretRef) -> str:
    """What stands for the secret in a rendered text; RenderError for a reference that cannot be told from the text around."""
    if not _REFERENCE.fullmatch(str(reference)):
        raise RenderError(f"expected a secret reference without '@' and quotes, found {str(reference)!r}")
    return f"{_SECRET_START}{reference}@"


def without_tokens(text: str) -> str:
    """``text`` with whatever could be taken for one of netorch's own marks broken up."""
    return text.replace(_SECRET_START, "@ secret:").replace(_STAMP_START, "@ stamp")
