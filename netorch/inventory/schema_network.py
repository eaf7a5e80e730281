"""The keys of network.yml, and of providers.yml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from netorch.inventory.fields import (
    Asn,
    Description,
    FilePath,
    Flag,
    Name,
    PluginName,
    Prefix,
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
from netorch.inventory.schema_actions import ActionKeys
from netorch.inventory.schema_sources import IrrOfProvider, RegistriesKeys, RpkiKeys
from netorch.model.inventory import DAEMONS, Pki
from netorch.model.policy import LIMIT_ACTIONS, RELATIONS, Policy
from netorch.model.sessions import BfdTimers

DEFAULT_PLUGINS = ("drain", "arp_mirror", "describe", "routes")


MAX_PREFIXES = 10_000_000


_POLICY = Policy()


_PKI = Pki(folder="")


_BFD = BfdTimers()


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
    never_accept: list[Prefix] = Field(
        default=[],
        description="prefixes that nobody may announce to us, with what is inside, such as the LANs of exchanges; networks of "
        "circuits and fabrics are refused without being listed",
        examples=[["80.249.208.0/21"]],
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
