"""The programs that FRR consists of: which ones /etc/frr/daemons asks for, which run, and how one becomes the other.

Whoever keeps them running starts them: watchfrr where systemd runs frr.service, otherwise the machine's own supervisor, which
follows /etc/frr/daemons by itself.

Source: FRR tools/frrcommon.sh daemon_list(), tools/frrinit.sh reload.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress

from netorch.agent.clock import uptime, wait
from netorch.agent.files import read_text
from netorch.agent.frr_vty import SOCKETS, FrrAbsent, FrrRefused, FrrSilent, Vty
from netorch.model.conventions import FRR_DAEMONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Tuple

FOLDERS = ("/usr/lib/frr", "/usr/libexec/frr")
MISSING_PATIENCE_S = 5.0
"""A program that died is started again within a second or two: so long it is waited for."""

MATCH_TIMEOUT_S = 10.0
RESTART_TIMEOUT_S = 30.0
LOADERS_TIMEOUT_S = 60.0
_INTERVAL_S = 0.05
_END_TIMEOUT_S = 3.0
_SYSTEMCTL_TIMEOUT_S = 60.0
_KERNEL_PROTOCOLS = frozenset((11, *range(186, 199)))
"""Of the routes that zebra writes for the programs that netorch leaves running: RTPROT_ZEBRA, and RTPROT_BGP to RTPROT_SRTE.
Source: FRR zebra/rt_netlink.h."""

_RELOAD_LOG = "/var/log/frr/frr-reload.log"

WITH_NEIGHBOURS = ("ospfd", "ospf6d", "ripd", "ripngd")
"""Those that have neighbours, which are told like sessions."""

_ALWAYS = ("zebra", "mgmtd", "staticd")
_KNOWN = (
    *_ALWAYS,
    *("bgpd", "ospfd", "ospf6d", "ripd", "ripngd", "bfdd", "isisd", "babeld", "pimd", "pim6d", "ldpd", "nhrpd"),
    *("eigrpd", "sharpd", "pbrd", "fabricd", "vrrpd", "pathd"),
)
_SPEAKERS = ("bgpd", "ospfd", "ospf6d", "ripd", "ripngd", "isisd")
_OPTIONS = re.compile(r"^\s*(\w+)_options=[\"'](.*)[\"']", re.MULTILINE)
_MODULE = re.compile(r"(?:^|\s)-M\s+(\w+)")
_FLAG = re.compile(r"(?:^|\s)(--[\w-]+)(?=\s|$)")
_SWITCH = re.compile(r"^\s*(\w+)=[\"']?(\w*)", re.MULTILINE)


def wanted() -> Tuple[str, ...]:
    """What is to run, as far as it is installed: FRR passes over the others as well."""
    return tuple(name for name in asked_for(read_text(FRR_DAEMONS) or "") if program_path(name))


def asked_for(text: str) -> Tuple[str, ...]:
    """What a file like /etc/frr/daemons asks for, and what always runs, where this release has it."""
    asked = dict(_SWITCH.findall(text))
    always = [name for name in _ALWAYS if name != "mgmtd" or program_path(name)]
    return tuple(name for name in _KNOWN if name in always or asked.get(name, "no") not in ("", "no", "0"))


def program_path(name: str) -> Optional[str]:
    """Where a program is installed; None where it is not."""
    return next((path for path in (f"{folder}/{name}" for folder in FOLDERS) if os.access(path, os.X_OK)), None)


def connect() -> Dict[str, Vty]:
    """A connection to every program that is wanted, by name. Raises FrrAbsent where none runs, FrrSilent where one does not, or
    does not answer."""
    names, deadline = wanted(), uptime() + MISSING_PATIENCE_S
    found: Dict[str, Vty] = {}
    try:
        while True:
            absent: List[FrrAbsent] = []
            for name in names:
                try:
                    if name not in found:
                        found[name] = Vty(name)
                except FrrAbsent as exc:
                    absent.append(exc)
            if not absent:
                return found
            if not found:
                raise FrrAbsent(f"FRR does not run: {absent[0].message}", hint=absent[0].hint)
            if uptime() >= deadline:
                raise FrrSilent(
                    f"FRR lacks {', '.join(name for name in names if name not in found)}: "
                    f"{FRR_DAEMONS} asks for it, and it does not run",
                    hint="systemctl restart frr starts it; its log says why it ended",
                )
            wait(_INTERVAL_S)
    except BaseException:
        for vty in found.values():
            vty.close()
        raise


def running() -> Tuple[str, ...]:
    """What runs, whether it is wanted or not."""
    return tuple(name for name in _KNOWN if _pid(name))


def speaks() -> bool:
    """Whether a program runs that learns routes: zebra and staticd do wherever Debian's FRR is installed."""
    return any(name in _SPEAKERS for name in running())


