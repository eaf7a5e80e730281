"""The rows of the matrix."""

from __future__ import annotations

from tests.lab.faults import content, controller, daemon, disk, machine, people, steps
from tests.lab.faults.play import Fault

FAULTS = (
    Fault(
        "controller killed",
        "last good within deadline + 5 s, or confirmed",
        controller.kill_controller,
        5.0,
        quick=True,
    ),
    Fault("path cut at any byte", "the device decides alone", controller.cut_path, quick=True),
    Fault("path silent from any byte on", "told within 20 s; the device decides alone", controller.silent_path),
    Fault("path slow", "works, or an error", controller.slow_path),
    Fault("cable pulled", "told within 20 s; the device decides alone", controller.pulled_cable),
    # Not among the quick rows: its promise is a time, which a busy machine would break.
    Fault("candidate cuts its own path", "back within deadline + 3 s", content.cuts_its_own_path, 3.0),
    Fault("no room on the disk", "refused before anything changes", disk.no_room, quick=True),
    Fault("disk breaks meanwhile", "last good, or confirmed once it is well", disk.breaks_meanwhile),
    Fault("device restarted", "last good or confirmed, never half", steps.restart_device),
    Fault(
        "device restarted between confirm and rename",
        "confirmed, in memory and on disk",
        steps.restart_between_confirmation_and_rename,
        quick=True,
    ),
    Fault("agent killed", "the watchdog still fires", steps.kill_agent),
    Fault("BIRD killed", "last good, or confirmed", daemon.killed),
    Fault("BIRD in a crash loop", "last good, or confirmed", daemon.crash_loop),
    Fault("BIRD hangs", "given up within 30 s, reverted", daemon.hanging),
    Fault("BIRD answers nonsense", "never a false success", daemon.lies, quick=True),
    Fault("sshd stopped", "an error within 20 s", controller.stopped_sshd),
    Fault("process limit", "an error, nothing half done", machine.process_limit),
    Fault("host key unknown or changed", "refused, nothing sent", controller.wrong_host_key, quick=True),
    Fault("a human's hand on BIRD", "reverted and told, or confirmed", people.human, quick=True),
    Fault("two controllers", "one wins", people.second_controller, quick=True),
    Fault("cron over a manual run", "one wins", people.cron),
    Fault("clock steps by an hour", "deadlines off by 1 s at most", machine.clock_steps, 1.0),
    Fault("request damaged on the way", "caught by its hash", content.damaged_on_the_way, quick=True),
    Fault("candidate damaged on the disk", "never confirmed", content.damaged_on_disk),
    Fault("candidate that hurts", "refused by a guard, or reverted", content.hurtful),
    Fault("guarded deletions", "refused, nothing begun", content.refused_by_guard, quick=True),
)
