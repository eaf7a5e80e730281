"""known_hosts files: which keys a device may show, and what to say when it shows another."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netorch.errors import AuthError
from netorch.io import ssh_patterns

REVOKED = "@revoked"
AUTHORITY = "@cert-authority"


@dataclass(frozen=True)
class HostKey:
    """A public host key as SSH sends it."""

    algorithm: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:...`` as ssh-keygen -l prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.algorithm} {self.fingerprint}"


@dataclass(frozen=True)
class KnownHost:
    """One line of a known_hosts file. ``marker`` is "", ``@revoked`` or ``@cert-authority``."""

    names: tuple[str, ...]
    key: HostKey
    marker: str
    path: str
    line: int

    def is_for(self, name: str) -> bool:
        """Whether the line is about ``name`` (``host`` or ``[host]:port``, lower case)."""
        if self.names[0].startswith("|1|"):
            return _hashed_name_matches(self.names[0], name)
        return ssh_patterns.matches(self.names, name)

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.path}:{self.line}"


def parse_known_hosts(text: str, path: str) -> tuple[KnownHost, ...]:
    """Every usable line of ``text`` in order; like ssh, lines that make no sense are passed over.

    Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
    """
    parsed = (_parse_line(line, path, number) for number, line in enumerate(text.splitlines(), 1))
    return tuple(known for known in parsed if known is not None)


def _parse_line(line: str, path: str, number: int) -> KnownHost | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", REVOKED, AUTHORITY):
        return None
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except binascii.Error:
        return None
    names = tuple(name.lower() if not name.startswith("|1|") else name for name in fields[0].split(","))
    return KnownHost(names, HostKey(fields[1], blob), marker, path, number)


def _hashed_name_matches(hashed: str, name: str) -> bool:
    parts = hashed.split("|")
    if len(parts) != 4:
        return False
    try:
        salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


@dataclass(frozen=True)
class Expected:
    """What the known_hosts files say of one host. ``name`` is how they call it, ``files`` all that were asked."""

    name: str
    lines: tuple[KnownHost, ...]
    files: tuple[str, ...]

    @classmethod
    def of(
        cls, known: Iterable[KnownHost], *, host: str, port: int, alias: str | None, files: Sequence[str]
    ) -> Expected:
        """The lines about ``host``.

        Like ssh, a port other than 22 is looked up as ``[host]:port`` first and, if that is unknown, without its port; an
        alias (HostKeyAlias) stands alone.
        """
        lines = tuple(known)
        name = (alias or (host if port == 22 else f"[{host}]:{port}")).lower()
        names = [name] if alias or port == 22 else [name, host.lower()]
        for candidate in names:
            found = tuple(line for line in lines if line.is_for(candidate))
            if found:
                return cls(name, found, tuple(files))
        return cls(name, (), tuple(files))

    @property
    def keys(self) -> tuple[KnownHost, ...]:
        """The lines that name a key to be trusted."""
        return tuple(line for line in self.lines if not line.marker)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The key types that are known, in the files' order, so that a device is asked for one of them."""
        return tuple(dict.fromkeys(line.key.algorithm for line in self.keys))

    def check(self, found: HostKey, *, where: str, at: str) -> None:
        """Return if ``found`` is trusted. ``at`` says which sshd showed it.

        Raises AuthError for a key that is unknown, changed or revoked.
        """
        for line in self.lines:
            if line.marker == REVOKED and line.key.blob == found.blob:
                raise AuthError(
                    f"the host key of {at} is revoked: found {found}, which {line.place} forbids",
                    where=where,
                    hint="give the device a new host key; whoever holds the old one can pose as it",
                )
        if any(line.key.blob == found.blob for line in self.keys):
            return
        raise self._changed(found, where, at) if self.keys else self._unknown(found, where, at)

    def _changed(self, found: HostKey, where: str, at: str) -> AuthError:
        same_type = [line for line in self.keys if line.key.algorithm == found.algorithm]
        expected = ", ".join(f"{line.key} ({line.place})" for line in same_type or self.keys)
        path = (same_type or self.keys)[0].path
        return AuthError(
            f"the host key of {at} has changed: found {found}, expected {expected}; nothing was sent",
            where=where,
            hint=f"if the device was reinstalled, forget its old key (ssh-keygen -R '{self.name}' -f {path}) and add the "
            "new one once its fingerprint is confirmed; otherwise somebody may be posing as the device",
        )

    def _unknown(self, found: HostKey, where: str, at: str) -> AuthError:
        files = ", ".join(self.files) or "any known_hosts file"
        authority = next((line.place for line in self.lines if line.marker == AUTHORITY), None)
        note = f" ({authority} names a certificate authority; netorch checks plain keys only)" if authority else ""
        host, port = _name_and_port(self.name)
        target = f" >> {self.files[0]}" if self.files else ""
        return AuthError(
            f"the host key of {at} is unknown: found {found}, expected a key for {self.name} in {files}{note}; "
            "nothing was sent",
            where=where,
            hint=f"compare the fingerprint with the device's own, then: ssh-keyscan{port} {host}{target}",
        )


def _name_and_port(name: str) -> tuple[str, str]:
    if name.startswith("["):
        host, _, port = name[1:].partition("]:")
        return host, f" -p {port}"
    return name, ""
