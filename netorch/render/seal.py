"""The last step of rendering: secrets and the stamp take the places that templates left for them.

A rendered text can be shown and stored; a sealed one cannot. The stamp is a digest of the sealed text, so that a device whose
live configuration has it runs exactly that text: ``birdc eval NETORCH_STAMP`` reads it back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from netorch.errors import RenderError
from netorch.model.inventory import SecretRef

STAMP_TOKEN = "@stamp@"
STAMP_LENGTH = 16
HIDDEN = "(hidden)"

MAX_SECRET_BYTES = 80  # Linux: TCP_MD5SIG_MAXKEYLEN in include/uapi/linux/tcp.h

_STAMP_START = "@stamp"
_SECRET_START = "@secret:"
_SECRET_TOKEN = re.compile(r'@secret:([^@"\n]+)@')
_PASSWORD = re.compile(r'(\bpassword\s+)"(?!@secret:)[^"\n]*"')
_STAMP = re.compile(r'(\bNETORCH_STAMP\s*=\s*")[^"\n]*(")')
_REFERENCE = re.compile(r'[^@"\x00-\x1f\x7f]+')


def secret_token(reference: SecretRef) -> str:
    """What stands for the secret in a rendered text; RenderError for a reference that cannot be told from the text around."""
    if not _REFERENCE.fullmatch(str(reference)):
        raise RenderError(f"expected a secret reference without '@' and quotes, found {str(reference)!r}")
    return f"{_SECRET_START}{reference}@"


def without_tokens(text: str) -> str:
    """``text`` with whatever could be taken for one of netorch's own marks broken up."""
    return text.replace(_SECRET_START, "@ secret:").replace(_STAMP_START, "@ stamp")


def seal(text: str, resolve: Callable[[str], str]) -> str:
    """``text`` with its secrets, by ``resolve(reference)``, and then its stamp.

    Raises RenderError for a secret that cannot be written; whatever ``resolve`` raises passes through.
    """
    return _stamped(_SECRET_TOKEN.sub(lambda match: _quotable(resolve(match.group(1)), match.group(1)), text))


def restamp(sealed: str) -> str:
    """A sealed text that was changed, with the stamp of what it is now."""
    return _stamped(_STAMP.sub(rf"\g<1>{STAMP_TOKEN}\g<2>", sealed, count=1))


def _stamped(sealed: str) -> str:
    return sealed.replace(STAMP_TOKEN, hashlib.sha256(sealed.encode()).hexdigest()[:STAMP_LENGTH])


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` fit for showing: passwords and every one of ``secrets`` are masked; references to secrets stay."""
    shown = _PASSWORD.sub(rf'\1"{HIDDEN}"', text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        shown = shown.replace(secret, HIDDEN)
    return shown


def _quotable(secret: str, reference: str) -> str:
    """``secret`` if it can stand inside a BIRD string; the error never holds it."""
    if not secret or not secret.isascii() or not secret.isprintable() or '"' in secret or _has_mark(secret):
        raise RenderError(
            "expected printable ASCII without double quotes, found something else (not shown)",
            where=f"secret {reference}",
            hint="agree on another password with the neighbour",
        )
    if len(secret) > MAX_SECRET_BYTES:
        raise RenderError(
            f"expected at most {MAX_SECRET_BYTES} characters, found {len(secret)}", where=f"secret {reference}"
        )
    return secret


def _has_mark(secret: str) -> bool:
    return without_tokens(secret) != secret
