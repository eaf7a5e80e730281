"""FRR's own tools for whole configurations, vtysh and frr-reload.py, each with a deadline and without a trace of secrets.

frr-reload.py compares a file with what runs, and types what differs. It is no transaction: a line that is refused keeps none of
the others away. So it is only ever a step towards a state that is proven afterwards.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import suppress

from netorch.agent.clock import uptime
from netorch.agent.files import read_text, require_room
from netorch.agent.frr_programs import FOLDERS, asked_for, missing_modules, program_path
from netorch.agent.frr_text import redacted
from netorch.agent.frr_vty import FrrRefused, FrrSilent
from netorch.agent.journal import remove_folder
from netorch.agent.outcome import Refused
from netorch.agent.paths import PROGRAMS
from netorch.agent.services import RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Tuple

VALIDATE_TIMEOUT_S = 60.0
RELOAD_TIMEOUT_S = 120.0
TEST_TIMEOUT_S = 60.0

LOCKED = "locked by another session"
"""What mgmtd says to whoever loads something while somebody else types: those lines are lost, and frr-reload.py counts them as
loaded. Source: FRR 10.3, lib/vty.c vty_config_enter()."""

_SPARE_BYTES = 1 << 18
_SPARE_INODES = 16
_MARK = "NETORCH_FRR_RELOAD"
_LOOK_S = 1.0
_COMPLAINT = re.compile(r"line (?P<line>\d+): % (?P<text>[^\[:]+)")
_SAID_BY_PROGRAM = re.compile(r"^% .*", re.MULTILINE)
# Of the answer to ``--test``: headings, ends of sections, and the system's name, which FRR shows whatever it is told.
_IN_ANSWER = re.compile(r"Lines To (Delete|Add)$|=+$|\s*exit|(no )?hostname ")
_SPLIT_CONFIGURATION = "no service integrated-vtysh-config"
_VTYSH_CONF = "/etc/frr/vtysh.conf"
_DAEMONS_CANDIDATE = "/etc/frr/.daemons.netorch"


# Read now: the agent's folder may have gone when a change is undone. Not imported: it needs 25 ms of modules for itself.
with open(os.path.join(os.path.dirname(__file__), "frr_hook.py"), encoding="utf-8") as _file:
    _HOOK = _file.read()


def validate(candidate: str, *, path: str, text: str) -> None:
    """Let ``vtysh -C`` read the candidate; Refused with FRR's words and the line, in which no secret is shown."""
    import subprocess

    program = _vtysh()
    if program is None:
        raise Refused("there is no program vtysh here", hint="install FRR: apt-get install frr frr-pythontools")
    if _script() is None:
        raise Refused("there is no frr-reload.py here", hint="install it: apt-get install frr-pythontools")
    if _SPLIT_CONFIGURATION in (read_text(_VTYSH_CONF) or "").splitlines():
        raise Refused(
            f"{_VTYSH_CONF} says '{_SPLIT_CONFIGURATION}': each program would read a file of its own, not {path}",
            hint="take that line out, once the other files in /etc/frr are not needed any more",
        )
    missing = [name for name in asked_for(read_text(_DAEMONS_CANDIDATE) or "") if not program_path(name)]
    if missing:
        raise Refused(f"FRR's {', '.join(missing)} is not installed", hint="install it, or do without what needs it")
    absent = missing_modules(read_text(_DAEMONS_CANDIDATE) or "")
    if absent:
        hint = "for RPKI: apt-get install frr-rpki-rtrlib"
        raise Refused(
            f"FRR's module {', '.join(absent)} is not installed: expected it, since bgpd asks validators", hint=hint
        )
    try:
        run = subprocess.run(
            [program, "-C", "-f", candidate],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=VALIDATE_TIMEOUT_S,
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"vtysh -C did not finish within {VALIDATE_TIMEOUT_S:g} s") from None
    if run.returncode != 0:
        raise Refused(complaint(run.stdout.decode("utf-8", "replace"), path=path, text=text))


def require_room_to_load(text: str) -> None:
    """Refused where what is to be loaded has no room on its way: frr-reload.py would stop half-way, and so would the way back."""
    folder = RUN if os.path.isdir(RUN) else os.path.dirname(RUN)
    need = 3 * len(text.encode()) + _SPARE_BYTES
    require_room(folder, need, inodes=_SPARE_INODES, what="loading")


