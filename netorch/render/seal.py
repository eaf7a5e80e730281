"""The last step of rendering: secrets and the stamp take the places that templates left for them.

A rendered text can be shown and stored; a sealed one cannot. The stamp is a digest of the sealed text, so that a device whose
live configuration has it runs exactly that text: the agent reads it back from the daemon.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from netorch.errors import RenderError
from netorch.render.daemons import DIALECTS, dialect_of
from netorch.render.dialect import Dialect
from netorch.render.marks import SECRET_TOKEN, STAMP_TOKEN, without_tokens

STAMP_LENGTH = 16
HIDDEN = "(hidden)"

CARRIAGE_RETURN = "one line of text; the carriage return at its end comes from an editor"
MAX_SECRET_BYTES = 80  # Linux: TCP_MD5SIG_MAXKEYLEN in include/uapi/linux/tcp.h


def seal(text: str, resolve: Callable[[str], str], *, daemon: str) -> str:
    """``text``, a configuration of ``daemon``, with its secrets, by ``resolve(reference)``, and then its stamp.

    Raises RenderError for a secret that cannot be written; whatever ``resolve`` raises passes through.
    """
    dialect = dialect_of(daemon)
    return _stamped(SECRET_TOKEN.sub(lambda match: _writable(resolve(match.group(1)), match.group(1), dialect), text))


def restamp(sealed: str, daemon: str) -> str:
    """A sealed text that was changed, with the stamp of what it is now."""
    return _stamped(dialect_of(daemon).stamp.sub(rf"\g<1>{STAMP_TOKEN}\g<2>", sealed, count=1))


def _stamped(sealed: str) -> str:
    return sealed.replace(STAMP_TOKEN, hashlib.sha256(sealed.encode()).hexdigest()[:STAMP_LENGTH])


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` fit for showing, whatever daemon's it is: passwords and every one of ``secrets`` are masked; references to
    secrets stay."""
    for dialect in DIALECTS.values():
        text = dialect.password.sub(rf"\g<1>{HIDDEN}\g<2>", text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _writable(secret: str, reference: str, dialect: Dialect) -> str:
    """``secret`` if it can stand in a configuration; the error never holds it."""
    expected = dialect.expected_secret(secret)
    if not expected and (not secret or without_tokens(secret) != secret):
        expected = "a text without netorch's marks"
    if expected:
        raise RenderError(
            f"expected {expected}, found something else (not shown)",
            where=f"secret {reference}",
            hint=CARRIAGE_RETURN if secret.endswith("\r") else "agree on another password with the neighbour",
        )
    if len(secret) > MAX_SECRET_BYTES:
        raise RenderError(
            f"expected at most {MAX_SECRET_BYTES} characters, found {len(secret)}", where=f"secret {reference}"
        )
    return secret
