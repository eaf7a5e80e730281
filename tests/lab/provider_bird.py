"""Providers for tests: BIRD with a configuration of its own, which announces good routes and bad ones."""

from __future__ import annotations

from netorch.model.inventory import Inventory
from netorch.model.types import Family

COMMON = {Family.IPV4: "20.100.0.0/16", Family.IPV6: "2a00:100::/32"}
"""Announced by all providers with paths of one length."""

SHUT_DOWN = {Family.IPV4: "20.101.0.0/16", Family.IPV6: "2a00:101::/32"}
"""Announced by all providers; northtel tags it with the graceful-shutdown community."""

STOLEN = {Family.IPV4: "20.102.0.0/16", Family.IPV6: "2a00:102::/32"}
"""Announced by northtel alone, with meadow's large community."""

BAD = {
    Family.IPV4: {
        "0.0.0.0/0": "",
        "10.7.0.0/16": "",
        "100.64.3.0/24": "",
        "192.0.2.128/25": "",
        "198.51.100.0/24": "",
        "20.200.0.0/25": "",
        "20.200.1.1/32": "",
        "16.0.0.0/7": "",
        "20.201.0.0/16": "bgp_path.prepend(3333); " * 64,
        "20.202.0.0/16": "bgp_path.prepend(64512);",
        "20.203.0.0/16": "bgp_path.prepend(23456);",
    },
    Family.IPV6: {
        "::/0": "",
        "2001:db8:7::/48": "",
        "2001:db8:2::/48": "",
        "2001:db8:1:8000::/49": "",
        "2002:a00::/24": "",
        "fd00:5::/32": "",
        "4000::/16": "",
        "2a00:200::/49": "",
        "2a00:200:1::1/128": "",
        "2a00::/12": "",
        "2a00:201::/32": "bgp_path.prepend(3333); " * 64,
        "2a00:202::/32": "bgp_path.prepend(4200000000);",
        "2a00:203::/32": "bgp_path.prepend(23456);",
    },
}
"""What must be refused of everybody: prefix to what its announcement adds."""

FOREIGN_NEXT_HOP = {Family.IPV4: "20.204.0.0/16", Family.IPV6: "2a00:204::/32"}
"""Announced with a next hop that is not the provider's."""


def good_routes(inventory: Inventory, provider: str, family: Family) -> dict[str, str]:
    """What ``provider`` announces and must be accepted: prefix to what its announcement adds."""
    number = inventory.provider(provider).id
    own = f"20.{number}.0.0/16" if family is Family.IPV4 else f"2a00:{number}::/32"
    longest = f"20.{number + 50}.7.0/24" if family is Family.IPV4 else f"2a00:{number + 50}:7::/48"
    long_path = f"20.{number + 60}.0.0/16" if family is Family.IPV4 else f"2a00:{number + 60}::/32"
    routes = {
        own: "",
        longest: "",
        COMMON[family]: "",
        SHUT_DOWN[family]: "",
        long_path: "bgp_path.prepend(3333); " * 62,
    }
    if provider == "northtel":
        routes[SHUT_DOWN[family]] = "bgp_community.add((65535, 0));"
        routes[STOLEN[family]] = "bgp_large_community.add((64500, 1, 3));"
    return routes


def provider_configuration(inventory: Inventory, provider: str, password: str) -> str:
    """The whole configuration of the BIRD that plays ``provider``."""
    asn = inventory.provider(provider).asn
    number = inventory.provider(provider).id
    blocks = [f"log stderr all;\nrouter id 20.{number}.0.1;\nprotocol device {{ }}\nprotocol direct {{ ipv4; ipv6; }}"]
    for family in Family:
        routes = {**good_routes(inventory, provider, family), **BAD[family], FOREIGN_NEXT_HOP[family]: ""}
        lines = "\n".join(
            f"    route {prefix} blackhole {{ bgp_path.prepend(3000); {extra} }};" for prefix, extra in routes.items()
        )
        blocks.append(f"protocol static announced{family.number} {{\n    {family.value};\n{lines}\n}}")
        blocks.append(
            f"protocol kernel kernel{family.number} {{ {family.value} {{ export where source = RTS_BGP; }}; }}"
        )
    for circuit in inventory.pop("pop1").circuits:
        if circuit.provider == provider:
            blocks += [_session(inventory, circuit.id, family, asn=asn, password=password) for family in Family]
    return "\n".join(blocks) + "\n"


def _session(inventory: Inventory, circuit_id: int, family: Family, *, asn: int, password: str) -> str:
    circuit = next(circuit for circuit in inventory.circuits if circuit.id == circuit_id)
    addresses = circuit.addresses(family)
    assert addresses is not None
    secret = f'password "{password}";' if circuit.password else ""
    foreign = addresses.neighbor + 100
    return f"""
protocol bgp c{circuit_id}_v{family.number} {{
    local {addresses.neighbor} as {asn};
    neighbor {addresses.local.ip} as {inventory.asn};
    {secret}
    connect delay time 1;
    connect retry time 2;
    error wait time 1, 2;
    {family.value} {{
        import all;
        export filter {{
            if source != RTS_STATIC then reject;
            if net = {FOREIGN_NEXT_HOP[family]} then bgp_next_hop = {foreign};
            accept;
        }};
    }};
}}"""
