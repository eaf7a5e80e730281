"""Root file systems of other Debian releases, for devices whose daemon is not of this machine's own release.

They are made once, by ``netorch lab rootfs``, and lie outside of the tree. A lab only reads them: each node has its own
overlay on top.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from netorch.errors import Locked, NetorchError
from netorch.lab.commands import Tools
from netorch.lab.plan import OWN_ROOT
from netorch.lab.settings import Report
from netorch.model.capabilities import is_release

STAMP = "etc/netorch-rootfs.json"

_BUILD_TIMEOUT_S = 1800.0
_MIRROR = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Label: Debian")
_COMMON = (
    "frr",
    "frr-pythontools",
    "iproute2",
    "iputils-ping",
    "openssh-server",
    "openssl",
    "procps",
    "python3",
)
_ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
_INSTALL = ("apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "Acquire::Retries=3")
# The machine's own way to its mirrors; taken out again when all is there.
_FOR_APT = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")
_NOT_NEEDED = ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "usr/share/man", "usr/share/locale", "etc/apt")
_IN_CHROOT = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/run" && exec chroot "$0" "$@"
"""


@dataclass(frozen=True)
class RootFs:
    """How one is made. ``versions`` maps a package to how its version begins; ``packages`` are installed with them."""

    name: str
    suite: str
    versions: tuple[tuple[str, str], ...]
    packages: tuple[str, ...]

    @property
    def recipe(self) -> dict[str, object]:
        """What it is made from, as JSON has it; a folder made from anything else is out of date."""
        return dict(json.loads(json.dumps(asdict(self))))


ROOTFSES = (
    RootFs("debian13", "trixie", (("bird2", "2.17"), ("frr", "10.3")), _COMMON),
    RootFs("debian13-frr", "trixie", (("frr", "10.3"),), (*_COMMON, "frr-rpki-rtrlib")),
    RootFs("debian13-bird3", "trixie", (("bird3", "3.1"), ("frr", "10.3")), _COMMON),
)
# By daemon and release. What Debian 12 has runs on this machine's own root.
_ROOT_OF = {
    ("bird", "2.0.12"): OWN_ROOT,
    ("frr", "8.4.4"): OWN_ROOT,
    ("bird", "2.17"): "debian13",
    ("frr", "10.3"): "debian13-frr",
    ("bird", "3.1"): "debian13-bird3",
}


def rootfs_for(daemon: str, version: str) -> str:
    """The name of the root on which ``daemon`` has ``version``: of one of ROOTFSES, or OWN_ROOT.

    Raises NetorchError for a version that the lab cannot play.
    """
    for (name, release), root in _ROOT_OF.items():
        if name == daemon and is_release(version, release):
            return root
    known = ", ".join(f"{name} {release}" for name, release in _ROOT_OF)
    raise NetorchError(f"the lab has no {daemon} {version}", where="lab", hint=f"it has {known}")


def check_rootfses(folder: Path, names: Sequence[str]) -> None:
    """Raise NetorchError unless each of ``names`` is there and up to date."""
    wanted = [rootfs for rootfs in ROOTFSES if rootfs.name in names]
    missing = [rootfs.name for rootfs in wanted if not _is_built(folder, rootfs)]
    if missing:
        raise NetorchError(
            f"expected the root file systems {', '.join(missing)}, found none that is up to date",
            where=str(folder),
            hint="'./dev rootfs', or 'netorch lab rootfs' as root, makes them; it takes minutes and a Debian mirror",
        )


def build_rootfses(folder: Path, *, mirror: str = "", report: Report = lambda text: None) -> None:
    """Make what is missing or out of date below ``folder``, each whole or not at all.

    ``mirror`` is the URI of a Debian archive, "" for the one that this machine's own apt uses. Raises NetorchError, also where
    a lab still runs on one that is out of date; Locked while another command makes them.
    """
    if os.geteuid() != 0:
        raise NetorchError("a root file system belongs to root", where=str(folder), hint="sudo netorch lab rootfs")
    if shutil.which("debootstrap") is None:
        raise NetorchError("not installed: debootstrap", where="lab", hint="./dev rootfs installs it")
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _lock(folder) as lock_fd:
        tools = Tools(lock_fd)
        for rootfs in ROOTFSES:
            if _is_built(folder, rootfs):
                report(f"{rootfs.name} is there")
                continue
            _build(folder, rootfs, mirror or _own_mirror(tools), tools=tools, report=report)


