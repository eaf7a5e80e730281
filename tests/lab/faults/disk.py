"""Disks that are full, read-only or out of inodes, before a change or in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from netorch.agent.clock import uptime
from netorch.lab import exec_in
from tests.lab.faults.asked import held_agent
from tests.lab.faults.bed import STATE, Attempt
from tests.lab.faults.play import GRACE_S, finish
from tests.lab.faults.steps import Step, choose_step
from tests.lab.operator_shell import Said
from tests.waiting import wait_until

PLACES = ("configuration", "state")
KINDS = {
    "full": "dd if=/dev/zero of={place}/.fill bs=4k 2>/dev/null || true",
    "read-only": "mount -o remount,ro {place}",
    "out of inodes": "(n=0; while : >{place}/.fill-$n; do n=$((n+1)); done) 2>/dev/null || true",
}
_PROOF = {
    "full": "! dd if=/dev/zero of={place}/.more bs=4k count=1 2>/dev/null; rm -f {place}/.more",
    "read-only": "! touch {place}/.more 2>/dev/null",
    "out of inodes": "! touch {place}/.more 2>/dev/null",
}
CHOICES = tuple(f"{place} {kind}" for place in PLACES for kind in KINDS)
_HEAL = "mount -o remount,rw {place}; rm -f {place}/.fill*"


@contextmanager
def small_disk(attempt: Attempt, place: str) -> Iterator[None]:
    """A file system of its own for ``place``, with room for a change and little more; what is on it afterwards stays."""
    target = attempt.target
    target.sh(
        f"mkdir -p /run/disk; mount -t tmpfs -o mode=700,size=24m,nr_inodes=2500 disk /run/disk; cp -a {place}/. /run/disk/;"
        f" chown --reference={place} /run/disk; chmod --reference={place} /run/disk; mount --move /run/disk {place}"
    )
    try:
        yield
    finally:
        target.sh(
            f"rm -rf /run/keep; cp -a {place} /run/keep; umount -l {place};"
            f" find {place} -mindepth 1 -delete; cp -a /run/keep/. {place}/"
        )


def _chosen(attempt: Attempt) -> tuple[str, str]:
    """What happens to the disk, and to which."""
    name, _, kind = attempt.choice.partition(" ")
    place = STATE if name == "state" else attempt.target.router.folder
    attempt.events.append(f"{place} {kind}")
    return kind, place


def _break(attempt: Attempt, kind: str, place: str, step: Optional[Step] = None) -> None:
    """Do it. A file that is being written to keeps a file system from becoming read-only: then it is done a ``step`` later."""

    def is_done() -> bool:
        if exec_in(attempt.target.name, ("sh", "-euc", KINDS[kind].format(place=place)), settings).returncode == 0:
            return True
        if step is not None and step.call:
            step.next()
        return False

    settings = attempt.bed.lab.settings
    wait_until(is_done, timeout_s=60, what=f"{place} is {kind}")
    attempt.target.sh(_PROOF[kind].format(place=place))


def no_room(attempt: Attempt) -> Optional[Said]:
    """The disk is like that before the deploy: refused before anything changes."""
    kind, place = _chosen(attempt)
    with small_disk(attempt, place):
        _break(attempt, kind, place)
        try:
            with attempt.project.running(*attempt.arguments()) as process:
                said = finish(attempt, process)
        finally:
            attempt.target.sh(_HEAL.format(place=place))
    assert said.code == 1, said
    assert not attempt.watcher.changes, "something was begun"
    return said


def breaks_meanwhile(attempt: Attempt) -> Optional[Said]:
    """The disk gets like that at a step of the agent's work, and is well again only long after the deadline."""
    kind, place = _chosen(attempt)
    command, number = choose_step(attempt)
    with small_disk(attempt, place):
        with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
            step = Step(attempt, command, number)
            _break(attempt, kind, place, step)
            step.end("go")
            said = finish(attempt, process, timeout_s=150)
        # For as long as a change that was not confirmed may be live at most: a broken disk is no excuse.
        end = max(attempt.watcher.deadline() + GRACE_S, uptime()) + 1
        wait_until(lambda: uptime() > end, timeout_s=90, what="the deadline has passed")
        attempt.target.sh(_HEAL.format(place=place))
        attempt.until(lambda: attempt.target.pending() is None, 20, "the device is done once the disk is well")
    return said
