"""In which order, and how many at once, devices are changed."""

from __future__ import annotations

from typing import Iterable, List, Tuple

from netorch.model.intent import Intent


def batches(intent: Intent, devices: Iterable[str]) -> Tuple[Tuple[str, ...], ...]:
    """``devices`` in batches that may each be changed at once: POP by POP, each switch alone, then the hosts together."""
    chosen = set(devices)
    ordered: List[Tuple[str, ...]] = []
    for pop in dict.fromkeys(device.pop for device in intent.devices):
        ordered += [(switch.name,) for switch in intent.in_pop(pop, "switch") if switch.name in chosen]
        hosts = tuple(host.name for host in intent.in_pop(pop, "host") if host.name in chosen)
        if hosts:
            ordered.append(hosts)
    return tuple(ordered)
