"""The keys of a POP: its devices, circuits and prefixes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from netorch.inventory.fields import (
    AnyAddress,
    Asn,
    Capacity,
    CircuitName,
    Description,
    Flag,
    InterfaceName,
    Ipv4,
    Ipv4WithLength,
    Ipv6,
    Ipv6WithLength,
    LinkEnd,
    MacAddress,
    Name,
    Prefix,
    RouterId,
    Version,
    choice,
    whole,
)
from netorch.inventory.keys import Keys
from netorch.inventory.references import Secret
from netorch.inventory.schema_network import SshKeys, _named
from netorch.inventory.schema_sources import RpkiKeys
from netorch.inventory.windows import WindowOfTime
from netorch.model.inventory import DAEMONS, UNDERLAYS
from netorch.model.sessions import AO_ALGORITHMS

Maintenance = Annotated[
    list[WindowOfTime],
    Field(default=[], description="windows during which `netorch run` leaves it alone and says nothing"),
]


class PortKeys(Keys):
    name: InterfaceName = Field(description="interface name", examples=["swp1"])
    description: Description = Field(default="", description="free text")


class FabricKeys(Keys):
    interface: InterfaceName = Field(
        description="the layer-3 interface that joins all ports (a bridge)", examples=["br0"]
    )
    ipv4: Ipv4WithLength = Field(description="its address towards the hosts", examples=["10.1.1.1/24"])
    ipv6: Ipv6WithLength = Field(description="its address towards the hosts", examples=["fd00:1:1::1/64"])


class DeviceKeys(Keys):
    name: Name = Field(description="unique in the POP; the full name is NAME.POP", examples=["sw1"])
    ssh: SshKeys = Field(description="how it is reached; adds to the network's ssh keys")
    daemon: Annotated[Literal["bird", "frr"], choice(DAEMONS)] | None = Field(
        default=None, description="instead of the network's default"
    )
    version: Version | None = Field(default=None, description="instead of the network's default")
    maintenance: Maintenance


class SwitchKeys(DeviceKeys):
    router_id: RouterId | None = Field(
        default=None, description="unique; the fabric's IPv4 address where left out", examples=["10.1.1.1"]
    )
    fabric: FabricKeys = Field(description="where hosts peer with it")
    ports: list[Annotated[PortKeys, BeforeValidator(_named, json_schema_input_type=InterfaceName | PortKeys)]] = Field(
        min_length=1, description="the ports that circuits and uplinks may use; a name alone, or a mapping"
    )
    default_route_via: Name | None = Field(
        default=None, description="a provider with a circuit here, to which the switch's own default route points"
    )


class UplinkKeys(Keys):
    interface: InterfaceName = Field(description="the host's interface", examples=["eth0"])
    switch: Name = Field(description="a switch of this POP; one uplink to each at most", examples=["sw1"])
    port: InterfaceName = Field(description="the switch's port", examples=["swp11"])
    ipv4: Ipv4WithLength = Field(description="in the switch's fabric subnet", examples=["10.1.1.11/24"])
    ipv6: Ipv6WithLength = Field(description="in the switch's fabric subnet", examples=["fd00:1:1::11/64"])


class HostKeys(DeviceKeys):
    router_id: RouterId | None = Field(
        default=None, description="unique; the first IPv4 service address where left out", examples=["192.0.2.11"]
    )
    service: list[AnyAddress] = Field(
        min_length=1,
        description="the host's own addresses, in the POP's prefixes, of every family that a circuit of the POP carries",
        examples=[["192.0.2.11", "2001:db8:1::11"]],
    )
    uplinks: list[UplinkKeys] = Field(min_length=1, description="its interfaces into switches")


class UnderlayKeys(Keys):
    protocol: Annotated[Literal["rip", "ospf", "bgp"], choice(UNDERLAYS)] = Field(
        description="what it tells its neighbours by; one for all routers that are linked", examples=["ospf"]
    )
    area: Annotated[int, whole(0, 4294967295)] | None = Field(
        default=None, description="OSPF's area, 0 where left out; one for all routers that are linked"
    )


class RouterInterfaceKeys(Keys):
    name: InterfaceName = Field(description="interface name", examples=["eth0"])
    ipv4: Ipv4WithLength | None = Field(default=None, description="its address", examples=["172.16.0.1/30"])
    ipv6: Ipv6WithLength | None = Field(default=None, description="its address", examples=["fd00:172::1/64"])
    link: LinkEnd | None = Field(
        default=None,
        description="the other end, ROUTER:INTERFACE of this POP, which must say the same; a LAN where left out",
        examples=["r2:eth0"],
    )
    cost: Annotated[int, whole(1, 65535)] | None = Field(
        default=None, description="OSPF's cost of sending here, 10 where left out"
    )


class RouterKeys(DeviceKeys):
    router_id: RouterId | None = Field(
        default=None,
        description="unique; the first IPv4 address of an interface where left out",
        examples=["172.16.0.1"],
    )
    asn: Asn | None = Field(
        default=None, description="its own AS number, with protocol bgp and only there", examples=[65101]
    )
    underlay: UnderlayKeys = Field(description="how it learns the way to others")
    interfaces: list[RouterInterfaceKeys] = Field(min_length=1, description="links to other routers, and LANs")


class CircuitIpv4(Keys):
    local: Ipv4WithLength = Field(description="our address on the switch", examples=["203.0.113.2/30"])
    neighbor: Ipv4 = Field(description="the provider's address, same subnet", examples=["203.0.113.1"])


class CircuitIpv6(Keys):
    local: Ipv6WithLength = Field(description="our address on the switch", examples=["2001:db8:c:1::2/64"])
    neighbor: Ipv6 = Field(description="the provider's address, same subnet", examples=["2001:db8:c:1::1"])


class AoKeyKeys(Keys):
    id: Annotated[int, whole(0, 255)] = Field(description="its number, the same at both ends", examples=[1])
    secret: Secret = Field(description="by reference (docs/secrets.md)", examples=["file:secrets/southnet-1"])
    algorithm: Annotated[Literal["hmac sha1", "cmac aes128", "hmac sha256"], choice(AO_ALGORITHMS)] = Field(
        default="hmac sha1", description="the same at both ends"
    )
    use: Annotated[Literal["preferred", "deprecated"], choice(("preferred", "deprecated"))] | None = Field(
        default=None, description="`preferred`: the neighbour is asked to use it; `deprecated`: it is to go"
    )


class CircuitKeys(Keys):
    id: Annotated[int, whole(1, 4294967295)] = Field(
        description="unique in the network; goes into communities", examples=[1]
    )
    name: CircuitName = Field(description="unique in the network", examples=["northtel-pop1-a"])
    provider: Name = Field(description="a provider of providers.yml", examples=["northtel"])
    switch: Name = Field(description="a switch of this POP", examples=["sw1"])
    port: InterfaceName = Field(description="the switch's port", examples=["swp1"])
    vlan: Annotated[int, whole(1, 4094)] | None = Field(
        default=None, description="the circuit's VLAN, untagged where left out"
    )
    ipv4: CircuitIpv4 | None = Field(default=None, description="IPv4; at least one family is needed")
    ipv6: CircuitIpv6 | None = Field(default=None, description="IPv6; at least one family is needed")
    password: Secret | None = Field(
        default=None,
        description="TCP MD5 password, by reference (docs/secrets.md)",
        examples=["env:SOUTHNET_PASSWORD"],
    )
    keys: list[AoKeyKeys] = Field(
        default=[],
        max_length=16,
        description="TCP-AO keys (RFC 5925) instead of a password, where the daemon can: they change without closing the session",
    )
    gtsm: Flag = Field(
        default=False, description="refuse packets that came over a router (RFC 5082); the provider must do so too"
    )
    macs: list[MacAddress] = Field(
        default=[],
        description="the MAC addresses that the provider's router may have; hosts send to no other, any where left out",
        examples=[["00:1b:17:00:01:10"]],
    )
    bfd: Flag = Field(default=False, description="run BFD with the provider, which must do so too")
    capacity: Capacity | None = Field(default=None, description="bits per second, with k, M, G or T", examples=["10G"])
    description: Description = Field(default="", description="free text")


class PrefixKeys(Keys):
    prefix: Prefix = Field(description="inside of own_prefixes", examples=["192.0.2.0/24"])
    originators: list[Name] = Field(
        min_length=1, description="hosts of this POP; announced while one of them has it", examples=[["h1", "h2"]]
    )


class PopFile(Keys):
    name: Name = Field(description="the POP's name, the file's without .yml", examples=["pop1"])
    description: Description = Field(default="", description="free text")
    switches: list[SwitchKeys] = Field(default=[], description="the switches")
    hosts: list[HostKeys] = Field(default=[], description="the hosts")
    routers: list[RouterKeys] = Field(default=[], description="the routers of the underlay (docs/underlay.md)")
    circuits: list[CircuitKeys] = Field(default=[], description="the providers' lines into switch ports")
    prefixes: list[PrefixKeys] = Field(default=[], description="what the POP announces to providers")
    maintenance: Maintenance
    rpki: RpkiKeys | None = Field(default=None, description="instead of the network's")
