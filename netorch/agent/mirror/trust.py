"""TLS of the agents: version 1.3, both sides with a certificate of the POP's authority, revoked ones refused."""

from __future__ import annotations

import os
import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, FrozenSet, Tuple

KEY, CERTIFICATE, AUTHORITY, REVOKED = "key.pem", "certificate.pem", "authority.pem", "revoked.pem"


class TrustError(Exception):
    """The certificates on this device cannot be used, in words for the operator."""


def client_context(folder: str) -> ssl.SSLContext:
    """For a host's agent; the server's name is checked. Raises TrustError."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), folder)


def server_context(folder: str) -> ssl.SSLContext:
    """For a switch's agent; whose certificate a client has is for ``peer_names`` to tell. Raises TrustError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # every connection shows its certificate
    return _loaded(context, folder)


def _loaded(context: ssl.SSLContext, folder: str) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    name = AUTHORITY
    try:
        context.load_verify_locations(f"{folder}/{AUTHORITY}")
        name = REVOKED
        if os.path.exists(f"{folder}/{REVOKED}"):
            context.load_verify_locations(f"{folder}/{REVOKED}")
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        name = f"{CERTIFICATE} with {KEY}"
        context.load_cert_chain(f"{folder}/{CERTIFICATE}", f"{folder}/{KEY}")
    except ssl.SSLError as exc:
        raise TrustError(f"{folder}/{name} cannot be used: {_reason(exc)}") from None
    except OSError as exc:
        raise TrustError(f"{folder}/{name} cannot be read: {exc.strerror}") from None
    return context


def peer_names(certificate: Any) -> Tuple[FrozenSet[str], float]:
    """The device names in a certificate that has been verified, as ``getpeercert`` gives it, and until when it holds (seconds
    since the epoch)."""
    names = frozenset(name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS")
    return names, float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def refusal_words(exc: BaseException) -> str:
    """Why a connection was not made, in one line."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"certificate: {exc.verify_message}"
    if isinstance(exc, (ssl.SSLZeroReturnError, ssl.SSLEOFError)):
        return "TLS: the other side ended the connection"
    if isinstance(exc, ssl.SSLError):
        words = _reason(exc).replace("_", " ").lower()
        _, is_alert, said = words.partition(" alert ")  # its name begins with a version of TLS that is in no use here
        return f"TLS: the other side says: {said}" if is_alert else f"TLS: {words}"
    if isinstance(exc, OSError) and exc.errno:
        return os.strerror(exc.errno)  # what asyncio says instead names the address only
    return str(exc) or type(exc).__name__


def _reason(exc: ssl.SSLError) -> str:
    """OpenSSL's words, without the place in the interpreter's source."""
    return exc.reason or str(exc).partition(" (_ssl.c")[0]
