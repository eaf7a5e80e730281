"""The keys that the inventory's files may have. docs/inventory.md and ``netorch schema`` come from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from netorch.inventory.fields import (
    AnyAddress,
    Asn,
    Capacity,
    CircuitName,
    Description,
    FilePath,
    Flag,
    InterfaceName,
    Ipv4,
    Ipv4WithLength,
    Ipv6,
    Ipv6WithLength,
    LinkEnd,
    MacAddress,
    Name,
    PluginName,
    Prefix,
    RouterId,
    RouterName,
    SshHost,
    SshJump,
    SshUser,
    Version,
    choice,
    decimal,
    text_of,
    whole,
)
from netorch.inventory.keys import Keys
from netorch.inventory.references import Secret
from netorch.inventory.schema_actions import ActionKeys
from netorch.inventory.schema_sources import IrrOfProvider, LabValidatorKeys, RegistriesKeys, RpkiKeys
from netorch.inventory.windows import WindowOfTime
from netorch.model.inventory import (
    AO_ALGORITHMS,
    DAEMONS,
    LIMIT_ACTIONS,
    RELATIONS,
    UNDERLAYS,
    BfdTimers,
    LabSpeaker,
    Pki,
    Policy,
)

DEFAULT_PLUGINS = ("drain", "arp_mirror", "describe", "routes")
MAX_PREFIXES = 10_000_000
SPEAKERS = ("bird", "exabgp", "gobgp")

_POLICY = Policy()
_LAB = LabSpeaker(provider="")
_PKI = Pki(folder="")
_BFD = BfdTimers()
_Item = TypeVar("_Item")


def _named(value: Any) -> Any:
    """A name alone stands for a mapping that has nothing else."""
    return {"name": value} if isinstance(value, str) else value


def _folder(value: Any) -> Any:
    """A path alone stands for a mapping that has nothing else."""
    return {"folder": value} if isinstance(value, str) else value


def _plain_text(value: Any) -> Any:
    """Settings of plugins are free, but text in them holds no control characters either."""
    if isinstance(value, str):
        text_of(value, "text")
    elif isinstance(value, dict):
        for key, below in value.items():
            text_of(key, "text")
            _plain_text(below)
    elif isinstance(value, list):
        for below in value:
            _plain_text(below)
    return value


class SshDefaults(Keys):
    user: SshUser | None = Field(default=None, description="who to log in as", examples=["root"])
    port: Annotated[int, whole(1, 65535)] | None = Field(default=None, description="TCP port", examples=[22])
    identity: FilePath | None = Field(default=None, description="private key, relative to the inventory folder")
    known_hosts: FilePath | None = Field(default=None, description="host keys, relative to the inventory folder")
    proxy_jump: SshJump | None = Field(
        default=None, description="jump hosts on the way", examples=["ops@bastion.example.net"]
    )


class SshKeys(SshDefaults):
    address: SshHost = Field(description="where sshd listens", examples=["198.18.1.1"])


class DeviceDefaults(Keys):
    daemon: Annotated[Literal["bird", "frr"], choice(DAEMONS)] = Field(default="bird", description="the routing daemon")
    version: Version = Field(default="2.0.12", description="the daemon's version", examples=["2.0.12"])


class Ipv4Limits(Keys):
    max_prefixes: Annotated[int, whole(1, MAX_PREFIXES)] = Field(
        default=_POLICY.ipv4.max_prefixes, description="a session with more accepted routes is closed"
    )
    min_length: Annotated[int, whole(0, 32)] = Field(
        default=_POLICY.ipv4.min_length, description="the shortest prefix length accepted"
    )
    max_length: Annotated[int, whole(0, 32)] = Field(
        default=_POLICY.ipv4.max_length, description="the longest prefix length accepted"
    )


class Ipv6Limits(Keys):
    max_prefixes: Annotated[int, whole(1, MAX_PREFIXES)] = Field(
        default=_POLICY.ipv6.max_prefixes, description="a session with more accepted routes is closed"
    )
    min_length: Annotated[int, whole(0, 128)] = Field(
        default=_POLICY.ipv6.min_length, description="the shortest prefix length accepted"
    )
    max_length: Annotated[int, whole(0, 128)] = Field(
        default=_POLICY.ipv6.max_length, description="the longest prefix length accepted"
    )


LocalPreference = Annotated[int, whole(1, 4294967295)]


class LocalPreferenceKeys(Keys):
    customer: LocalPreference = Field(default=_POLICY.local_preference["customer"], description="routes of customers")
    peer: LocalPreference = Field(default=_POLICY.local_preference["peer"], description="routes of peers")
    ixp: LocalPreference = Field(default=_POLICY.local_preference["ixp"], description="routes learned at exchanges")
    transit: LocalPreference = Field(
        default=_POLICY.local_preference["transit"], description="routes of transit providers"
    )


Percent = Annotated[float, decimal(0, 100)]


class OverLimitKeys(Keys):
    action: Annotated[Literal["disable", "restart"], choice(LIMIT_ACTIONS)] = Field(
        default="disable", description="closed until somebody opens it, or tried again by itself"
    )
    retry_minutes: Annotated[int, whole(1, 1440)] = Field(
        default=_POLICY.over_limit.retry_minutes, description="after how long `restart` tries again"
    )


class GuardKeys(Keys):
    removals_percent: Percent = Field(
        default=_POLICY.guards.removals_percent,
        description="how many of a POP's provider sessions, or of the own prefixes that it announces, may go at once",
    )
    capacity_percent: Percent = Field(
        default=_POLICY.guards.capacity_percent,
        description="how much of the capacity of a POP's circuits must stay in service",
    )


class ToleranceKeys(Keys):
    prefix_drop_percent: Percent = Field(
        default=_POLICY.tolerance.prefix_drop_percent,
        description="how many of the prefixes that a session accepts it may lose over a deploy",
    )
    fib_drop_percent: Percent = Field(
        default=_POLICY.tolerance.fib_drop_percent,
        description="how many of the routes in its main table a host may lose over a deploy",
    )


class PolicyKeys(Keys):
    ipv4: Ipv4Limits = Field(default=Ipv4Limits(), description="what is accepted of IPv4")
    ipv6: Ipv6Limits = Field(default=Ipv6Limits(), description="what is accepted of IPv6")
    max_path_length: Annotated[int, whole(1, 255)] = Field(
        default=_POLICY.max_path_length, description="the longest AS path accepted"
    )
    local_preference: LocalPreferenceKeys = Field(
        default=LocalPreferenceKeys(), description="by relation; the highest wins"
    )
    never_via: list[Asn] | None = Field(
        default=None,
        description="networks that cannot be behind a peer, a customer or an exchange; docs/policy.md has the default",
        examples=[[174, 1299]],
    )
    over_limit: OverLimitKeys = Field(
        default=OverLimitKeys(), description="what becomes of a session with more prefixes than are accepted"
    )
    keep_refused: Flag = Field(
        default=_POLICY.keep_refused, description="switches keep refused routes apart, for `netorch rejected`"
    )
    guards: GuardKeys = Field(default=GuardKeys(), description="what a change may not go beyond without an override")
    tolerance: ToleranceKeys = Field(default=ToleranceKeys(), description="what may be lost over a deploy")
    keep_generations: Annotated[int, whole(2, 1000)] = Field(
        default=_POLICY.keep_generations, description="how many generations each device keeps, the present one included"
    )


class PluginKeys(Keys):
    name: PluginName = Field(description="the plugin's name", examples=["drain"])
    path: FilePath | None = Field(
        default=None,
        description="folder of a plugin that is neither shipped nor installed, relative to the inventory folder",
    )
    settings: Annotated[dict[str, Any], BeforeValidator(_plain_text)] = Field(
        default={}, description="the plugin's own settings; its README lists them"
    )


class BfdTimerKeys(Keys):
    interval_ms: Annotated[int, whole(10, 60_000)] = Field(
        default=_BFD.interval_ms, description="how often a packet is sent, and expected, in milliseconds"
    )
    multiplier: Annotated[int, whole(2, 50)] = Field(
        default=_BFD.multiplier, description="after how many missing packets the neighbour is down"
    )


class BfdKeys(Keys):
    fabric: BfdTimerKeys = Field(default=BfdTimerKeys(), description="between switches and hosts, where it always runs")
    providers: BfdTimerKeys = Field(
        default=BfdTimerKeys(), description="with providers, on circuits that have `bfd: true`"
    )


class PkiKeys(Keys):
    folder: FilePath = Field(
        description="the authority's folder, relative to the inventory folder", examples=["../pki"]
    )
    life_days: Annotated[float, decimal(0.01, 825)] = Field(
        default=_PKI.life_days, description="how long a certificate is good; a new one is issued after two thirds of it"
    )


class AcceptedKeys(Keys):
    rule: Description = Field(description="the rule's name (docs/lint.md)", examples=["single-originator"])
    of: Description | None = Field(
        default=None,
        description="the provider, circuit, switch (full name), POP or prefix that it is about; all where left out",
        examples=["pop1"],
    )
    reason: Description = Field(description="why it is meant to be so, for those who read it next")


class NetworkFile(Keys):
    name: Name = Field(description="the network's name", examples=["example"])
    asn: Asn = Field(description="our AS number", examples=[64500])
    own_prefixes: list[Prefix] = Field(
        default=[],
        description="everything that is ours: nothing else is announced, and nobody may announce these to us; "
        "required where a POP has switches",
        examples=[["192.0.2.0/24", "2001:db8:1::/48"]],
    )
    ssh: SshDefaults = Field(default=SshDefaults(), description="how devices are reached; a device's own ssh keys win")
    defaults: DeviceDefaults = Field(default=DeviceDefaults(), description="of devices that do not say otherwise")
    policy: PolicyKeys = Field(
        default=PolicyKeys(), description="what is accepted of providers, and what a deploy may do"
    )
    bfd: BfdKeys = Field(default=BfdKeys(), description="how soon a neighbour that died is noticed (RFC 5880)")
    plugins: list[Annotated[PluginKeys, BeforeValidator(_named, json_schema_input_type=PluginName | PluginKeys)]] = (
        Field(
            default=[PluginKeys(name=name) for name in DEFAULT_PLUGINS],
            description="the plugins to use, in this order; a name alone, or a mapping",
        )
    )
    templates: FilePath | None = Field(
        default=None, description="folder of templates that override netorch's own, relative to the inventory folder"
    )
    audit: FilePath | None = Field(
        default=None,
        description="file of the audit log, relative to the inventory folder; docs/deploy.md tells the default",
    )
    lint: list[AcceptedKeys] = Field(default=[], description="what `netorch lint` finds and is to accept")
    pki: Annotated[PkiKeys, BeforeValidator(_folder, json_schema_input_type=FilePath | PkiKeys)] | None = Field(
        default=None,
        description="the folder of netorch's certificate authority, or a mapping; with it the mirror's agents run (docs/pki.md)",
        examples=["../pki"],
    )
    rpki: RpkiKeys | None = Field(default=None, description="validators of route origins (docs/rpki.md)")
    registries: RegistriesKeys = Field(
        default=RegistriesKeys(), description="registries of routes, and PeeringDB (docs/irr.md)"
    )


class FamilyCounts(Keys):
    ipv4: Annotated[int, whole(1, MAX_PREFIXES)] | None = Field(default=None, description="IPv4 prefixes")
    ipv6: Annotated[int, whole(1, MAX_PREFIXES)] | None = Field(default=None, description="IPv6 prefixes")


class ProviderKeys(Keys):
    name: Name = Field(description="the provider's name, unique", examples=["northtel"])
    id: Annotated[int, whole(1, 999)] = Field(
        description="unique; goes into communities, and is mark and table on hosts (1000 + id)", examples=[1]
    )
    asn: Asn = Field(description="the provider's AS number", examples=[64496])
    relation: Annotated[Literal["transit", "peer", "customer", "ixp"], choice(RELATIONS)] = Field(
        description="what the provider is to us", examples=["transit"]
    )
    description: Description = Field(default="", description="free text")
    local_preference: LocalPreference | None = Field(default=None, description="instead of the relation's")
    max_prefixes: FamilyCounts = Field(default=FamilyCounts(), description="instead of the policy's")
    irr: IrrOfProvider | None = Field(
        default=None, description="its AS-SET, or a mapping: it may announce what is registered there, and no more"
    )
    peeringdb: Flag = Field(
        default=False, description="max_prefixes from what it says of itself there, where it is not set here"
    )
    over_limit: OverLimitKeys | None = Field(default=None, description="instead of the policy's")
    prefixes: list[Prefix] = Field(
        default=[], description="all that it may announce, with what is inside; no such list where left out"
    )
    never_via: list[Asn] | None = Field(
        default=None, description="instead of the policy's, of whatever relation; `[]` for no such network"
    )
    default_route: Flag = Field(
        default=False, description="a customer that is sent the default route of its switches (`default_route_via`)"
    )
    blackhole: Flag = Field(
        default=False, description="a customer that may have single addresses of its `prefixes` dropped (RFC 7999)"
    )
    role: Flag = Field(default=True, description="sessions tell what we are to it (RFC 9234)")
    actions: list[ActionKeys] = Field(
        default=[], description="communities that it acts upon, by names for `netorch announce --action`"
    )


class ProvidersFile(Keys):
    providers: list[ProviderKeys] = Field(default=[], description="the networks that we buy from, peer with or sell to")


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


class SpeakerKeys(Keys):
    provider: Name = Field(description="a provider of providers.yml", examples=["northtel"])
    speaker: Annotated[Literal["bird", "exabgp", "gobgp"], choice(SPEAKERS)] = Field(
        default="bird", description="the program that plays it"
    )
    prefixes_ipv4: Annotated[int, whole(0, 1_000_000)] = Field(
        default=_LAB.prefixes_ipv4, description="IPv4 prefixes announced"
    )
    prefixes_ipv6: Annotated[int, whole(0, 1_000_000)] = Field(
        default=_LAB.prefixes_ipv6, description="IPv6 prefixes announced"
    )
    delay_ms: Annotated[float, decimal(0, 10_000)] = Field(
        default=_LAB.delay_ms, description="one way, in milliseconds"
    )
    jitter_ms: Annotated[float, decimal(0, 10_000)] = Field(
        default=_LAB.jitter_ms, description="added at random, up to this"
    )
    loss_percent: Annotated[float, decimal(0, 100)] = Field(
        default=_LAB.loss_percent, description="of packets that arrive on it"
    )


class StationKeys(Keys):
    name: Name = Field(description="unique in the lab", examples=["a"])
    router: RouterName = Field(description="the full name of the router at whose LAN it is", examples=["r1.site1"])
    interface: InterfaceName = Field(description="the router's interface to that LAN", examples=["lan0"])
    ipv4: Ipv4WithLength | None = Field(
        default=None, description="in the LAN's subnet; at least one family is needed", examples=["172.16.10.10/24"]
    )
    ipv6: Ipv6WithLength | None = Field(
        default=None, description="in the LAN's subnet; at least one family is needed", examples=["fd00:172:10::10/64"]
    )


class LabFile(Keys):
    speakers: list[SpeakerKeys] = Field(
        default=[], description="how the lab plays providers; those left out get the defaults"
    )
    stations: list[StationKeys] = Field(
        default=[], description="ordinary machines at routers' LANs, with the router as their default gateway"
    )
    validators: list[LabValidatorKeys] = Field(default=[], description="the lists that validators have")


FILES: dict[str, type[Keys]] = {"network": NetworkFile, "providers": ProvidersFile, "pop": PopFile, "lab": LabFile}


class _SchemaWriter(GenerateJsonSchema):
    """Titles come from the types alone, not from the names of fields and classes."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of all files: ``#/$defs/network``, ``providers``, ``pop`` and ``lab``, one for each kind."""
    references, definitions = models_json_schema(
        [(keys, "validation") for keys in FILES.values()], schema_generator=_SchemaWriter
    )
    defs: dict[str, Any] = {name: {"$ref": references[keys, "validation"]["$ref"]} for name, keys in FILES.items()}
    for name, definition in definitions["$defs"].items():
        definition.pop("title", None)
        defs[name] = definition
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netorch inventory: network.yml, providers.yml, pops/NAME.yml, lab.yml",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in FILES],
        "$defs": defs,
    }
