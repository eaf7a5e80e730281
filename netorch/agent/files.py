"""Files on the device: read as facts, written so that a crash leaves the old one or the new one."""

from __future__ import annotations

import errno
import json
import os

from netorch.agent.outcome import Damaged, Refused

try:  # hashlib loads OpenSSL first: 2 ms of every call
    from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]  # its name from Python 3.12 on
    except ImportError:
        from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_SYSCTLS = "/proc/sys"
_ST_RDONLY = 1  # statvfs(3); the os module of PyPy lacks the name


def read_text(path: str) -> Optional[str]:
    """The text of a file, bytes that are not UTF-8 replaced; None if it does not exist."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def sha256_of(data: bytes) -> str:
    """Its digest in hexadecimal."""
    return str(sha256(data).hexdigest())


def file_fact(path: str) -> Dict[str, Any]:
    """A FileFact as JSON."""
    try:
        with open(path, "rb") as file:
            data = file.read()
            mode = os.fstat(file.fileno()).st_mode & 0o7777
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "sha256": None, "mode": None, "text": None}
    except OSError as exc:
        raise Refused(f"cannot read {path}: {exc.strerror}") from None
    text = data.decode("utf-8", "replace")
    return {"path": path, "sha256": sha256_of(data), "mode": mode, "text": text}


def read_json(path: str) -> Any:
    """The document in a file; None if it does not exist. Raises Damaged for one that is no JSON."""
    text = read_text(path)
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        hint = "it was edited, or the disk has lost it: put it right, or move it away"
        raise Damaged(f"{path} is damaged", hint=hint) from None


def write_json(path: str, document: Any) -> None:
    """Replace a file by a document."""
    write_file(path, json.dumps(document, sort_keys=True).encode())


def write_file(path: str, data: bytes, *, mode: int = 0o600, owner: Optional[int] = None, group: int = 0) -> None:
    """Replace a file; on disk when this returns."""
    new = f"{path}.new"
    write_new(new, data, mode=mode, owner=owner, group=group)
    os.replace(new, path)
    sync_folder(os.path.dirname(path))


def write_new(path: str, data: bytes, *, mode: int, owner: Optional[int] = None, group: int = 0) -> None:
    """Write a file that no one looks at yet; on disk when this returns, its name included once its folder is synced."""
    remove(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        os.fchown(descriptor, 0 if owner is None else owner, group)
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def require_room(folder: str, need: int, *, inodes: int, what: str) -> None:
    """Raise Refused where ``folder`` can take no more than ``need`` bytes or ``inodes`` files, for ``what``. A file system that
    tells no size has none that counts."""
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    if state.f_flag & _ST_RDONLY:
        raise Refused(f"{folder} is read-only: expected room for {what}", hint="mount it read-write")
    if state.f_blocks and free < need:
        raise Refused(f"{folder} has {free} bytes left, {what} needs {need}", hint="make room, then try again")
    if state.f_files and state.f_favail < inodes:
        found = f"{folder} has {state.f_favail} inodes left, {what} needs {inodes}"
        raise Refused(found, hint="make room, then try again")


def refuse_fixed(path: str) -> None:
    """Raise Refused where ``path`` cannot be replaced, which would be noticed only once a change is confirmed and live."""
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        is_mount = any(line.split(" ", 5)[4] == real for line in file)
    if is_mount:
        hint = "mount the folder that it is in instead, as containers can, or copy the file into it"
        raise Refused(f"{path} is a mount of its own: expected a file that can be replaced", hint=hint)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError as exc:
        if exc.errno == errno.EPERM:  # whatever else: replacing it takes the folder alone
            hint = f"lsattr {path} shows whether it is immutable or append-only: chattr -ia {path}"
            raise Refused(f"{path} can be replaced by nobody", hint=hint) from None


def put_link(target: str, path: str) -> None:
    """Make ``path`` a link to ``target``, whatever it was before; there is no moment without one."""
    new = f"{path}.new"
    remove(new)
    os.symlink(target, new)
    os.replace(new, path)


def sync_folder(path: str) -> None:
    """What was created, renamed or removed in this folder is on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def sysctl_path(name: str) -> str:
    """The file behind a sysctl.

    Below ``net.*.conf`` and ``net.*.neigh`` everything between is one interface's name, dots included; a name with a slash
    is taken as the path it is, as sysctl(8) does.
    """
    if "/" in name:
        parts = name.split("/")
    else:
        parts = name.split(".")
        if parts[0] == "net" and len(parts) > 5 and parts[2] in ("conf", "neigh"):
            parts = [*parts[:3], ".".join(parts[3:-1]), parts[-1]]
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise Refused(f"{name!r} is not the name of a sysctl")
    return "/".join((_SYSCTLS, *parts))


def read_sysctl(name: str) -> Optional[str]:
    """Its value, numbers separated by single spaces; None if this kernel has no such sysctl, or it cannot be read."""
    try:
        with open(sysctl_path(name), encoding="utf-8") as file:
            return " ".join(file.read().split())
    except OSError:
        return None


def write_sysctl(name: str, value: str) -> None:
    """Set it. Raises OSError."""
    with open(sysctl_path(name), "w", encoding="utf-8") as file:
        file.write(value)
