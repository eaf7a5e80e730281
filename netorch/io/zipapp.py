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
PYROUTE2 = (
    "common.py",
    "netlink/__init__.py",
    "netlink/exceptions.py",
    "netlink/marshal.py",
    "netlink/rtnl/__init__.py",
    "netlink/rtnl/errmsg.py",
    "netlink/rtnl/fibmsg.py",
    "netlink/rtnl/ifaddrmsg.py",
    "netlink/rtnl/ifinfmsg",
    "netlink/rtnl/iw_event.py",
    "netlink/rtnl/ndmsg.py",
    "netlink/rtnl/rtmsg.py",
)
"""The messages of RTNETLINK and what they need, no sockets: a sixth of the time that the whole of pyroute2 takes to import."""

PYROUTE2_INSTEAD = {
    # The real one imports every part of the library, asyncio with it.
    "__init__.py": "",
    # The real one imports multiprocessing and platform: a third of what ifinfmsg takes.
    "config/__init__.py": """\
import os

AF_BRIDGE = 7
data_plugins_path = []
data_plugins_pkgs = []
machine = os.uname().machine
""",
}
"""Of pyroute2's own configuration the messages of RTNETLINK look at four names."""
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
    for name in OWN:
        place = _folder_of("netorch") / name
        yield from _modules("netorch", name if place.is_dir() else f"{name}.py")
    for folder in DATA:
        for file in data_files(folder):
            yield f"netorch/_data/{file}", data_text(file).encode()
    for file in TEXTFSM:
        yield from _modules("textfsm", file)
    for name in PYROUTE2:
        yield from _modules("pyroute2", name)
    for file, text in PYROUTE2_INSTEAD.items():
        yield f"pyroute2/{file}", text.encode()


def _modules(package: str, name: str) -> Iterator[tuple[str, bytes]]:
    """A module of a package, or every module of a folder."""
    folder = _folder_of(package)
    place = folder / name
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        yield f"{package}/{path.relative_to(folder).as_posix()}", _bytes(path)


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
