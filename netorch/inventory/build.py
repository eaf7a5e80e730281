"""Checked files -> the model that the rest of netorch works with."""

from __future__ import annotations

import posixpath

from netorch.inventory.schema_lab import SpeakerKeys, StationKeys
from netorch.inventory.schema_network import (
    BfdTimerKeys,
    NetworkFile,
    OverLimitKeys,
    PkiKeys,
    PolicyKeys,
    ProviderKeys,
    SshKeys,
)
from netorch.inventory.schema_pops import (
    CircuitIpv4,
    CircuitIpv6,
    CircuitKeys,
    HostKeys,
    RouterInterfaceKeys,
    RouterKeys,
    SwitchKeys,
)
from netorch.inventory.schema_sources import LabValidatorKeys, RegistriesKeys, RoaKeys, RpkiKeys
from netorch.inventory.tree import Site, Tree, router_id
from netorch.model.bogons import TRANSIT_FREE
from netorch.model.inventory import (
    Action,
    Circuit,
    CircuitAddresses,
    Host,
    Interface,
    Inventory,
    Link,
    Pki,
    PluginSettings,
    Pop,
    Port,
    Provider,
    Router,
    ServicePrefix,
    Ssh,
    Switch,
    Underlay,
    Uplink,
)
from netorch.model.lab import LabSpeaker, LabStation, LabValidator, Roa
from netorch.model.policy import Guards, Limits, OverLimit, Policy, Tolerance
from netorch.model.sessions import AoKey, Bfd, BfdTimers
from netorch.model.sources import AsSet, Irr, PeeringDb, Registries, Rpki, Validator
from netorch.model.types import Family


def build_inventory(tree: Tree, *, folder: str, commit: str) -> Inventory:
    """The Inventory of a tree that passed every check."""
    network = tree.network
    return Inventory(
        folder=folder,
        name=network.name,
        asn=network.asn,
        policy=_policy(network.policy),
        own_prefixes=tuple(network.own_prefixes),
        providers=tuple(_provider(provider) for provider in tree.providers.providers),
        pops=tuple(_pop(site, network, folder=folder) for site in tree.sites),
        plugins=tuple(
            PluginSettings(plugin.name, plugin.settings, _absolute(plugin.path, folder)) for plugin in network.plugins
        ),
        lab=tuple(_speaker(speaker) for speaker in tree.lab.speakers),
        templates=_absolute(network.templates, folder),
        commit=commit,
        audit=_absolute(network.audit, folder),
        pki=_pki(network.pki, folder),
        bfd=Bfd(_timers(network.bfd.fabric), _timers(network.bfd.providers)),
        stations=tuple(_station(station) for station in tree.lab.stations),
        validators=tuple(_lab_validator(keys) for keys in tree.lab.validators),
        registries=_registries(network.registries, folder),
    )


def _absolute(path: str | None, folder: str) -> str | None:
    return None if path is None else posixpath.normpath(posixpath.join(folder, path))


def _pki(pki: PkiKeys | None, folder: str) -> Pki | None:
    return None if pki is None else Pki(_absolute(pki.folder, folder) or "", pki.life_days)


def _timers(timers: BfdTimerKeys) -> BfdTimers:
    return BfdTimers(timers.interval_ms, timers.multiplier)


def _policy(policy: PolicyKeys) -> Policy:
    return Policy(
        ipv4=Limits(policy.ipv4.max_prefixes, policy.ipv4.min_length, policy.ipv4.max_length),
        ipv6=Limits(policy.ipv6.max_prefixes, policy.ipv6.min_length, policy.ipv6.max_length),
        max_path_length=policy.max_path_length,
        local_preference=policy.local_preference.model_dump(),
        never_via=tuple(TRANSIT_FREE if policy.never_via is None else policy.never_via),
        never_accept=tuple(policy.never_accept),
        over_limit=_over_limit(policy.over_limit),
        keep_refused=policy.keep_refused,
        guards=Guards(policy.guards.removals_percent, policy.guards.capacity_percent),
        tolerance=Tolerance(policy.tolerance.prefix_drop_percent, policy.tolerance.fib_drop_percent),
        keep_generations=policy.keep_generations,
    )


def _over_limit(keys: OverLimitKeys) -> OverLimit:
    return OverLimit(keys.action, keys.retry_minutes)


def _provider(provider: ProviderKeys) -> Provider:
    counts = {Family.IPV4: provider.max_prefixes.ipv4, Family.IPV6: provider.max_prefixes.ipv6}
    return Provider(
        name=provider.name,
        id=provider.id,
        asn=provider.asn,
        relation=provider.relation,
        description=provider.description,
        local_preference=provider.local_preference,
        max_prefixes={family: count for family, count in counts.items() if count is not None},
        irr=None if provider.irr is None else AsSet(provider.irr.as_set, provider.irr.longer_prefixes),
        peeringdb=provider.peeringdb,
        prefixes=tuple(provider.prefixes),
        never_via=None if provider.never_via is None else tuple(provider.never_via),
        over_limit=None if provider.over_limit is None else _over_limit(provider.over_limit),
        default_route=provider.default_route,
        blackhole=provider.blackhole,
        role=provider.role,
        actions=tuple(
            Action(action.name, action.community, action.large_community, action.description)
            for action in provider.actions
        ),
    )


def _rpki(keys: RpkiKeys | None) -> Rpki:
    if keys is None:
        return Rpki()
    validators = tuple(Validator(each.name, each.address, each.port) for each in keys.validators)
    return Rpki(validators, keys.refresh_s, keys.retry_s, keys.expire_s, keys.drop_percent)