def complaint(said: str, *, path: str, text: str) -> str:
    """What vtysh finds wrong with ``path``, which holds ``text``: its first complaint with the line that it is about."""
    found = list(_COMPLAINT.finditer(said))
    if not found:
        return f"FRR refuses {path} (vtysh -C says nothing of the line)"
    number = int(found[0]["line"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    message = f"FRR refuses {path}:{number}: {found[0]['text'].strip()}{more}"
    lines = text.split("\n")
    return f"{message}\n  {number} | {redacted(lines[number - 1])}" if 0 < number <= len(lines) else message


def reload(path: str, *, alive: Callable[[], None]) -> str:
    """Have frr-reload.py make what runs what ``path`` says; what it complained of, redacted, "" where nothing.

    ``alive`` is called now and then, and raises where FRR has ceased to answer; FrrSilent where it takes too long.
    """
    end_leftovers()
    code, said = _run("--reload", path, timeout_s=RELOAD_TIMEOUT_S, alive=alive, mark={_MARK: "1"})
    return _first_complaint(said) if code != 0 or LOCKED in said else ""


def differences(path: str) -> Tuple[str, ...]:
    """What frr-reload.py would still type to make what runs what ``path`` says, redacted."""
    code, said = _run("--test", path, timeout_s=TEST_TIMEOUT_S, alive=lambda: None, mark={})
    if code != 0:
        raise FrrRefused(f"frr-reload.py cannot compare {path} with what FRR runs (status {code})")
    lines = [line.rstrip() for line in said.splitlines()]
    # A line that others stand in is not what is to be done.
    own = [line for line, after in zip(lines, [*lines[1:], ""]) if not after.startswith(f"{_indent(line)} ")]
    return tuple(redacted(line) for line in own if line and not _IN_ANSWER.match(line))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _first_complaint(said: str) -> str:
    if LOCKED in said:
        return f"its configuration was {LOCKED}"
    found = _SAID_BY_PROGRAM.search(said)
    if found is not None:
        return redacted(found.group()[2:])
    found = _COMPLAINT.search(said)
    if found is None:
        return "frr-reload.py failed"
    # The line's number is one of a file that is gone; the line itself stands behind the colon.
    line = said[found.end() :].partition("\n")[0].partition(": ")[2]
    return f"{found['text'].strip()}: {redacted(line)}"


def load_into(program: str, path: str, *, alive: Callable[[], None]) -> None:
    """Give one program all of ``path``. For one that was started anew: the others may hide from frr-reload.py what it lacks.

    What it refuses is not told: whether it has what it is to have is seen afterwards.
    """
    argv = [_vtysh() or "vtysh", "-d", program, "-f", path]
    _finish(argv, timeout_s=RELOAD_TIMEOUT_S, alive=alive, mark={_MARK: "1"}, stderr=True)


def _run(
    option: str, path: str, *, timeout_s: float, alive: Callable[[], None], mark: Dict[str, str]
) -> Tuple[int, str]:
    """The exit status of frr-reload.py, and its standard output (with its log, which goes nowhere else, where it loads)."""
    script = _script()
    if script is None:
        raise FrrRefused("there is no frr-reload.py here", hint="install it: apt-get install frr-pythontools")
    folder = f"{RUN}/frr-{os.getpid()}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    logging = ["--stdout"] if option == "--reload" else []
    argv = [sys.executable, "-I", "-S", "-c", _HOOK, script, option, *logging, "--rundir", folder, path]
    try:
        return _finish(argv, timeout_s=timeout_s, alive=alive, mark=mark, stderr=bool(logging))
    finally:
        with suppress(OSError):
            remove_folder(folder)


def _finish(
    argv: List[str], *, timeout_s: float, alive: Callable[[], None], mark: Dict[str, str], stderr: bool
) -> Tuple[int, str]:
    """The exit status and standard output of a program that types into FRR, or looks at it; nothing of it is left afterwards."""
    import subprocess

    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if stderr else subprocess.DEVNULL,
        env={"PATH": ":".join(PROGRAMS), "LC_ALL": "C.UTF-8", **mark},
        cwd="/",
        start_new_session=True,
    )
    deadline = uptime() + timeout_s
    try:
        while True:
            try:
                said, _ = process.communicate(timeout=_LOOK_S)
                return process.returncode, said.decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                if uptime() >= deadline:
                    raise FrrSilent(f"FRR has not been loaded within {timeout_s:g} s") from None
                alive()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def end_leftovers() -> None:
    """End what an agent that was killed has left behind while it loaded: it would go on typing. The caller holds the lock."""
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):
            with open(f"/proc/{pid}/environ", "rb") as file:
                is_ours = f"{_MARK}=1".encode() in file.read().split(b"\0")
            if is_ours:
                os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        for name in os.listdir(RUN):
            owner = name.partition("frr-")[2]
            if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                remove_folder(f"{RUN}/{name}")


def _script() -> Optional[str]:
    found: List[str] = [f"{folder}/frr-reload.py" for folder in FOLDERS]
    return next((path for path in found if os.path.exists(path)), None)


def _vtysh() -> Optional[str]:
    return next((f"{folder}/vtysh" for folder in PROGRAMS if os.access(f"{folder}/vtysh", os.X_OK)), None)
