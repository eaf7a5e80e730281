"""Whether a device runs what the inventory says it does: its configuration is written for that version."""

from __future__ import annotations

from netorch.errors import DeviceError
from netorch.model.capabilities import capabilities_of, is_release
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent

_PROGRAMS = {"bird": "bird", "frr": "zebra"}
"""What tells a daemon's release."""


def refuse_other_version(device: DeviceIntent, facts: DeviceFacts) -> None:
    """Raise DeviceError where the device's daemon is of another release than the inventory's, or does not tell its own."""
    found = facts.daemon.version
    if found is None:
        raise DeviceError(
            f"expected {device.daemon} {device.version}, found none that tells its release",
            where=device.name,
            hint=f"it is not installed, or `{_PROGRAMS[device.daemon]} --version` gives no answer: install it, see what it does,"
            f" or correct daemon: of {device.name} in the inventory",
        )
    can = capabilities_of(device.daemon, device.version)
    if is_release(found, device.version if can is None else can.release):
        return
    is_known = capabilities_of(device.daemon, found)
    if is_known is not None and is_known.has_templates_for(device.role):
        hint = f"write version: '{is_known.release}' for {device.name} in the inventory, if that is what it is to run"
    else:
        hint = f"netorch has no templates for {device.daemon} {found} on a {device.role}: install {device.version}"
    raise DeviceError(
        f"expected {device.daemon} {device.version}, as the inventory says, found {found}", where=device.name, hint=hint
    )
