"""What a device's agents are asked for: it is on record there, and one can be held before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.faults.bed import Target
from tests.lab.stopping import is_stopped
from tests.waiting import wait_until

_ASKED = "/run/netorch-asked"
_HELD = "/run/netorch-held"
_WRAPPER = "/usr/sbin/python3"
_SCRIPT = f"""#!/bin/sh
for last; do :; done
echo "$last" >> {_ASKED}
[ "$last" = "$(cat {_HELD} 2>/dev/null)" ] && kill -STOP $$
exec /usr/bin/python3 "$@"
"""


def record(target: Target) -> Path:
    """The file that gets a line, the word of its command, for every agent of the device from now on."""
    wrapper = target.path(_WRAPPER)
    if not wrapper.exists():
        wrapper.write_text(_SCRIPT)
        wrapper.chmod(0o755)
    asked = target.path(_ASKED)
    asked.touch()
    return asked


@contextmanager
def held_agent(target: Target, command: str) -> Iterator[None]:
    """The next agent of the device that is asked for ``command`` stops before it begins; ``held`` finds it."""
    record(target)
    hold(target, command)
    try:
        yield
    finally:
        if target.path("/run").exists():
            release(target)


def hold(target: Target, command: str) -> None:
    """Let the next one be of ``command``."""
    target.path(_HELD).write_text(command)


def release(target: Target) -> None:
    """Hold no further one."""
    target.path(_HELD).unlink(missing_ok=True)


def held(target: Target, command: str, *, but: int = 0) -> int:
    """The agent that is held, waited for; ``but`` is one of before. No further one will be."""
    found: list[int] = []

    def is_held() -> bool:
        found[:] = [pid for pid in target.processes(command) if pid != but and is_stopped(pid)]
        return bool(found)

    wait_until(is_held, what=f"{target.name}: an agent of {command} is held", timeout_s=60)
    release(target)
    return found[0]