def renew() -> Tuple[str, ...]:
    """Start FRR anew where a program lacks options of /etc/frr/daemons, while nobody's traffic hangs on it; then what
    ``started_without`` says. FrrSilent where it does not come back in time."""
    if started_without() and not _is_in_use():
        restart()
    return started_without()


def match() -> None:
    """Have exactly those programs run that /etc/frr/daemons asks for, unless none does; return once it is so.

    Raises FrrSilent where it does not become so in time.
    """
    names = wanted()
    if not running() or not _differences(names):
        return
    for name in names:
        if _lacks_modules(name):
            _kill(name)  # a module is loaded as a program starts, and whoever keeps it running starts it anew
    if _runs_systemd():
        _reload_unit()
    deadline = uptime() + MATCH_TIMEOUT_S
    while True:
        wrong = _differences(names)
        if not wrong:
            return
        if uptime() >= deadline:
            raise FrrSilent(f"FRR's programs are not those of {FRR_DAEMONS} after {MATCH_TIMEOUT_S:g} s: {wrong}")
        wait(_INTERVAL_S)


def started_without() -> Tuple[str, ...]:
    """In words, what /etc/frr/daemons has a program started with, and the one that runs was started without."""
    found = []
    for name, options in _OPTIONS.findall(read_text(FRR_DAEMONS) or ""):
        words = _command_line(name)
        found += [
            f"{name} was started without {flag}, which {FRR_DAEMONS} asks for"
            for flag in _FLAG.findall(options)
            if words and flag not in words
        ]
    return tuple(found)


def _is_in_use() -> bool:
    """Whether a BGP session is established, or a route in the kernel is FRR's; also where that cannot be told."""
    # To import these takes as long as a confirmation.
    from netorch.io.netlink.route_counts import has_routes_of
    from netorch.io.netlink.route_socket import RouteSocket

    with suppress(FrrAbsent, FrrRefused):
        bgpd = Vty("bgpd")
        try:
            if '"Established"' in bgpd.ask("show bgp vrf all neighbors json"):
                return True
        finally:
            bgpd.close()
    with suppress(OSError), RouteSocket() as kernel:
        return has_routes_of(kernel, _KERNEL_PROTOCOLS)
    return True


def _differences(names: Tuple[str, ...]) -> Tuple[str, ...]:
    alive = running()
    missing = tuple(f"{name} does not run" for name in names if name not in alive or not _listens(name))
    bare = tuple(f"{name} lacks {', '.join(_lacks_modules(name))}" for name in names if _lacks_modules(name))
    return (*missing, *bare, *(f"{name} runs" for name in alive if name not in names))


def missing_modules(text: str) -> Tuple[str, ...]:
    """What a file like /etc/frr/daemons has a program load, and is not installed: FRR would not start."""
    folders = [f"{folder}/modules" for folder in FOLDERS]
    with suppress(OSError):
        folders += [f"/usr/lib/{name}/frr/modules" for name in os.listdir("/usr/lib")]
    wanted_files = [f"{name}_{module}.so" for name, modules in _modules(text).items() for module in modules]
    return tuple(file for file in wanted_files if not any(os.path.exists(f"{folder}/{file}") for folder in folders))


