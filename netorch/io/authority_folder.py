"""The folder in which netorch keeps its certificate authority: files that a crash leaves whole, for one user alone.

``authorities.json`` says which authority issues, and which others are trusted while one takes another's place; each has
``authority-NAME.key`` and ``authority-NAME.pem``. ``issued/DEVICE.json`` and ``revoked.json`` are the records; ``crl.pem`` is
there for other programs only.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from netorch.errors import Locked, NetorchError, ParseError
from netorch.model.certificate import Issued, Revocation
from netorch.model.codec import from_json, to_json
from netorch.ports import Clock

T = TypeVar("T")

LOCK_WAIT_S = 30.0
_ROLES, _REVOKED, _ISSUED, _CRL, _LOCK = "authorities.json", "revoked.json", "issued", "crl.pem", "lock"


@dataclass(frozen=True)
class Roles:
    """Which authority (by the name of its files) issues, and which others are trusted; "" for none."""

    issuer: str
    next: str = ""
    former: str = ""

    @property
    def trusted(self) -> tuple[str, ...]:
        """All of them, the one that issues first."""
        return tuple(name for name in (self.issuer, self.next, self.former) if name)

    @property
    def stage(self) -> str:
        """``next``, ``former`` or "": how far another authority is on its way."""
        return "next" if self.next else "former" if self.former else ""


@dataclass(frozen=True)
class RevokedList:
    """Everything that was ever revoked, and the lists that say so, one for each of ``authorities`` (fingerprints), in PEM."""

    number: int
    revoked: tuple[Revocation, ...] = ()
    authorities: tuple[str, ...] = ()
    crl: str = ""


class AuthorityFolder:
    """What is kept in ``path``. Every method raises NetorchError, with the file's name, where the file system is against it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._threads = threading.Lock()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """The right to change the folder, for one thread of one program; the kernel frees it when the program dies.

        Raises Locked after LOCK_WAIT_S.
        """
        with self._threads, self._lock_file():
            yield

    @contextmanager
    def _lock_file(self) -> Iterator[None]:
        with self._told(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = self._clock.monotonic() + LOCK_WAIT_S
            while not self._try_lock(descriptor):
                if self._clock.monotonic() >= deadline:
                    hint = "another netorch holds the lock of this folder: wait for it, then try again"
                    raise Locked(
                        f"the certificate authority is in use for {LOCK_WAIT_S:g} s", where=f"{self.path}", hint=hint
                    )
                self._clock.wait(0.05)
            yield
        finally:
            os.close(descriptor)

    def _try_lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            hint = "keep it on a file system that knows locks"
            raise NetorchError(f"cannot be locked: {exc.strerror}", where=str(self.path), hint=hint) from exc
        return True

    # ---- authorities --------------------------------------------------------------------------------------------

    def has_roles(self) -> bool:
        """Whether an authority was ever completed here."""
        return self._has(_ROLES)

    def roles(self) -> Roles:
        """Who issues, who else is trusted."""
        return self._document(_ROLES, Roles)

    def keep_roles(self, roles: Roles) -> None:
        """Put ``roles`` in the place of those that are there."""
        self._write(_ROLES, _text(to_json(roles)))

    def certificate(self, name: str) -> str:
        """The certificate of an authority, as PEM."""
        return self._read(f"authority-{name}.pem").decode()

    def key(self, name: str) -> tuple[bytes, str]:
        """The private key of an authority, as PEM, and where it is."""
        file = f"authority-{name}.key"
        return self._read(file, is_secret=True), str(self.path / file)

    def keep_authority(self, key: bytes, certificate: bytes) -> str:
        """Keep a new authority, which has no role yet; its name."""
        name = secrets.token_hex(4)
        self._write(f"authority-{name}.key", key)
        self._write(f"authority-{name}.pem", certificate)
        return name

    def forget_authority(self, name: str) -> None:
        """Remove an authority that has no role any more."""
        for ending in ("key", "pem"):
            path = self.path / f"authority-{name}.{ending}"
            with self._told(path):
                path.unlink(missing_ok=True)
                _sync(self.path)

    def set_aside(self, name: str) -> Path:
        """Move everything into the folder ``name``; its path."""
        place = self.path / name
        with self._told(place):
            place.mkdir(mode=0o700)
            moved = [_ROLES, _REVOKED, _ISSUED, _CRL, *(path.name for path in self.path.glob("authority-*"))]
            for file in moved:
                if (self.path / file).exists():
                    os.replace(self.path / file, place / file)
            _sync(place)
            _sync(self.path)
        return place

    # ---- records --------------------------------------------------------------------------------------------------

    def records(self) -> dict[str, Issued]:
        """What is on record, by device."""
        folder = self.path / _ISSUED
        with self._told(folder):
            names = sorted(os.listdir(folder)) if folder.is_dir() else []
        devices = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return {device: self.record(device) for device in devices}

    def record(self, device: str) -> Issued:
        """What is on record for ``device``."""
        name = f"{_ISSUED}/{device}.json"
        return self._document(name, Issued) if self._has(name) else Issued(device)

    def keep(self, record: Issued) -> None:
        """Put ``record`` in the place of what is there for its device."""
        self._write(f"{_ISSUED}/{record.device}.json", _text(to_json(record)))

    def revoked(self) -> RevokedList:
        """The list that is in force."""
        return self._document(_REVOKED, RevokedList)

    def keep_revoked(self, revoked: RevokedList) -> None:
        """Put a list in the place of the one that is there."""
        self._write(_REVOKED, _text(to_json(revoked)))
        self._write(_CRL, revoked.crl.encode())

    # ---- files ----------------------------------------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        with self._told(self.path / name):
            try:
                os.stat(self.path / name)
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def _read(self, name: str, *, is_secret: bool = False) -> bytes:
        path = self.path / name
        with self._told(path), open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if is_secret and mode & 0o077:
                hint = f"find out who read it (docs/pki.md), then chmod 600 {path}"
                raise NetorchError(f"others may use the file (mode {mode:04o})", where=str(path), hint=hint)
            return file.read()

    def _write(self, name: str, data: bytes) -> None:
        """Replace a file (0600); on disk when this returns."""
        path = self.path / name
        new = path.with_name(f".{path.name}.new")
        with self._told(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(new, path)
            _sync(path.parent)

    def _document(self, name: str, kind: type[T]) -> T:
        try:
            return from_json(kind, json.loads(self._read(name)))
        except (ValueError, ParseError) as exc:
            hint = "put it back from the folder's backup"
            raise NetorchError("is damaged: not what netorch wrote", where=str(self.path / name), hint=hint) from exc

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            hint = "the authority's folder belongs to one user: run netorch as that one, on the machine that has it"
            raise NetorchError(f"cannot be used: {exc.strerror}", where=str(path), hint=hint) from exc


def _text(document: Any) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
