"""After a restart of the machine: a pending change is finished or undone, and the kernel gets back what was confirmed.

A restart takes addresses, rules, neighbours and sysctls of the kernel away. All of them come back without the controller,
the mirror's neighbours and next hops too: a host announces its prefixes as soon as its sessions are up, and would swallow what
it attracts if it had no way out. Where the mirror's agent runs they are those that it had last, since it follows MACs that no
deploy has seen. A neighbour whose MAC changed while the machine was down is wrong until the next run or the agent puts it
right, as it would be on a machine that had kept running without its mirror.
"""

from __future__ import annotations

import os
import sys

from netorch.agent import journal
from netorch.agent.clock import uptime, wait
from netorch.agent.files import put_link, read_text, write_file
from netorch.agent.outcome import answer, reason_of
from netorch.agent.paths import BOOT, STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set

    from netorch.agent.operations import Item
    from netorch.agent.slots import Slot
    from netorch.io.netlink.route_socket import RouteSocket

UNIT = "/etc/systemd/system/netorch-boot.service"
_WANTED_BY = "/etc/systemd/system/multi-user.target.wants/netorch-boot.service"
_LOCK_PATIENCE_S = 30.0
_INTERFACES_TIMEOUT_S = 10.0
_INTERVAL_S = 0.1

_TEXT = f"""\
# Written by netorch: finishes or undoes a change that was pending when the machine went down, and puts back the kernel
# settings that were confirmed, before the routing daemon starts.
[Unit]
Description=netorch: back to the confirmed state
After=local-fs.target systemd-sysctl.service network.target
Before=bird.service frr.service
RequiresMountsFor={STATE}
ConditionPathExists={BOOT}/__main__.py

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=@PYTHON@ -I -S {BOOT} recover
TimeoutStartSec=90

[Install]
WantedBy=multi-user.target
"""


def install() -> List[str]:
    """Let the next boot run this very agent; remarks where it cannot."""
    try:
        own = os.path.realpath(sys.path[0])
        if not os.path.islink(BOOT) or os.readlink(BOOT) != own:
            put_link(own, BOOT)
        text = _TEXT.replace("@PYTHON@", sys.executable)
        if os.path.isdir("/run/systemd/system") and (read_text(UNIT) != text or not os.path.islink(_WANTED_BY)):
            write_file(UNIT, text.encode(), mode=0o644)
            os.makedirs(os.path.dirname(_WANTED_BY), exist_ok=True)
            put_link(UNIT, _WANTED_BY)
    except OSError as exc:
        place = exc.filename or BOOT
        return [f"a restart of this machine would be recovered from at the next call only: {place}: {exc.strerror}"]
    return []


def recover_at_boot() -> Dict[str, Any]:
    """What the boot unit does. A change that waits has lost its watchdog: it is undone, whatever its deadline says."""
    from netorch.agent.undo import recover

    notes: List[str] = []
    with journal.Lock("netorch", "recovering at boot", wait_s=_LOCK_PATIENCE_S):
        pending = journal.read_pending()
        if pending is not None and not journal.is_decided(pending):
            journal.save({**pending, "boot_id": ""})
        done = recover()
        if done:
            notes.append(done)
        notes += restore()
    return answer("recovered", generation=journal.current_generation(), notes=notes)


def restore() -> List[str]:
    """Put the kernel items of the current generation back; why some could not be."""
    from netorch.agent import slots
    from netorch.io.netlink.route_socket import RouteSocket

    wanted = [slots.slot_of(item) for item in _kept_items()]
    filled = [slot for slot in wanted if slot is not None]
    problems: List[str] = []
    with RouteSocket() as kernel:
        _wait_for_interfaces(kernel, {slot["interface"] for slot in filled if "interface" in slot})
        for slot in filled:
            try:
                slots.put(kernel, slot, found=slots.Snapshot(kernel, [slot]).of(slot))
            except Exception as exc:  # noqa: BLE001 - whatever one of them failed with, the others are put back
                problems.append(reason_of(exc))
        missing: List[Slot] = [] if problems else filled
        return [*problems, *(slots.differences(kernel, missing) if missing else ())]


def _kept_items() -> List[Item]:
    """What the kernel is to have: the generation's, but the mirror's as its agent kept them."""
    from netorch.agent import services
    from netorch.agent.record import MIRROR_KINDS, in_order, read_mirror, read_state

    items = read_state(journal.current_generation())["items"]
    mirrored = read_mirror() if services.is_installed(services.MIRROR) else []
    if mirrored:
        items = [*(item for item in items if item["kind"] not in MIRROR_KINDS), *mirrored]
    return in_order(items)


def _wait_for_interfaces(kernel: RouteSocket, names: Set[str]) -> None:
    """Until all are there and up, or the time is up: the daemon must not wait for ever for an interface that broke."""
    from netorch.io.netlink.links import read_links

    deadline = uptime() + _INTERFACES_TIMEOUT_S
    while uptime() < deadline:
        if names <= {link.name for link in read_links(kernel, counters=False) if link.up}:
            return
        wait(_INTERVAL_S)
