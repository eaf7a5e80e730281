"""The mirror's agents as services of this machine: started, stopped, put back as they were, and asked how they are.

Where systemd runs each is a unit of its own. Elsewhere a marker file tells the machine's supervisor to keep it running, as the
lab's does. Either way the command is the agent behind the link ``BOOT``, and whatever happens to a service, the kernel keeps
the entries that it made.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from netorch.agent.clock import now, uptime, wait
from netorch.agent.files import put_link, read_json, read_text, remove, write_file
from netorch.agent.outcome import Stop
from netorch.agent.paths import BOOT, STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Status = Dict[str, Any]
    Before = Dict[str, Any]

FEED, MIRROR = "feed", "mirror"
NAMES = (FEED, MIRROR)
FOLDER = f"{STATE}/services"
RUN = "/run/netorch"

SILENT_AFTER_S = 5.0
"""A service writes its status every second; one that has not for this long is taken for dead."""

_START_TIMEOUT_S = 10.0
_PATIENCE_S = 3.0
_STOP_TIMEOUT_S = 8.0
_SYSTEMCTL_TIMEOUT_S = 20.0
_INTERVAL_S = 0.05

_UNITS = "/etc/systemd/system"
_WHAT = {FEED: "tells hosts the providers' MAC addresses", MIRROR: "mirrors the providers' MAC addresses"}
_TEXT = f"""\
# Written by netorch. Neighbour entries stay in the kernel when this service ends.
[Unit]
Description=netorch: @WHAT@
After=network.target netorch-boot.service
RequiresMountsFor={STATE}
ConditionPathExists={BOOT}/__main__.py
StartLimitIntervalSec=0

[Service]
ExecStart=@PYTHON@ -I -S {BOOT} @NAME@
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
TimeoutStopSec=5
MemoryMax=256M
# Neighbours, addresses and routes, its own priority, a low port, a folder of another user's for figures: nothing else.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_NICE CAP_NET_BIND_SERVICE CAP_DAC_OVERRIDE
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def version() -> str:
    """What tells this agent's code from another's: the name of the folder that it was installed in."""
    return os.path.basename(os.path.realpath(sys.path[0]))


def is_installed(name: str) -> bool:
    """Whether the service is to run, also after a restart of the machine."""
    return os.path.lexists(_wanted_by(name) if _runs_systemd() else f"{FOLDER}/{name}")


def read_status(name: str) -> Optional[Status]:
    """What the service last wrote of itself; None if there is nothing to read."""
    try:
        status = read_json(f"{RUN}/{name}.json")
    except (OSError, ValueError):
        return None
    return dict(status) if isinstance(status, dict) else None


def is_alive(status: Optional[Status]) -> bool:
    """Whether the process that wrote ``status`` is there, and wrote it lately."""
    if status is None:
        return False
    with suppress(KeyError, TypeError, ValueError):
        age_s = uptime() - float(status["updated"])
        return age_s <= SILENT_AFTER_S and os.path.exists(f"/proc/{int(status['pid'])}")
    return False


def running() -> List[Dict[str, str]]:
    """ServiceItems of the services that are meant to run and run this very agent."""
    own = version()
    statuses = ((name, read_status(name)) for name in NAMES if is_installed(name))
    return [
        {"kind": "ServiceItem", "name": name}
        for name, status in statuses
        if status is not None and is_alive(status) and status.get("agent") == own
    ]


def describe() -> List[Dict[str, Any]]:
    """AgentFacts of the services that are meant to run here."""
    return [_facts_of(name, read_status(name)) for name in NAMES if is_installed(name)]


def _facts_of(name: str, status: Optional[Status]) -> Dict[str, Any]:
    facts = {"service": name, "alive": is_alive(status), "agent": str((status or {}).get("agent", ""))}
    if status is not None:
        with suppress(
            KeyError, TypeError, ValueError, AttributeError
        ):  # another version's agent may have put it otherwise
            facts.update(_told(status))
    return facts


def _told(status: Status) -> Dict[str, Any]:
    present = uptime()
    return {
        "age_s": present - float(status["updated"]),
        "running_s": present - float(status["started"]),
        "problem": str(status["problem"]),
        "memory_bytes": int(status["memory_bytes"]),
        "cpu_s": float(status["cpu_s"]),
        "counters": {str(name): int(count) for name, count in status["counters"].items()},
        "feeds": [_picked(feed, _FEED) for feed in status.get("feeds", ())],
        "entries": [_picked(entry, _ENTRY) for entry in status.get("entries", ())],
        "subscribers": [_picked(subscriber, _SUBSCRIBER) for subscriber in status.get("subscribers", ())],
    }


def _picked(one: Dict[str, Any], members: Dict[str, Callable[[Any], Any]]) -> Dict[str, Any]:
    """The ``members`` of an object, and how long it has been as it is: by this machine's clock, since a controller's may
    differ."""
    since = one.get("since")
    picked = {name: read(one[name]) for name, read in members.items() if name in one}
    return {**picked, "age_s": None if since is None else max(0.0, now() - float(since))}


def _text(value: Any) -> Optional[str]:
    return None if value is None else str(value)


# The members of netorch.model.facts that agents write.
_FEED: Dict[str, Callable[[Any], Any]] = {
    "switch": str,
    "interface": str,
    "up": bool,
    "address": _text,
    "error": str,
    "messages": int,
    "resyncs": int,
    "rejected": int,
}
_ENTRY: Dict[str, Callable[[Any], Any]] = {
    "address": str,
    "interface": str,
    "provider": str,
    "circuit": int,
    "mac": _text,
    "state": str,
    "switch": str,
    "reason": str,
    "changes": int,
}
_SUBSCRIBER: Dict[str, Callable[[Any], Any]] = {"host": str, "address": str, "sent": int}