def _is_built(folder: Path, rootfs: RootFs) -> bool:
    try:
        return bool(json.loads((folder / rootfs.name / STAMP).read_text(encoding="utf-8")) == rootfs.recipe)
    except (FileNotFoundError, ValueError):
        return False


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """Programs started meanwhile inherit it, so that one which outlives a killed command still keeps others out."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
    except BlockingIOError as exc:
        raise Locked("another command makes root file systems", where=str(folder), hint="wait for it") from exc
    finally:
        os.close(fd)


def _own_mirror(tools: Tools) -> str:
    found = tools.run(_MIRROR).split() if shutil.which("apt-get") else []
    if not found:
        raise NetorchError("this machine's apt names no Debian archive", where="lab", hint="name one with --mirror URI")
    return found[0]


def _build(folder: Path, rootfs: RootFs, mirror: str, *, tools: Tools, report: Report) -> None:
    """Beside its place, then moved there: a command that was killed leaves ``NAME.new``, which the next one removes."""
    new, old, final = (folder / f"{rootfs.name}{suffix}" for suffix in (".new", ".old", ""))
    if final.exists() and _in_use(final):
        raise NetorchError("is out of date, and a lab runs on it", where=str(final), hint="netorch lab down")
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)
    report(f"{rootfs.name}: unpacking a minimal Debian ({rootfs.suite})")
    tools.run(
        [*_namespaces(), "debootstrap", "--variant=minbase", rootfs.suite, str(new), mirror],
        timeout_s=_BUILD_TIMEOUT_S,
    )
    report(f"{rootfs.name}: installing {', '.join(f'{name} {version}' for name, version in rootfs.versions)}")
    _install(new, rootfs, tools)
    _check_versions(new, rootfs, tools)
    _clean(new)
    (new / STAMP).write_text(json.dumps(rootfs.recipe) + "\n", encoding="utf-8")
    if final.exists():
        final.rename(old)
    new.rename(final)
    if old.exists():
        shutil.rmtree(old)


def _install(root: Path, rootfs: RootFs, tools: Tools) -> None:
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    for name in _FOR_APT:
        if Path("/", name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path("/", name), root / name)
    packages = [*(name for name, _ in rootfs.versions), *rootfs.packages]
    _in_root(root, ("apt-get", "update", "-q", "-o", "Acquire::Retries=3"), tools)
    _in_root(root, (*_INSTALL, *dict.fromkeys(packages)), tools)


def _check_versions(root: Path, rootfs: RootFs, tools: Tools) -> None:
    for package, expected in rootfs.versions:
        found = _in_root(root, ("dpkg-query", "-W", "-f", "${Version}", package), tools)
        if not found.startswith((f"{expected}.", f"{expected}-", f"{expected}+")):
            raise NetorchError(f"expected {package} {expected}, and the archive has {found}", where=rootfs.name)


def _clean(root: Path) -> None:
    for name in (*_FOR_APT, "usr/sbin/policy-rc.d"):
        (root / name).unlink(missing_ok=True)
    for name in _NOT_NEEDED:
        shutil.rmtree(root / name, ignore_errors=True)


def _in_root(root: Path, argv: Sequence[str], tools: Tools) -> str:
    command = [*_namespaces(), "sh", "-c", _IN_CHROOT, str(root), "/usr/bin/env", "-i", *_ENVIRONMENT, *argv]
    return tools.run(command, timeout_s=_BUILD_TIMEOUT_S)


def _namespaces() -> tuple[str, ...]:
    """What is mounted and started there is gone when the command ends, however it ends."""
    return ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")


def _in_use(root: Path) -> bool:
    """Whether it lies below an overlay that any process sees. Source: proc(5), mountinfo."""
    wanted = f"lowerdir={root}"
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                mounts = Path(f"/proc/{entry}/mountinfo").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if any(wanted in line.split()[-1].split(",") for line in mounts.splitlines()):
                return True
    return False