def _modules(text: str) -> Dict[str, Tuple[str, ...]]:
    """The modules that each program is to load, as ``-M`` in its options has it."""
    return {name: tuple(_MODULE.findall(options)) for name, options in _OPTIONS.findall(text)}


def _lacks_modules(name: str) -> Tuple[str, ...]:
    """The modules that a program which runs was not started with."""
    words = _command_line(name)
    if not words:
        return ()
    loaded = _MODULE.findall(" ".join(words))
    return tuple(one for one in _modules(read_text(FRR_DAEMONS) or "").get(name, ()) if one not in loaded)


def _command_line(name: str) -> List[str]:
    """The words that a program was started with; [] where it does not run."""
    pid = _pid(name)
    with suppress(OSError):
        return _words_of(pid) if pid else []
    return []


def _words_of(pid: int) -> List[str]:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode("utf-8", "replace").split("\0")[:-1]


def _kill(name: str) -> None:
    """End one program, and return once it has ended."""
    pid = _pid(name)
    deadline = uptime() + _END_TIMEOUT_S
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        while _pid(name) == pid and uptime() < deadline:
            wait(_INTERVAL_S)


def _listens(name: str) -> bool:
    try:
        Vty(name).close()
    except FrrAbsent:
        return False
    return True


def restart() -> None:
    """End every program; whoever keeps them running starts them anew. Returns once those that are wanted answer.

    Raises FrrSilent where they do not in time.
    """
    if _runs_systemd():
        _systemctl(
            "reset-failed"
        )  # systemd counts starts, whoever asked for them, and gives up after three in three minutes
        _systemctl("restart")
    else:
        end()
    deadline = uptime() + RESTART_TIMEOUT_S
    while True:
        with suppress(FrrAbsent, FrrSilent):
            for vty in connect().values():
                vty.close()
            return
        if uptime() >= deadline:
            raise FrrSilent(f"FRR is not back {RESTART_TIMEOUT_S:g} s after it was restarted")
        wait(_INTERVAL_S)


def end() -> None:
    """End every program, the stubborn by force."""
    if _runs_systemd():
        _systemctl("stop")
        return
    pids = [pid for pid in map(_pid, _KNOWN) if pid]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = uptime() + _END_TIMEOUT_S
        while any(os.path.exists(f"/proc/{pid}") for pid in pids) and uptime() < deadline:
            wait(_INTERVAL_S)


def await_loaders() -> None:
    """Return once no vtysh gives a program its part of the file on disk any more, as one does after each start."""
    deadline = uptime() + LOADERS_TIMEOUT_S
    while any("-b" in words for _, words in vtysh_processes()):
        if uptime() >= deadline:
            raise FrrSilent(f"FRR has been loading {LOADERS_TIMEOUT_S:g} s, and is not done")
        wait(_INTERVAL_S)


def vtysh_processes() -> Iterator[Tuple[int, List[str]]]:
    """Every vtysh of this machine: its process id and its arguments."""
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):
            words = _words_of(pid)
            if words and os.path.basename(words[0]) == "vtysh":
                yield pid, words[1:]


def _pid(name: str) -> int:
    """The process of a program, as its file has it; 0 where it does not run."""
    with suppress(OSError, ValueError):
        with open(f"{SOCKETS}/{name}.pid", encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return pid if file.read().strip() == name else 0
    return 0


def _reload_unit() -> None:
    """Let frr.service start and end programs. It runs frr-reload.py as well, which is given nothing to do, since the file on disk
    is what is live; whatever it writes to its log of a configuration that was changed by hand is cut off again."""
    size = os.path.getsize(_RELOAD_LOG) if os.path.exists(_RELOAD_LOG) else 0
    try:
        _systemctl("reload")
    finally:
        with suppress(OSError):
            os.truncate(_RELOAD_LOG, size)


def _systemctl(verb: str) -> None:
    import subprocess

    with suppress(OSError, subprocess.TimeoutExpired):  # whether it worked is seen by what runs
        command = ["systemctl", verb, "frr.service"]
        subprocess.run(command, capture_output=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=False)


def _runs_systemd() -> bool:
    return os.path.isdir("/run/systemd/system")
