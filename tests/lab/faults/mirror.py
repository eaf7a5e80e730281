"""Plays one fault of the mirror on a switch, its hosts and real routers, and judges what hosts sent to meanwhile and have now."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netorch.agent.clock import uptime
from netorch.plan.mirror import USABLE_STATES
from tests.lab.faults.mirror_watch import LATE_S, Place, Span, Watch, held_by
from tests.lab.faults.play import Ending
from tests.lab.mirror_bed import MAC_A, MAC_B, V4, V6, Bed, Node
from tests.lab.mirror_routers import Router, set_neighbour_sysctls
from tests.waiting import wait_until

PREFIX = "mirror: "
BOTH = (("eth0", V4), ("eth0", V6))
RECOVERED_S = 20.0
MEMORY_BYTES = 128 << 20
AT_ONCE = 5


@dataclass
class MirrorPlay:
    """One play. ``legitimate``: the MACs that hosts may send to, by interface; ``gone``: when, in uptimes, an entry may be
    missing, since the kernel itself takes it away then; ``unsafe`` and ``events`` are filled by the act."""

    bed: Bed
    router: Router
    seed: str
    dice: random.Random
    choice: str
    folder: Path
    stack: contextlib.ExitStack
    places: tuple[Place, ...] = BOTH
    legitimate: dict[str, set[str]] = field(default_factory=lambda: {"eth0": {MAC_A, MAC_B}})
    gone: list[tuple[float, float]] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    watch: Watch = field(init=False)

    @property
    def host(self) -> Node:
        return self.bed.host

    @property
    def switch(self) -> Node:
        return self.bed.switch

    def other_router(self, mac: str = MAC_B, *, addresses: tuple[str, ...] = (V4, V6)) -> Router:
        """One more router, or an attacker, with a port of its own; not plugged in yet."""
        made = Router(self.bed, f"r{mac.replace(':', '')[2:8]}", mac, addresses=addresses)
        self.stack.callback(made.close)
        return made

    def swap(self, old: Router, new: Router) -> None:
        """The provider takes another router, which announces itself."""
        Router.swap(old, new)
        self.events.append(f"router swapped: {new.mac}")

    def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait until ``condition`` holds, which is a step of the play or a promise; unsafe where it does not."""
        try:
            wait_until(condition, what=what, timeout_s=timeout_s)
        except AssertionError as error:
            self.unsafe.append(str(error))

    def proven(self, condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
        """The fault happened, or the play breaks."""
        wait_until(condition, what=what, timeout_s=timeout_s)
        self.events.append(what)

    @contextmanager
    def may_be_gone(self, repair_s: float) -> Iterator[None]:
        """While the block runs, and for ``repair_s`` after it, the kernel may lack entries."""
        began = uptime()
        yield
        self.gone.append((began, uptime() + repair_s))


@dataclass(frozen=True)
class MirrorFault:
    """A row. ``act`` does the harm, proves that it happened, and mends it; ``prepare`` sets the bed up. ``wrong_s``: for how
    long a host may send to a MAC that is none of the provider's."""

    name: str
    expected: str
    act: Callable[[MirrorPlay], None]
    choices: tuple[str, ...]
    hosts: int = 2
    wrong_s: float = 0.0
    make_bed: Callable[[int], Bed] = Bed
    quick: bool = False


@dataclass(frozen=True)
class MirrorEnding(Ending):
    """``late_s`` is the longest time that a host sent to a wrong MAC; ``gone_s`` the longest in which it had none."""

    gone_s: float = 0.0
    claim_s: float = 0.0
    memory_mib: float = 0.0


def play_mirror(fault: MirrorFault, seed: int) -> Ending:
    """One seed of one row, on a bed of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bed = fault.make_bed(fault.hosts)
        stack.callback(bed.close)
        set_neighbour_sysctls(bed.switch.space)
        router = Router(bed, "r1", MAC_A)
        stack.callback(router.close)
        router.plug()
        dice = random.Random(f"{fault.name}/{seed}")
        choice = fault.choices[seed % len(fault.choices)]
        play = MirrorPlay(bed, router, f"{fault.name}/{seed}", dice, choice, folder, stack)
        bed.start()
        wait_until(lambda: not differences(play), what="everything is mirrored before the fault")
        with Watch(bed, play.places) as play.watch:
            fault.act(play)
            return judge(fault, seed, play)


def judge(fault: MirrorFault, seed: int, play: MirrorPlay) -> MirrorEnding:
    """What is wrong after recovery, and what was wrong meanwhile."""
    play.until(lambda: not differences(play), RECOVERED_S, "hosts have what the switch has, and say so")
    if remaining := differences(play):
        play.unsafe.append("; ".join(remaining))
    play.watch.finish()
    end, watch = uptime(), play.watch
    wrong = [span for span in watch.spans if span.mac is not None and span.mac not in play.legitimate[span.place[0]]]
    wrong_s = max((span.within(end) for span in wrong), default=0.0)
    if wrong and wrong_s > fault.wrong_s:
        play.unsafe.append(f"{wrong[0].host} sent to {wrong[0].mac} for {wrong_s:.2f} s")
    gone_s = max((_unexcused(span, end, play.gone) for span in watch.spans if span.mac is None), default=0.0)
    if gone_s > 0:
        play.unsafe.append(f"an entry was gone for {gone_s:.2f} s")
    if watch.longest_false_claim_s > LATE_S:
        play.unsafe.append(f"{watch.false_claim}, for {watch.longest_false_claim_s:.1f} s")
    most = max(max(memory, default=0) for memory in watch.memory.values())
    if most > MEMORY_BYTES:
        play.unsafe.append(f"an agent took {most >> 20} MiB")
    if logged := [node.name for node in play.bed.nodes if "please report" in node.log()]:
        play.unsafe.append(f"{', '.join(logged)}: an error of its own in its log")
    if play.unsafe:
        play.events += [line for node in play.bed.nodes for line in node.log().splitlines()[-12:]]
    return MirrorEnding(
        PREFIX + fault.name,
        seed,
        "as the switch has it" if not play.unsafe else "not well",
        "",
        "; ".join(play.unsafe),
        round(wrong_s, 3),
        tuple(play.events),
        play.choice,
        gone_s=round(max((span.within(end) for span in watch.spans if span.mac is None), default=0.0), 3),
        claim_s=round(watch.longest_false_claim_s, 2),
        memory_mib=round(most / 2**20, 1),
    )


def _unexcused(span: Span, end: float, windows: Sequence[tuple[float, float]]) -> float:
    """For how long the entry was gone outside of the ``windows``."""
    until = end if span.until is None else span.until
    excused = [window for window in windows if window[0] - 0.1 <= span.since <= window[1]]
    return max(0.0, until - max(window[1] for window in excused)) if excused else until - span.since


def differences(play: MirrorPlay) -> list[str]:
    """What hosts have otherwise than their switch, by both kernels and by the agents' own word; [] where all is well."""
    found = []
    usable = neighbours_of(play.switch, "br0")
    for host in play.bed.hosts:
        held = held_by(host)
        status = host.status()
        states = {(entry["interface"], entry["address"]): entry["state"] for entry in status["entries"]}
        for interface, address in play.places:
            if interface != "eth0":
                continue
            if address not in usable or held.get(address) != usable[address] or not host.is_reachable(address):
                found.append(f"{host.name} has {held.get(address)} for {address}, the switch {usable.get(address)}")
            if states.get((interface, address)) != "mirrored":
                found.append(f"{host.name} says {states.get((interface, address))} of {address}")
        if status["problem"] or not all(feed["up"] for feed in status["feeds"]):
            found.append(f"{host.name}: {status['problem'] or status['feeds']}")
    return found


def neighbours_of(node: Node, interface: str) -> dict[str, str]:
    """The entries of a node's kernel that it would send to, by address."""
    entries = json.loads(node.ip(f"-j neigh show dev {interface}"))
    return {
        entry["dst"]: entry["lladdr"]
        for entry in entries
        if "lladdr" in entry and {state.lower() for state in entry["state"]} & USABLE_STATES
    }


def play_mirrors(
    faults: Sequence[MirrorFault], seeds: Sequence[int], play_one: Callable[[str, int, Callable[[int], Ending]], Ending]
) -> Iterator[Ending]:
    """Every seed of every row, some beds at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [
            pool.submit(play_one, PREFIX + fault.name, seed, functools.partial(play_mirror, fault))
            for seed in seeds
            for fault in faults
        ]
        for job in jobs:
            yield job.result()


def table(faults: Sequence[MirrorFault], endings: Sequence[Ending]) -> str:
    """A row for each fault, in Markdown."""
    lines = [
        "| Fault | Ways | Expected | Plays | Unsafe | At a wrong MAC, at most | Without an entry, at most |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in faults:
        own = [ending for ending in endings if ending.fault == PREFIX + fault.name]
        if not own:
            continue
        wrong = max((ending.late_s or 0.0 for ending in own), default=0.0)
        gone = max((ending.gone_s for ending in own if isinstance(ending, MirrorEnding)), default=0.0)
        lines.append(
            f"| {fault.name} | {', '.join(fault.choices)} | {fault.expected} | {len(own)} "
            f"| {sum(bool(ending.unsafe) for ending in own)} | {_seconds(wrong)} | {_seconds(gone)} |"
        )
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value else "never"
