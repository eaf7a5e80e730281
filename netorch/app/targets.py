"""TARGET expressions to devices."""

from __future__ import annotations

import fnmatch
from typing import Callable, Mapping, Sequence

from netorch.errors import UsageError
from netorch.model.inventory import Device, Inventory, Pop
from netorch.model.text import did_you_mean


def select_devices(inventory: Inventory, targets: Sequence[str], *, limit: Sequence[str] = ()) -> tuple[str, ...]:
    """The full names of the devices that ``targets`` mean, in the inventory's order.

    A target is a POP, a device, a group (``role:switch``, ``provider:northtel``, ``pop:pop1``, ``daemon:bird``), a glob
    over device names, or ``!`` and one of these. Several are a union, from which the ``!`` ones are taken away; none
    means every device. ``limit`` narrows the result in the same language.

    Raises UsageError for a target that means nothing, or when there are only ``!`` targets.
    """
    chosen = _union(inventory, targets) if targets else {device.name for device in inventory.devices}
    if limit:
        chosen &= _union(inventory, limit)
    return tuple(device.name for device in inventory.devices if device.name in chosen)


def _union(inventory: Inventory, targets: Sequence[str]) -> set[str]:
    wanted = [target for target in targets if not target.startswith("!")]
    unwanted = [target[1:] for target in targets if target.startswith("!")]
    if not wanted:
        raise UsageError(
            f"only targets to leave out: {' '.join(targets)}", hint="name what is meant as well: 'pop1' '!h1.pop1'"
        )
    chosen = set().union(*(_devices_of(inventory, target) for target in wanted))
    return chosen.difference(*(_devices_of(inventory, target) for target in unwanted))


def _devices_of(inventory: Inventory, target: str) -> set[str]:
    kind, colon, value = target.partition(":")
    found = _group(inventory, kind, value) if colon else _named(inventory, target)
    if not found:
        names = [pop.name for pop in inventory.pops] + [device.name for device in inventory.devices]
        full = [repr(name) for name in names if name.startswith(f"{target}.")]
        hint = f"did you mean {' or '.join(full)}?" if full else did_you_mean(target, names)
        known = f"POPs are {', '.join(pop.name for pop in inventory.pops)}"
        raise UsageError(f"target {target!r} means no device", hint=hint or known)
    return found


def _named(inventory: Inventory, target: str) -> set[str]:
    found = {device.name for pop in inventory.pops if pop.name == target for device in pop.devices}
    return found | {device.name for device in inventory.devices if fnmatch.fnmatchcase(device.name, target)}


_ROLES: Mapping[str, Callable[[Pop], Sequence[Device]]] = {
    "switch": lambda pop: pop.switches,
    "host": lambda pop: pop.hosts,
    "router": lambda pop: pop.routers,
}


def _group(inventory: Inventory, kind: str, value: str) -> set[str]:
    if kind == "role" and value in _ROLES:
        return {device.name for pop in inventory.pops for device in _ROLES[value](pop)}
    if kind == "provider":
        return {circuit.switch for circuit in inventory.circuits if circuit.provider == value}
    if kind == "pop":
        return {device.name for device in inventory.devices if device.pop == value}
    if kind == "daemon":
        return {device.name for device in inventory.devices if device.daemon == value}
    raise UsageError(f"group {kind}:{value} is unknown", hint="groups are role:, provider:, pop: and daemon:")
