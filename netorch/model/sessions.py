"""What a session with a provider is protected and watched by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SecretRef:
    """Where a secret is kept, never the secret: ``file:PATH``, ``env:NAME``, ... (docs/secrets.md)."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


@dataclass(frozen=True)
class BfdTimers:
    """A neighbour that sends nothing for ``interval_ms`` times ``multiplier`` is down."""

    interval_ms: int = 300
    multiplier: int = 5


@dataclass(frozen=True)
class Bfd:
    """BFD between switches and hosts, and with providers."""

    fabric: BfdTimers = BfdTimers()
    providers: BfdTimers = BfdTimers()


AO_ALGORITHMS = ("hmac sha1", "cmac aes128", "hmac sha256")


@dataclass(frozen=True)
class AoKey:
    """A key of TCP-AO (RFC 5925), which may come and go while the session runs. ``id`` (0 to 255) is the same at both ends.
    ``use``: ``preferred`` is asked of the neighbour, ``deprecated`` is for what the neighbour still sends, ``""`` for either."""

    id: int
    secret: SecretRef
    algorithm: str = AO_ALGORITHMS[0]
    use: str = ""
