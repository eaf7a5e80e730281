"""In which order, and how many at once, devices are changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, List, Tuple

from netorch.errors import UsageError
from netorch.model.intent import Intent

_SIZE = re.compile(r"([1-9][0-9]{0,5})(%?)")


@dataclass(frozen=True)
class BatchSize:
    """How many hosts one batch changes: a number, or a percentage of all hosts of the roll-out, rounded up."""

    amount: int
    is_percent: bool = False

    def of(self, total: int) -> int:
        """How many of ``total`` hosts; never 0."""
        return max(1, -(-total * self.amount // 100)) if self.is_percent else self.amount


DEFAULT_SIZES = (BatchSize(1), BatchSize(25, is_percent=True), BatchSize(100, is_percent=True))
"""One canary, then growing batches."""


def parse_sizes(text: str) -> Tuple[BatchSize, ...]:
    """The sizes that ``1,25%,100%`` says, at least one. Raises UsageError."""
    sizes: List[BatchSize] = []
    for part in text.split(","):
        found = _SIZE.fullmatch(part.strip())
        if found is None or (found.group(2) and int(found.group(1)) > 100):
            raise UsageError(
                f"expected sizes of batches, found {part.strip()!r}",
                where="--batch",
                hint="numbers of hosts or percentages of all of them, separated by commas: --batch 1,25%,100%",
            )
        sizes.append(BatchSize(int(found.group(1)), is_percent=bool(found.group(2))))
    return tuple(sizes)


def batches(
    intent: Intent, devices: Iterable[str], *, sizes: Tuple[BatchSize, ...] = DEFAULT_SIZES
) -> Tuple[Tuple[str, ...], ...]:
    """``devices`` in batches that may each be changed at once, in the order in which they are to be changed.

    A POP is finished before the next begins. In it each router goes alone, then each switch, then the hosts: ``sizes`` says how
    many at once in the first batch of hosts of the whole roll-out, in the second, and so on; the last size is that of all further
    ones.
    """
    chosen = set(devices)
    ordered: List[Tuple[str, ...]] = []
    total = sum(device.role == "host" and device.name in chosen for device in intent.devices)
    begun = 0
    for pop in dict.fromkeys(device.pop for device in intent.devices):
        alone = (*intent.in_pop(pop, "router"), *intent.in_pop(pop, "switch"))
        ordered += [(device.name,) for device in alone if device.name in chosen]
        hosts = tuple(host.name for host in intent.in_pop(pop, "host") if host.name in chosen)
        while hosts:
            size = sizes[min(begun, len(sizes) - 1)].of(total)
            ordered.append(hosts[:size])
            hosts = hosts[size:]
            begun += 1
    return tuple(ordered)
