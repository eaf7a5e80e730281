"""A control group whose processes' sockets carry a mark from the moment they are made, whatever the program is.

A BPF program of four instructions, attached to a control group of its own (v2), writes the mark into each new IPv4 and IPv6
socket: before the socket has an address, so that the kernel also chooses the source by the mark. It ends with the group.

The hierarchy is mounted in a private mount namespace: it need not be mounted on the host, and nobody sees this one.

Source: bpf(2); linux/bpf.h BPF_CGROUP_INET_SOCK_CREATE, struct bpf_sock; Documentation/admin-guide/cgroup-v2.rst; mount(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from contextlib import suppress

from netorch.agent.outcome import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

_MOUNT_POINT = "/run/netorch-exec"
_FOLDER = f"{_MOUNT_POINT}/netorch-exec"
_SYSCALLS = {
    "x86_64": 321,
    "aarch64": 280,
    "riscv64": 280,
    "armv7l": 386,
    "armv6l": 386,
    "i686": 357,
    "ppc64le": 361,
    "s390x": 351,
}
_NEW_MOUNTS = 0x20000  # CLONE_NEWNS
_RECURSIVE_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
_PROGRAM_LOAD, _PROGRAM_ATTACH = 5, 8
_CGROUP_SOCK, _SOCK_CREATE, _ALLOW_MULTI = 9, 2, 2
_ATTRIBUTE_BYTES = 128
_MARK_AT = 16  # offsetof(struct bpf_sock, mark)
_LIBC = ctypes.CDLL(None, use_errno=True)


def enter_private_mounts() -> None:
    """A mount namespace of this process's own, with the control groups in it. Raises Stop."""
    os.makedirs(_MOUNT_POINT, mode=0o700, exist_ok=True)
    _checked(_LIBC.unshare(_NEW_MOUNTS), "a private mount namespace")
    _checked(_LIBC.mount(b"none", b"/", None, _RECURSIVE_PRIVATE, None), "private mounts")
    _checked(_LIBC.mount(b"none", _MOUNT_POINT.encode(), b"cgroup2", 0, None), "mounting the control groups (v2)")
    os.makedirs(_FOLDER, exist_ok=True)


class MarkedGroup:
    """A control group of marked processes, named after the process that made it and the space that its number is from. Raises
    Stop where the kernel refuses."""

    def __init__(self, mark: int) -> None:
        self.path = f"{_FOLDER}/{_own_space()}-{os.getpid()}-{_started(os.getpid())}"
        os.mkdir(self.path)
        try:
            _attach(self.path, mark)
        except Stop:
            os.rmdir(self.path)
            raise

    def add(self, pid: int) -> None:
        """Process ``pid`` belongs to it from now on, and all that it starts."""
        _write(f"{self.path}/cgroup.procs", str(pid))

    def signal(self, number: int) -> None:
        """Send a signal to every process of the group."""
        for pid in members(self.path):
            _kill(pid, number)


def members(path: str) -> List[int]:
    """The processes of a group; none where it has gone. Those that have no number here, which the kernel writes as 0 (and
    ``kill`` takes for its caller's own group), are somebody else's."""
    try:
        with open(f"{path}/cgroup.procs", encoding="ascii") as file:
            return [pid for pid in map(int, file) if pid > 0]
    except OSError:
        return []


def remove(path: str) -> bool:
    """Kill what is in the group, and take it away; whether it is gone."""
    for pid in members(path):
        _kill(pid, signal.SIGKILL)
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # a killed process is still on its way out
    return True


def sweep(folder: str = _FOLDER) -> None:
    """Take away the groups in ``folder`` whose makers were killed. Control groups are the whole machine's: whoever's numbers are
    of another space, such as another container's, cannot be told to be dead from here."""
    for name in os.listdir(folder):
        space, _, maker = name.partition("-")
        pid, _, started = maker.partition("-")
        if space == _own_space() and pid.isdecimal() and _started(int(pid)) != started:
            remove(f"{folder}/{name}")


def _own_space() -> str:
    """The number of the PID namespace. Source: pid_namespaces(7)."""
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")


def _started(pid: int) -> Optional[str]:
    """When a process began, in ticks since the start of the system; None for none. Source: proc(5), field 22."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _attach(path: str, mark: int) -> None:
    program = _load(mark)
    group = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attribute = struct.pack("=IIII", group, program, _SOCK_CREATE, _ALLOW_MULTI)
        _checked(_bpf(_PROGRAM_ATTACH, attribute), "attaching a BPF program to a control group")
    finally:
        os.close(group)
        os.close(program)


def _load(mark: int) -> int:
    def line(code: int, *, destination: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
        return struct.pack("=BBhi", code, source << 4 | destination, offset, value)

    program = b"".join(
        (
            line(0xB7, destination=2, value=mark),  # r2 = mark
            line(0x63, destination=1, source=2, offset=_MARK_AT),  # socket->mark = r2
            line(0xB7, destination=0, value=1),  # r0 = 1: the socket may be made
            line(0x95),  # return
        )
    )
    code, licence = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"GPL")
    attribute = struct.pack(
        "=IIQQIIQII16sII",
        _CGROUP_SOCK,
        len(program) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        0,
        0,
        0,
        0,
        0,
        b"netorch",
        0,
        _SOCK_CREATE,
    )
    return _checked(_bpf(_PROGRAM_LOAD, attribute), "loading a BPF program")


def _bpf(command: int, attribute: bytes) -> int:
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        raise Stop(f"programs cannot be marked on {os.uname().machine}", hint=f"known: {', '.join(_SYSCALLS)}")
    held = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    return int(_LIBC.syscall(number, command, held, _ATTRIBUTE_BYTES))


def _checked(result: int, what: str) -> int:
    if result < 0:
        reason = os.strerror(ctypes.get_errno())
        hint = (
            "it takes root, Linux 4.14 or later with CONFIG_CGROUP_BPF, and no container that keeps BPF or mounts away"
        )
        raise Stop(f"{what}: {reason}", hint=hint)
    return result
