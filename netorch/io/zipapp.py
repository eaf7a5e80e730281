"""Builds the agent from the controller's own installed code."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from netorch.data import data_files, data_text
from netorch.errors import InternalError

OWN = ("__init__", "errors", "data", "ports", "model", "parse", "plan", "agent", "io/__init__", "io/netlink")
DATA = ("templates/textfsm",)
TEXTFSM = ("__init__.py", "parser.py")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip file can say


@dataclass(frozen=True)
class AgentArchive:
    """The agent as one file. The same code gives the same ``sha256`` on every controller: members are sorted, carry no time
    and are stored as they are, since compressors differ. ``installer`` unpacks it on a device."""

    sha256: str
    data: bytes = field(repr=False)
    installer: str = field(repr=False)


@lru_cache(maxsize=1)
def build_agent() -> AgentArchive:
    """The agent of this installation.

    Raises InternalError if a part of it is missing.
    """
    members = dict(_members())
    members["__main__.py"] = members["netorch/agent/__main__.py"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o600 << 16
            archive.writestr(info, members[name])
    data = out.getvalue()
    return AgentArchive(hashlib.sha256(data).hexdigest(), data, members["netorch/agent/install.py"].decode())


def _members() -> Iterator[tuple[str, bytes]]:
    package = _folder_of("netorch")
    for name in OWN:
        place = package / name
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_name(f"{place.name}.py")]
        for path in found:
            yield f"netorch/{path.relative_to(package).as_posix()}", _bytes(path)
    for folder in DATA:
        for file in data_files(folder):
            yield f"netorch/_data/{file}", data_text(file).encode()
    for file in TEXTFSM:
        yield f"textfsm/{file}", _bytes(_folder_of("textfsm") / file)


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InternalError(f"the package {package}, a part of the agent, is missing from this installation")
    return Path(spec.origin).parent


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InternalError(f"{path}, a part of the agent, cannot be read: {exc.strerror}") from exc