def _registries(keys: RegistriesKeys, folder: str) -> Registries:
    irr, peeringdb = keys.irr, keys.peeringdb
    return Registries(
        folder=_absolute(keys.folder, folder) or "",
        irr=None if irr is None else Irr(irr.server, irr.port, tuple(irr.sources)),
        peeringdb=None if peeringdb is None else PeeringDb(peeringdb.url, peeringdb.margin_percent),
        max_age_days=keys.max_age_days,
        max_change_percent=keys.max_change_percent,
        free_changes=keys.free_changes,
        timeout_s=keys.timeout_s,
        parallel=keys.parallel,
    )


def _lab_validator(keys: LabValidatorKeys) -> LabValidator:
    return LabValidator(keys.name, tuple(map(_roa, keys.roas)), keys.refresh_s, keys.retry_s, keys.expire_s)


def _roa(keys: RoaKeys) -> Roa:
    return Roa(keys.prefix, keys.max_length or keys.prefix.prefixlen, keys.asn)


def _speaker(speaker: SpeakerKeys) -> LabSpeaker:
    return LabSpeaker(**speaker.model_dump())


def _station(station: StationKeys) -> LabStation:
    return LabStation(station.name, station.router, station.interface, station.ipv4, station.ipv6)


def _pop(site: Site, network: NetworkFile, *, folder: str) -> Pop:
    keys = site.keys
    return Pop(
        name=site.name,
        description=keys.description,
        switches=tuple(_switch(switch, site, network, folder=folder) for switch in keys.switches),
        hosts=tuple(_host(host, site, network, folder=folder) for host in keys.hosts),
        circuits=tuple(_circuit(circuit, site) for circuit in keys.circuits),
        prefixes=tuple(
            ServicePrefix(service.prefix, tuple(site.full_name(host) for host in service.originators))
            for service in keys.prefixes
        ),
        maintenance=tuple(keys.maintenance),
        rpki=_rpki(network.rpki if keys.rpki is None else keys.rpki),
        routers=tuple(_router(router, site, network, folder=folder) for router in keys.routers),
    )


def _ssh(ssh: SshKeys, network: NetworkFile, *, folder: str) -> Ssh:
    defaults = network.ssh
    return Ssh(
        address=ssh.address,
        port=ssh.port or defaults.port,
        user=ssh.user or defaults.user,
        known_hosts=_absolute(ssh.known_hosts or defaults.known_hosts, folder),
        identity=_absolute(ssh.identity or defaults.identity, folder),
        proxy_jump=ssh.proxy_jump or defaults.proxy_jump,
    )


def _switch(switch: SwitchKeys, site: Site, network: NetworkFile, *, folder: str) -> Switch:
    return Switch(
        name=site.full_name(switch.name),
        pop=site.name,
        ssh=_ssh(switch.ssh, network, folder=folder),
        router_id=router_id(switch) or "",
        daemon=switch.daemon or network.defaults.daemon,
        version=switch.version or network.defaults.version,
        fabric=switch.fabric.interface,
        fabric_ipv4=switch.fabric.ipv4,
        fabric_ipv6=switch.fabric.ipv6,
        ports=tuple(Port(port.name, port.description) for port in switch.ports),
        default_route_via=switch.default_route_via,
        maintenance=tuple(switch.maintenance),
    )


def _host(host: HostKeys, site: Site, network: NetworkFile, *, folder: str) -> Host:
    return Host(
        name=site.full_name(host.name),
        pop=site.name,
        ssh=_ssh(host.ssh, network, folder=folder),
        router_id=router_id(host) or "",
        daemon=host.daemon or network.defaults.daemon,
        version=host.version or network.defaults.version,
        uplinks=tuple(
            Uplink(uplink.interface, site.full_name(uplink.switch), uplink.port, uplink.ipv4, uplink.ipv6)
            for uplink in host.uplinks
        ),
        service=tuple(host.service),
        maintenance=tuple(host.maintenance),
    )


def _router(router: RouterKeys, site: Site, network: NetworkFile, *, folder: str) -> Router:
    return Router(
        name=site.full_name(router.name),
        pop=site.name,
        ssh=_ssh(router.ssh, network, folder=folder),
        router_id=router_id(router) or "",
        daemon=router.daemon or network.defaults.daemon,
        version=router.version or network.defaults.version,
        interfaces=tuple(_interface(interface, site) for interface in router.interfaces),
        underlay=Underlay(router.underlay.protocol, router.underlay.area or 0),
        asn=router.asn,
        maintenance=tuple(router.maintenance),
    )


def _interface(interface: RouterInterfaceKeys, site: Site) -> Interface:
    link = interface.link
    return Interface(
        name=interface.name,
        ipv4=interface.ipv4,
        ipv6=interface.ipv6,
        link=None if link is None else Link(site.full_name(link.router), link.interface),
        cost=interface.cost,
    )


def _circuit(circuit: CircuitKeys, site: Site) -> Circuit:
    return Circuit(
        id=circuit.id,
        name=circuit.name,
        provider=circuit.provider,
        switch=site.full_name(circuit.switch),
        port=circuit.port,
        vlan=circuit.vlan,
        ipv4=_addresses(circuit.ipv4),
        ipv6=_addresses(circuit.ipv6),
        password=circuit.password,
        macs=tuple(circuit.macs),
        bfd=circuit.bfd,
        gtsm=circuit.gtsm,
        keys=tuple(AoKey(key.id, key.secret, key.algorithm, key.use or "") for key in circuit.keys),
        capacity_bps=circuit.capacity or 0,
        description=circuit.description,
    )


def _addresses(addresses: CircuitIpv4 | CircuitIpv6 | None) -> CircuitAddresses | None:
    return None if addresses is None else CircuitAddresses(addresses.local, addresses.neighbor)
