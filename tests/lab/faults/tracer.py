"""Stops one process at its N-th system call that leaves something behind: ``tracer.py PID N`` (Linux, ptrace(2)).

PID stopped itself before it became the agent. The agent's worker, its first child, is followed; when it is about to make the
N-th such call, nothing of which has happened yet, this prints ``at CALL`` and waits for a line on standard input: ``kill``
ends the worker there, ``stop`` stops it for good, ``next`` lets it go on to the next such call, ``go`` for good; ``power`` leaves
it where it is until its machine ends. Prints ``ended COUNT`` when the worker ends before.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long] * 4
LIBC.ptrace.restype = ctypes.c_long

# Source: linux/ptrace.h, asm/unistd_64.h, asm-generic/unistd.h
CONT, DETACH, SYSCALL, SEIZE, GET_SYSCALL_INFO = 7, 17, 24, 0x4206, 0x420E
TRACESYSGOOD, TRACEFORK = 1, 2
EVENT_FORK, EVENT_STOP = 1, 128
WALL = 0x40000000
CALLS = {
    "x86_64": {
        1: "write", 18: "pwrite", 42: "connect", 44: "sendto", 46: "sendmsg", 73: "flock", 74: "fsync", 77: "ftruncate",
        82: "rename", 83: "mkdir", 84: "rmdir", 87: "unlink", 88: "symlink", 91: "fchmod", 93: "fchown",
    },
    "aarch64": {
        64: "write", 68: "pwrite", 203: "connect", 206: "sendto", 211: "sendmsg", 32: "flock", 82: "fsync", 46: "ftruncate",
        38: "rename", 34: "mkdir", 35: "unlink", 36: "symlink", 52: "fchmod", 55: "fchown",
    },
}  # fmt: skip


class SyscallInfo(ctypes.Structure):
    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    )


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if LIBC.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def entered_call(pid: int) -> int:
    """The number of the call that ``pid`` is about to make; -1 where it has just made one."""
    info = SyscallInfo()
    ptrace(GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    return int(info.number) if info.op == 1 else -1


def main(agent: int, wanted: int) -> None:
    calls = CALLS[platform.machine()]
    ptrace(SEIZE, agent, 0, TRACESYSGOOD | TRACEFORK)
    os.kill(agent, signal.SIGCONT)
    worker = count = 0
    while True:
        pid, status = os.waitpid(-1, WALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if pid in (agent, worker):
                tell(f"ended {count}")
                if pid == worker:
                    ptrace_quietly(DETACH, agent)
                return
            continue
        event, number = status >> 16, os.WSTOPSIG(status)
        if pid not in (agent, worker):
            if worker:  # the watchdog, or another child of the worker: none of ours
                ptrace(DETACH, pid)
                continue
            worker = pid
        if pid == worker and number == signal.SIGTRAP | 0x80:
            call = calls.get(entered_call(pid))
            if call is not None:
                count += 1
                if count >= wanted and not decide(agent, worker, call):
                    return
        deliver = 0 if event or number in (signal.SIGTRAP, signal.SIGTRAP | 0x80) else number
        ptrace(SYSCALL if pid == worker else CONT, pid, 0, deliver)


def decide(agent: int, worker: int, call: str) -> bool:
    """Ask what is to become of the worker; whether to follow it further."""
    tell(f"at {call}")
    word = sys.stdin.readline().strip()
    if word == "next":
        return True
    if word == "kill":
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, WALL)
    elif word == "power":
        wait_until_gone()
        return False
    else:
        if word == "stop":
            os.kill(worker, signal.SIGSTOP)
        ptrace_quietly(DETACH, worker)
    ptrace_quietly(DETACH, agent)
    return False


def wait_until_gone() -> None:
    """Reap what is killed while it is traced: its machine cannot end before."""
    while True:
        try:
            os.waitpid(-1, WALL)
        except ChildProcessError:
            return


def ptrace_quietly(request: int, pid: int) -> None:
    """One that may be gone by now, or is running: a tracer's end detaches from it too."""
    try:
        ptrace(request, pid)
    except OSError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
