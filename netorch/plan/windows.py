"""Whether a window of maintenance is open."""

from __future__ import annotations

from typing import FrozenSet, Iterable

from netorch.model.inventory import Inventory, Window

WEEK_MINUTES = 7 * 24 * 60
_EPOCH_MINUTE = 3 * 24 * 60  # 1970-01-01 was a Thursday, weeks begin on Monday


def is_open(window: Window, now: float) -> bool:
    """Whether ``window`` is open at ``now``, in seconds since the epoch; its end is outside."""
    if not window.weekly:
        return window.start <= now < window.end
    minute = (now / 60 + _EPOCH_MINUTE) % WEEK_MINUTES
    if window.start < window.end:
        return window.start <= minute < window.end
    return minute >= window.start or minute < window.end


def frozen_devices(inventory: Inventory, now: float) -> FrozenSet[str]:
    """The devices that are in maintenance at ``now``, by their own windows or their POP's."""

    def any_open(windows: Iterable[Window]) -> bool:
        return any(is_open(window, now) for window in windows)

    return frozenset(
        device.name
        for pop in inventory.pops
        for device in pop.devices
        if any_open(pop.maintenance) or any_open(device.maintenance)
    )
