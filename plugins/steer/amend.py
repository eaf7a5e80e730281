"""What steers make of hosts. Pure."""

from __future__ import annotations

from dataclasses import replace

from netorch.api import DeviceIntent, Intent, Overlay, Steer, provider_ids

from .entries import steerings


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Hosts get the steers of their POP, but for providers that they have no table of."""
    in_force = [steering for _, steering in steerings(overlay)]
    if not in_force:
        return intent
    ids = provider_ids(intent)

    def amended(device: DeviceIntent) -> DeviceIntent:
        known = {table.provider for table in device.tables}
        mine = tuple(
            Steer(steering.prefix, steering.provider, ids[steering.provider])
            for steering in in_force
            if device.role == "host" and steering.pop == device.pop and steering.provider in known
        )
        return replace(device, steers=(*device.steers, *mine)) if mine else device

    return intent.with_devices(amended)
