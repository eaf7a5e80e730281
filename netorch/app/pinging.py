"""``netorch ping``: one destination through every provider at once, from one or several hosts."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Iterable, Sequence

from netorch.app.controller import Controller
from netorch.errors import NetorchError, UsageError
from netorch.model.intent import DeviceIntent
from netorch.model.overlay import Overlay
from netorch.model.request import PingRequest, PingSeries
from netorch.model.types import Family, IPAddress, family_of


@dataclass(frozen=True)
class PingRow:
    """One host's echoes through one provider."""

    host: str
    provider: str
    series: PingSeries

    def document(self) -> dict[str, Any]:
        """Plain JSON; the times are null when nothing was answered."""
        rtts = sorted(rtt for rtt in self.series.rtts_ms if rtt is not None)
        sent = len(self.series.rtts_ms)
        return {
            "host": self.host,
            "provider": self.provider,
            "mark": self.series.mark,
            "sent": sent,
            "received": len(rtts),
            "loss_percent": round(100.0 * (sent - len(rtts)) / sent, 1) if sent else None,
            "min_ms": _quantile(rtts, 0.0),
            "median_ms": _quantile(rtts, 0.5),
            "p90_ms": _quantile(rtts, 0.9),
            "p99_ms": _quantile(rtts, 0.99),
            "error": self.series.error or None,
        }


def ping_providers(
    controller: Controller, destination: IPAddress, hosts: Iterable[str], *, count: int, interval_s: float
) -> tuple[list[PingRow], dict[str, NetorchError]]:
    """Rows host by host, providers in the order of their tables; and the hosts that could not be asked.

    Each packet leaves from the host's first service address of the destination's family.
    """
    intent = controller.intent(Overlay())
    devices = {name: intent.device(name) for name in hosts}
    if not devices:
        raise UsageError("no host to ping from", hint="--pop takes a POP that has hosts, --from a host of it")

    def ask(name: str) -> list[PingRow]:
        device = devices[name]
        request = PingRequest(
            destination=destination,
            marks=tuple(table.number for table in device.tables),
            source=_source(device, family_of(destination)),
            count=count,
            interval_s=interval_s,
        )
        controller.progress.step(name, f"pinging {destination} through {len(device.tables)} providers")
        answer = controller.devices(name).ping(request)
        return [PingRow(name, t.provider, s) for t, s in zip(device.tables, answer.series, strict=True)]

    rows, failures = controller.each(devices, ask)
    return [row for name in rows for row in rows[name]], failures


def _source(device: DeviceIntent, family: Family) -> IPAddress | None:
    return next((address for address in device.service if family_of(address) is family), None)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values, in milliseconds with microseconds; None of nothing."""
    if not ordered:
        return None
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 3)
