"""Routes of programs on the example's second POP: what the tests ask for, and what the devices have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from netorch.lab import exec_in
from tests.lab.labs import Lab
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project

SWITCH, HOST, OTHER_HOST = "sw1.pop2", "h1.pop2", "h2.pop2"
DEVICES = (SWITCH, HOST, OTHER_HOST)
CONTROLLER = "198.19.255.254"  # the management network's end on the controller
NEIGHBOUR = "10.2.1.12"  # h2.pop2 on the fabric
EDGE = [
    {"prefix": "198.18.240.0/24", "via": NEIGHBOUR},
    {"prefix": "198.18.241.0/24", "type": "blackhole"},
    {"prefix": "2001:db8:f0::/48", "type": "unreachable"},
]
SINGLE = {"prefix": "198.51.100.70/32", "via": NEIGHBOUR, "announce": True}
WANTED = {"198.18.240.0/24": NEIGHBOUR, "198.18.241.0/24": "blackhole", "2001:db8:f0::/48": "unreachable"}


def set_routes(
    project: Project, owner: str, *targets: str, routes: list[Any], code: int = 0, options: str = ""
) -> Said:
    """``netorch routes set`` with a file of these routes."""
    path = project.folder / "routes.json"
    path.write_text("\n".join(map(json.dumps, routes)))
    return project("routes", "set", owner, *targets, "--file", str(path), *options.split(), code=code)


def listed(project: Project) -> list[Mapping[str, Any]]:
    """The rows of ``netorch routes list``."""
    rows: list[Mapping[str, Any]] = project("routes", "list", "-o", "json").document[0]["rows"]
    return rows


def kernel(lab: Lab, node: str) -> dict[str, str]:
    """What the main tables have of the prefixes that these tests use: type, or next hop, by prefix."""
    found: dict[str, str] = {}
    for family in ("-4", "-6"):
        done = exec_in(node, ("ip", "-j", family, "route", "show", "table", "main"), lab.settings)
        for route in json.loads(done.stdout or b"[]"):
            if route["dst"].startswith(("198.18.24", "198.51.100.7", "2001:db8:f")):
                found[str(ip_network(route["dst"]))] = route.get("gateway", route.get("type", "unicast"))
    return found


def known_to(lab: Lab, node: str) -> str:
    """Every prefix that a BIRD has, of any family and protocol."""
    return lab.run(node, "birdc", "show", "route")
