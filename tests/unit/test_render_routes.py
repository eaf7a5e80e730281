"""Routes of operators' programs in the daemons' languages, as the daemons themselves read them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from netorch.errors import RenderError
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.intent import StaticHop, StaticRoute
from netorch.render import TemplateSource, render_for, seal
from netorch.render.bird.quoting import bird_interface
from tests.unit.inventory_texts import example, load

INTENT = derive_intent(load(example()))
TEMPLATES = TemplateSource(read_templates())
ROUTES = (
    StaticRoute(
        ip_network("198.18.240.0/24"),
        hops=(StaticHop(ip_address("10.2.1.9")), StaticHop(ip_address("10.2.1.8"), "eth0.7-x")),
    ),
    StaticRoute(ip_network("198.18.239.0/24"), hops=(StaticHop(None, "eth0"),)),
    StaticRoute(ip_network("198.18.241.0/24"), "blackhole"),
    StaticRoute(ip_network("198.51.100.70/32"), "unreachable", announced=True),
    StaticRoute(ip_network("2001:db8:2::70/128"), hops=(StaticHop(ip_address("fe80::1"), "eth0"),), announced=True),
)
CHECKS = {"bird": ("bird", "-p", "-c"), "frr": ("vtysh", "-C", "-f")}
COMMON = {
    "bird": """\
protocol static own_routes_ipv4 {
    ipv4;
    route 198.18.239.0/24 via "eth0";
    route 198.18.240.0/24 via 10.2.1.9 via 10.2.1.8%'eth0.7-x';
    route 198.18.241.0/24 blackhole;
    route 198.51.100.70/32 unreachable;
}
""",
    "frr": """\
ip route 198.18.239.0/24 eth0
ip route 198.18.240.0/24 10.2.1.9
ip route 198.18.240.0/24 10.2.1.8 eth0.7-x
ip route 198.18.241.0/24 blackhole
ip route 198.51.100.70/32 reject
""",
}
IPV6 = {
    "bird": "    route 2001:db8:2::70/128 via fe80::1%'eth0';\n",
    "frr": "ipv6 route 2001:db8:2::70/128 fe80::1 eth0\n",
}
ANNOUNCED = {
    "bird": "define ROUTES_IPV4 = [\n    198.51.100.70/32\n];\n",
    "frr": "route-map to_switches_ipv4 permit 5\n match ip address prefix-list own_routes_ipv4\n set ip next-hop peer-address\n",
}


def rendered(daemon: str, version: str, device: str) -> str:
    """The configuration of a device that has all of ROUTES."""
    can = capabilities_of(daemon, version)
    assert can is not None
    return render_for(can, replace(INTENT.device(device), routes=ROUTES), templates=TEMPLATES)[0].text


@pytest.mark.parametrize("device", ["h1.pop2", "sw1.pop2"])
@pytest.mark.parametrize(("daemon", "version"), [("bird", "2.0.12"), ("frr", "8.4.4"), ("frr", "10.3")])
def test_routes_are_written(tmp_path: Path, daemon: str, version: str, device: str) -> None:
    """By prefix, each kind in the daemon's words, which the daemon itself takes without one of its own."""
    text = rendered(daemon, version, device)
    assert COMMON[daemon] in text
    assert IPV6[daemon] in text
    assert (ANNOUNCED[daemon] in text) == (device == "h1.pop2")  # switches tell nobody
    path = tmp_path / "sealed.conf"
    path.write_text(seal(text, lambda _: "a-secret", daemon=daemon))
    done = subprocess.run([*CHECKS[daemon], str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["", "eth0'; x", "a b", "x" * 16, "eth\n0"])
def test_interfaces_that_bird_cannot_write(name: str) -> None:
    """Quotes and blanks would end the symbol."""
    with pytest.raises(RenderError, match="expected an interface"):
        bird_interface(name)
