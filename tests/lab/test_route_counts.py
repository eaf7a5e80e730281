"""Whether routes of a protocol are in the kernel, in a network namespace of the test's own."""

from __future__ import annotations

import subprocess

import pytest

from netorch.io.netlink.route_counts import has_routes_of
from netorch.io.netlink.route_socket import RouteSocket
from tests.lab.labs import own_network

pytestmark = pytest.mark.lab

STATIC = 196  # RTPROT_ZSTATIC
ROUTES = ("192.0.2.0/24", "192.0.2.0/24 table 1001", "2001:db8::/48", "2001:db8::/48 table 1001")


@pytest.mark.parametrize("route", ROUTES)
def test_one_route_is_found_wherever_it_is(route: str) -> None:
    """Of either family, in any table; a route of somebody else's is none."""
    with own_network(), RouteSocket() as kernel:
        _add("198.51.100.0/24", protocol=110)
        assert not has_routes_of(kernel, {STATIC})
        _add(route, protocol=STATIC)
        assert has_routes_of(kernel, {STATIC, 186})
        assert not has_routes_of(kernel, {186})


def _add(route: str, *, protocol: int) -> None:
    subprocess.run(["ip", "route", "add", "blackhole", *route.split(), "proto", str(protocol)], check=True)