def mirror_is_alive() -> bool:
    """Whether an agent looks after the mirror's entries here: then they may change at any moment."""
    return is_installed(MIRROR) and is_alive(read_status(MIRROR))


def look(name: str) -> Before:
    """How the service is now, for ``put_back``."""
    agent = os.path.realpath(BOOT) if os.path.islink(BOOT) else ""
    return {"name": name, "installed": is_installed(name), "agent": agent}


def start(name: str) -> None:
    """Make the service run this very agent, now and after every restart of the machine.

    Returns once it says so. Raises Stop with its own words where it does not in time.
    """
    is_new = _install(name)
    own, begun, ended = version(), uptime(), False
    while True:
        status = read_status(name)
        if status is not None and is_alive(status) and status.get("agent") == own:
            return
        passed_s = uptime() - begun
        if passed_s >= _START_TIMEOUT_S:
            raise Stop(f"service {name} does not start: {_trouble(status)}", hint=_hint(name))
        # One that runs another agent takes over the new one by itself; one that hangs does not.
        if not ended and not is_new and (status is None or not is_alive(status) or passed_s >= _PATIENCE_S):
            ended = True
            _restart(name, status)
        wait(_INTERVAL_S)


def stop(name: str) -> None:
    """End the service, and start it no more. What it has put into the kernel stays. Raises OSError, Stop."""
    status = read_status(name)
    if _runs_systemd():
        if is_installed(name) or os.path.exists(_unit(name)):
            _systemctl("stop", name)
        remove(_wanted_by(name))
        remove(_unit(name))
        _systemctl("daemon-reload")
    else:
        remove(f"{FOLDER}/{name}")
        if not _wait_until(lambda: not _is_ours(name, status), _STOP_TIMEOUT_S):
            _kill(name, status, signal.SIGKILL)
    remove(f"{RUN}/{name}.json")


def put_back(before: Before) -> None:
    """Make the service as it was when ``before`` was taken: gone, or running the agent that it ran then. Raises OSError, Stop."""
    name, agent = before["name"], before["agent"]
    if not before["installed"]:
        stop(name)
        return
    if agent and os.path.realpath(BOOT) != agent and os.path.exists(f"{agent}/__main__.py"):
        put_link(agent, BOOT)
    if not is_installed(name):
        _install(name)


def _install(name: str) -> bool:
    """Let the machine start it; whether that is new."""
    if not _runs_systemd():
        if os.path.exists(f"{FOLDER}/{name}"):
            return False
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        write_file(f"{FOLDER}/{name}", b"")
        return True
    text = _TEXT.replace("@PYTHON@", sys.executable).replace("@NAME@", name).replace("@WHAT@", _WHAT[name])
    if read_text(_unit(name)) == text and os.path.islink(_wanted_by(name)):
        return False
    write_file(_unit(name), text.encode(), mode=0o644)
    os.makedirs(os.path.dirname(_wanted_by(name)), exist_ok=True)
    put_link(_unit(name), _wanted_by(name))
    _systemctl("daemon-reload")
    _systemctl("restart", name)
    return True


def _restart(name: str, status: Optional[Status]) -> None:
    if _runs_systemd():
        _systemctl("restart", name)
    elif _is_ours(name, status):
        _kill(name, status, signal.SIGKILL)


def _systemctl(verb: str, name: str = "") -> None:
    import subprocess

    command = ["systemctl", verb, *([f"netorch-{name}.service"] if name else [])]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise Stop(f"{' '.join(command)} did not end within {_SYSTEMCTL_TIMEOUT_S:g} s") from None
    except OSError as exc:
        raise Stop(f"systemctl cannot be started: {exc.strerror}") from None
    if run.returncode != 0:
        said = (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
        raise Stop(f"{' '.join(command)}: {said}")


def _is_ours(name: str, status: Optional[Status]) -> bool:
    """Whether the process that ``status`` names is that service: its number may have gone to another process."""
    with suppress(OSError, KeyError, TypeError, ValueError):
        with open(f"/proc/{int((status or {})['pid'])}/cmdline", "rb") as file:
            words = file.read().decode("utf-8", "replace").split("\0")
        return name in words and any(word.startswith(f"{STATE}/") for word in words)
    return False


def _kill(name: str, status: Optional[Status], number: int) -> None:
    if status is not None and _is_ours(name, status):
        with suppress(ProcessLookupError):
            os.kill(int(status["pid"]), number)


def _wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = uptime() + timeout_s
    while not condition():
        if uptime() >= deadline:
            return False
        wait(_INTERVAL_S)
    return True


def _trouble(status: Optional[Status]) -> str:
    if status is None:
        return "it has said nothing"
    if not is_alive(status):
        return f"it ended, or has said nothing for {uptime() - float(status.get('updated', 0.0)):.0f} s"
    return str(status.get("problem") or "it runs another agent")


def _hint(name: str) -> str:
    return f"journalctl -u netorch-{name}" if _runs_systemd() else f"see its output: /var/log/{name}.log"


def _runs_systemd() -> bool:
    return os.path.isdir("/run/systemd/system")


def _unit(name: str) -> str:
    return f"{_UNITS}/netorch-{name}.service"


def _wanted_by(name: str) -> str:
    return f"{_UNITS}/multi-user.target.wants/netorch-{name}.service"
