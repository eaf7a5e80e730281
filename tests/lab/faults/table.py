"""The rows of the matrix."""

from __future__ import annotations

from tests.lab.faults import content, controller, daemon, disk, frr, frr_lies, hurts, machine, people, steps
from tests.lab.faults.play import Fault

PHASES = ("armed", "applied")
BIRD, FRR = ("bird",), ("frr",)

FAULTS = (
    Fault(
        "controller killed",
        "last good within deadline + 5 s, or confirmed",
        controller.kill_controller,
        controller.MOMENTS,
        late_s=5.0,
        quick=True,
    ),
    Fault("path cut", "the device decides alone", controller.cut_path, controller.PLACES, quick=True),
    Fault(
        "path silent (half-open)",
        "told within 20 s; the device decides alone",
        controller.silent_path,
        controller.PLACES,
    ),
    Fault("path slow", "works, or an error", controller.slow_path),
    Fault("cable pulled", "told within 20 s; the device decides alone", controller.pulled_cable, controller.PULLED),
    # Not among the quick rows: its promise is a time, which a busy machine would break.
    Fault(
        "candidate cuts its own path",
        "back within deadline + 3 s",
        content.cuts_its_own_path,
        content.CUTS,
        late_s=3.0,
    ),
    Fault("no room on the disk", "refused before anything changes", disk.no_room, disk.CHOICES, quick=True),
    Fault("disk breaks meanwhile", "last good, or confirmed once it is well", disk.breaks_meanwhile, disk.CHOICES),
    Fault("device restarted", "last good or confirmed, never half", steps.restart_device),
    Fault(
        "device restarted between confirm and rename",
        "confirmed, in memory and on disk",
        steps.restart_between_confirmation_and_rename,
        quick=True,
    ),
    Fault("agent killed", "the watchdog still fires", steps.kill_agent),
    Fault("agent hangs", "its watchdog ends it; where none runs yet, the next call", steps.hang_agent, steps.HANGS),
    Fault("BIRD killed", "last good, or confirmed", daemon.killed, daemons=BIRD),
    Fault("BIRD in a crash loop", "given up within 30 s; last good", daemon.crash_loop, PHASES, daemons=BIRD),
    Fault("BIRD hangs", "given up within 30 s; last good as soon as it answers", daemon.hanging, daemons=BIRD),
    Fault("BIRD answers nonsense", "never a false success", daemon.lies, daemon.LIES, quick=True, daemons=BIRD),
    Fault("FRR answers nonsense", "never a false success", frr_lies.lies, frr_lies.LIES, daemons=FRR),
    Fault("a program of FRR killed", "last good, or confirmed", frr.killed, frr.PROGRAMS, quick=True, daemons=FRR),
    Fault(
        "a program of FRR in a crash loop",
        "given up within 30 s; last good",
        frr.crash_loop,
        tuple(f"{program}, {phase}" for phase in PHASES for program in frr.PROGRAMS[:2]),
        daemons=FRR,
    ),
    Fault(
        "a program of FRR stays dead",
        "last good as soon as it is back",
        frr.stays_dead,
        frr.PROGRAMS[:2],
        daemons=FRR,
    ),
    Fault(
        "a program of FRR hangs",
        "given up within 30 s; last good as soon as it answers",
        frr.hanging,
        frr.PROGRAMS[:2],
        daemons=FRR,
    ),
    Fault(
        "FRR's load killed",
        "loaded again, or last good",
        frr.killed_loading,
        frr.LOADING,
        quick=True,
        daemons=FRR,
    ),
    Fault("agent killed while FRR loads", "last good", frr.killed_agent_loading, frr.LEFT_BEHIND, daemons=FRR),
    Fault(
        "FRR refuses a line half-way",
        "last good; the line is named",
        frr.refused_half_way,
        tuple(frr.REFUSED),
        quick=True,
        daemons=FRR,
    ),
    Fault("somebody types into FRR all the while", "confirmed, or last good", frr.typing, daemons=FRR),
    Fault("FRR dies of the candidate", "last good", frr.deadly, quick=True, daemons=FRR),
    Fault("sshd stopped", "an error within 20 s", controller.stopped_sshd),
    Fault("process limit", "an error within 20 s, nothing half done", machine.process_limit, machine.LIMITS),
    Fault(
        "host key unknown or changed",
        "refused, nothing sent",
        controller.wrong_host_key,
        ("unknown", "changed"),
        quick=True,
    ),
    Fault(
        "a human's hand on BIRD",
        "reverted and told, or confirmed",
        people.human,
        tuple(people.HANDS),
        quick=True,
        daemons=BIRD,
    ),
    Fault(
        "a human's hand on FRR",
        "reverted and told, or confirmed",
        people.human,
        tuple(frr.HANDS),
        quick=True,
        daemons=FRR,
    ),
    Fault("two controllers", "one wins", people.second_controller, quick=True),
    Fault("cron over a manual run", "one wins", people.cron),
    Fault(
        "clock steps by an hour",
        "deadlines off by 1 s at most",
        machine.clock_steps,
        machine.STEPS,
        late_s=1.0,
    ),
    Fault(
        "request damaged on the way",
        "caught by its hash",
        content.damaged_on_the_way,
        content.DAMAGES,
        quick=True,
    ),
    Fault("candidate damaged on the disk", "refused, or mended", content.damaged_on_disk),
    Fault(
        "candidate that hurts",
        "refused by a guard, or reverted",
        content.hurtful,
        tuple(hurts.HURTS["bird"]),
        announcing=hurts.ANNOUNCING,
    ),
    Fault(
        "guarded deletions",
        "refused, nothing begun",
        content.refused_by_guard,
        content.DELETIONS,
        announcing=hurts.ANNOUNCING,
        quick=True,
    ),
)


def faults_of(daemon: str) -> tuple[Fault, ...]:
    """The rows that are played with a routing daemon."""
    return tuple(fault for fault in FAULTS if daemon in fault.daemons)
