"""Whether the device still knows a way to the controller that asked: a change without one is taken back at once.

The new connection that confirms is the proof. But it may come within a fraction of a second, and a daemon may take longer to
write its routes (BIRD those of a kernel protocol that it starts anew, with that protocol's first scan, a second or two later):
so that is waited for.

Source: BIRD 2.0.12 sysdep/unix/krt.c, krt_scan_timer_start(); sshd(8), SSH_CONNECTION.
"""

from __future__ import annotations

import _socket
import os

from netorch.agent.clock import uptime, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    from netorch.agent.daemons import Control

    Addresses = Tuple[str, int, str]

FIRST_SCAN_S = 3.0
_INTERVAL_S = 0.1
_ANCESTORS = 12


def controller() -> Optional[Addresses]:
    """The controller's address and port, and the address that it reached this device by; None where nobody came by SSH."""
    pid = os.getpid()
    for _ in range(_ANCESTORS):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                found = [word for word in file.read().split(b"\0") if word.startswith(b"SSH_CONNECTION=")]
            if found:
                address, port, own, _ = found[0].partition(b"=")[2].decode().split()
                return address, int(port), own
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return None
    return None


def problem(addresses: Optional[Addresses]) -> str:
    """Why packets to the controller cannot leave; "" while they can, as far as the kernel's tables say. Nothing is sent."""
    if addresses is None:
        return ""
    address, port, own = addresses
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    probe = _socket.socket(family, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        probe.bind((own, 0))
        probe.connect((address, port))
    except OSError as exc:
        return f"there is no way back to the controller at {address} any more: {os.strerror(exc.errno or 0)}"
    finally:
        probe.close()
    return ""


def watch(control: Control, addresses: Optional[Addresses], *, before: Dict[str, str], loaded: float) -> List[str]:
    """Look until what was ``loaded`` (in uptime) has had its effect on the kernel; why the controller is cut off, [] if not."""
    started_anew = control.kernel_writers().items() - before.items()
    until = loaded + (FIRST_SCAN_S if started_anew else 0.0)
    while True:
        found = problem(addresses)
        if found:
            return [found]
        if uptime() >= until:
            return []
        wait(_INTERVAL_S)
