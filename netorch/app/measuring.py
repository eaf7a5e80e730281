"""What a prefix means to hosts: how many routes they have inside it, and how much they send there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from netorch.app.controller import Controller
from netorch.errors import NetorchError
from netorch.model.intent import DeviceIntent
from netorch.model.measures import CountRoutes, MeasureTraffic, RoutesInside
from netorch.model.trace import InsideRequest, ProviderView, TrafficRequest
from netorch.model.types import IPAddress, family_of

T = TypeVar("T")
Measured = tuple[dict[str, T], dict[str, NetorchError]]


def count_routes(controller: Controller, hosts: Iterable[DeviceIntent], step: CountRoutes) -> Measured[RoutesInside]:
    """Results and failures by host."""
    family = family_of(step.prefix)

    def ask(device: DeviceIntent) -> RoutesInside:
        views = tuple(
            ProviderView(
                table.provider,
                f"table{table.number}_{family.value}",
                tuple(
                    hop.address for hop in device.next_hops if (hop.provider, hop.family) == (table.provider, family)
                ),
            )
            for table in device.tables
        )
        found = controller.devices(device.name).inside(InsideRequest(device.daemon, step.prefix, views))
        names = (view.provider for view in views)
        return RoutesInside(found.all, dict(zip(names, found.of_views, strict=True)))

    return _each(controller, hosts, ask, f"counting routes inside {step.prefix}")


def measure_traffic(
    controller: Controller, hosts: Iterable[DeviceIntent], step: MeasureTraffic
) -> Measured[float] | Measured[dict[str, float]]:
    """Bits per second, or these by provider, and failures, by host."""

    def ask(device: DeviceIntent) -> dict[str, float]:
        uplinks = tuple(interface.name for interface in device.interfaces if interface.role == "uplink")
        hops: dict[str, list[IPAddress]] = {}
        for hop in device.next_hops if step.by_provider else ():
            hops.setdefault(hop.provider, []).append(hop.address)
        request = TrafficRequest(step.prefix, uplinks, step.window_s, tuple(map(tuple, hops.values())))
        found = controller.devices(device.name).traffic(request)
        seconds = max(found.seconds, 0.001)
        parts = dict(zip(hops, found.parts, strict=True))
        return {
            name: 8.0 * octets / seconds for name, octets in {**parts, "": found.octets - sum(parts.values())}.items()
        }

    found, failures = _each(controller, hosts, ask, f"measuring traffic to {step.prefix}")
    if step.by_provider:
        return found, failures
    return {name: sum(rates.values()) for name, rates in found.items()}, failures


def _each(
    controller: Controller, hosts: Iterable[DeviceIntent], ask: Callable[[DeviceIntent], T], doing: str
) -> Measured[T]:
    by_name = {device.name: device for device in hosts}

    def work(name: str) -> T:
        controller.progress.step(name, doing)
        return ask(by_name[name])

    return controller.each(by_name, work)
