"""The plan: what turns facts into desired state. What ``plan`` prints and ``deploy`` executes is the same object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from netorch.model.facts import LineChange, Obstacle
from netorch.model.items import Item


@dataclass(frozen=True)
class Operation:
    """One change of one item. ``action`` is ``add``, ``change`` or ``remove``; ``before`` is what a change or a removal
    replaces. ``risk`` is ``none`` (nothing that carries traffic is touched), ``routing`` or ``reset``. ``cause`` says why the
    device is not as it should be, "" where that is not known: one of the words of ``netorch.plan.drift``.
    """

    action: str
    item: Item
    before: Optional[Item] = None
    risk: str = "none"
    cause: str = field(default="", compare=False)


@dataclass(frozen=True)
class Reset:
    """A session that the plan will start, close or restart. ``effect`` is one of these three words."""

    session: str
    effect: str
    reason: str


@dataclass(frozen=True)
class Check:
    """What the device must show after the change before it may be confirmed.

    ``up`` are sessions that must be (or come) up, ``down`` those that must be down, within ``timeout_s``. A session in
    ``up`` whose accepted prefixes fall by more than ``prefix_drop_percent`` fails the check as well; None leaves that
    out. ``announce`` are sessions of ``up`` that must not fall silent: where one announced prefixes of a family, it still
    announces some. ``announce_most`` are sessions with how many prefixes they may announce: more than that and more than
    before are a leak. Where prefixes are compared, the check must hold for ``settle_s``.
    """

    up: Tuple[str, ...] = ()
    down: Tuple[str, ...] = ()
    prefix_drop_percent: Optional[float] = None
    settle_s: float = 0.0
    timeout_s: float = 30.0
    announce: Tuple[str, ...] = ()
    announce_most: Tuple[Tuple[str, int], ...] = ()


NO_CHECK = Check()
"""Nothing is asked of the device."""


@dataclass(frozen=True)
class DevicePlan:
    """The operations for one device, in the order in which they are applied. ``base`` is that of the facts it was made
    from. ``live_lines`` are what the daemon runs otherwise than in its file, by somebody's hand: loading a file ends that.
    ``obstacle``: why the device would refuse this plan; None where nothing is known to be in its way.
    """

    device: str
    base: str
    generation: int
    operations: Tuple[Operation, ...] = ()
    resets: Tuple[Reset, ...] = ()
    check: Check = NO_CHECK
    live_lines: Tuple[LineChange, ...] = ()
    obstacle: Optional[Obstacle] = None

    @property
    def is_empty(self) -> bool:
        """Nothing to do."""
        return not self.operations


@dataclass(frozen=True)
class Plan:
    """The plan of a whole deploy. ``later`` names, by device, steps that can be planned only after earlier ones; ``notes``
    what else will be done there, in words."""

    devices: Tuple[DevicePlan, ...]
    commit: str = ""
    later: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Nothing to do on any device, now or later."""
        return all(device.is_empty for device in self.devices) and not self.later


@dataclass(frozen=True)
class CheckResult:
    """What became of a check: ``findings`` name what failed, in words for the operator; () when all is well."""

    findings: Tuple[str, ...] = ()
