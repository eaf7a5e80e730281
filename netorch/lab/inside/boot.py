"""Starts a node: enters its network namespace, makes the other namespaces and its root, becomes its first process.

``boot.py SPEC.json`` returns once the node's first process runs its supervisor, or has failed (exit 1, reason on standard
error). It is not interrupted when whoever started it dies: what it leaves is a whole node, recorded in its ``init`` file.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import sys
from typing import Any, Dict, Optional

LIBC = ctypes.CDLL(None, use_errno=True)

# Source: linux/sched.h, linux/mount.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 4096, 16384, 1 << 18
MNT_DETACH = 2

DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
SUPERVISOR = ["/usr/bin/python3", "-I", "-S", "/etc/netorch-lab/supervisor.py", "/etc/netorch-lab/node.json"]


def checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: Optional[str], flags: int = 0, options: str = "") -> None:
    arguments = [text.encode() if text is not None else None for text in (source, target, kind)]
    checked(LIBC.mount(*arguments, ctypes.c_ulong(flags), options.encode()), f"mount {kind or source} on {target}")


def bind(path: str, root: str) -> None:
    target = root + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a", encoding="ascii"):
            pass
    mount(path, target, None, MS_BIND | MS_REC)


def record_init(folder: str) -> None:
    """Write this process's id, as those outside see it, and its start time; /proc is still the outer one."""
    with open("/proc/self/stat", encoding="utf-8") as stat:
        text = stat.read()
    pid, start = text.split(" ", 1)[0], text.rsplit(")", 1)[1].split()[19]
    with open(f"{folder}/init.new", "w", encoding="ascii") as new:
        new.write(f"{pid} {start}\n")
    os.rename(f"{folder}/init.new", f"{folder}/init")


def make_root(spec: Dict[str, Any]) -> None:
    """Build the node's root and enter it."""
    folder = spec["folder"]
    root = f"{folder}/root"
    try:
        mount("none", "/", None, MS_REC | MS_PRIVATE)
    except OSError:  # the machine is itself a chroot, whose / is no mount: at least what is mounted here stays here
        mount("none", spec["mount"], None, MS_REC | MS_PRIVATE)
    mount(
        "overlay",
        root,
        "overlay",
        0,
        f"lowerdir={spec['lower']},upperdir={folder}/upper,workdir={folder}/work",
    )
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV)
    mount("sysfs", f"{root}/sys", "sysfs", MS_NOSUID | MS_NODEV)
    mount("tmpfs", f"{root}/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")  # noqa: S108
    mount("tmpfs", f"{root}/dev", "tmpfs", MS_NOSUID, "mode=755")
    for device in DEVICES:
        if os.path.exists(f"/dev/{device}"):
            bind(f"/dev/{device}", root)
    os.mkdir(f"{root}/dev/pts")
    mount("devpts", f"{root}/dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620,gid=5")
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    os.mkdir(f"{root}/dev/shm")  # noqa: S108
    mount("tmpfs", f"{root}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")  # noqa: S108
    for path in spec["binds"]:
        bind(path, root)
    old = f"{root}/run/old-root"
    os.mkdir(old)
    if LIBC.pivot_root(root.encode(), old.encode()) == 0:
        os.chdir("/")
        checked(LIBC.umount2(b"/run/old-root", MNT_DETACH), "umount old root")
    else:  # in a chroot, again
        os.chroot(root)
        os.chdir("/")
    os.rmdir("/run/old-root")


def become_init(spec: Dict[str, Any]) -> None:
    """The child's life: never returns."""
    os.setsid()
    record_init(spec["folder"])
    log = os.open(f"{spec['folder']}/boot.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    make_root(spec)
    socket.sethostname(spec["hostname"])
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.execve(SUPERVISOR[0], SUPERVISOR, ENVIRONMENT)  # noqa: S606


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    namespace = os.open(spec["netns"], os.O_RDONLY | os.O_CLOEXEC)
    checked(LIBC.setns(namespace, CLONE_NEWNET), f"enter {spec['netns']}")
    checked(LIBC.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2:
            with contextlib.suppress(OSError):  # the listing's own
                os.set_inheritable(fd, False)  # closed when the supervisor starts, the lab's lock among them
    reader, writer = os.pipe()  # its end tells that exec succeeded, text on it why not
    if os.fork() == 0:
        try:
            become_init(spec)
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        problem = pipe.read().decode()
    if problem:
        print(problem, file=sys.stderr)  # noqa: T201 - its caller reads this
    return 1 if problem else 0


if __name__ == "__main__":
    raise SystemExit(main())
