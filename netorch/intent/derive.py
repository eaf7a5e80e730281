"""Inventory to intent: which sessions, policies, tables, next hops and kernel settings each device is meant to have."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Iterator

from netorch.intent.excluded import excluded_networks
from netorch.intent.registered import irr_filter, max_prefixes
from netorch.intent.symbols import session_symbol
from netorch.intent.sysctls import host_sysctls, switch_sysctls
from netorch.intent.underlay import router_intent
from netorch.model.bogons import refused_asns
from netorch.model.capabilities import begins_bfd
from netorch.model.intent import (
    CIRCUIT_COMMUNITY,
    ORIGIN_RELATIONS,
    PROVIDER_COMMUNITY,
    PROVIDER_TABLE_BASE,
    RELATION_COMMUNITY,
    DeviceIntent,
    ExportPolicy,
    ImportPolicy,
    Intent,
    Interface,
    NextHop,
    ProviderTable,
    Session,
)
from netorch.model.inventory import Circuit, CircuitAddresses, Host, Inventory, Pop, Provider, Switch, Uplink
from netorch.model.types import Family, IPNetwork, family_of


def derive_intent(inventory: Inventory) -> Intent:
    """The intent of every device of every POP, in the inventory's order. Pure.

    Names of sessions are stable: they follow from provider and circuit id, or from the device at the other end. Descriptions
    and aliases are left empty; the plugin ``describe`` fills them in.
    """
    devices: list[DeviceIntent] = []
    for pop in inventory.pops:
        devices += [_switch_intent(inventory, pop, switch) for switch in pop.switches]
        devices += [_host_intent(inventory, pop, host) for host in pop.hosts]
        devices += [router_intent(inventory, pop, router) for router in pop.routers]
    settings = {plugin.name: dict(plugin.settings) for plugin in inventory.plugins}
    return Intent(
        asn=inventory.asn,
        devices=tuple(devices),
        settings=settings,
        providers=inventory.providers,
        circuits=inventory.circuits,
        certificates=inventory.pki is not None,
    )


def _switch_intent(inventory: Inventory, pop: Pop, switch: Switch) -> DeviceIntent:
    circuits = [circuit for circuit in pop.circuits if circuit.switch == switch.name]
    uplinks = [(host, uplink) for host in pop.hosts for uplink in host.uplinks if uplink.switch == switch.name]
    providers = tuple(_provider_sessions(inventory, switch, circuits))
    hosts = tuple(_host_sessions(inventory, switch, uplinks, taken={session.name for session in providers}))
    return DeviceIntent(
        name=switch.name,
        pop=pop.name,
        role="switch",
        daemon=switch.daemon,
        version=switch.version,
        asn=inventory.asn,
        router_id=switch.router_id,
        own_prefixes=inventory.own_prefixes,
        originated=tuple(service.prefix for service in pop.prefixes),
        service=tuple(address for host, _ in uplinks for address in host.service),
        sessions=(*providers, *hosts),
        interfaces=tuple(_switch_interfaces(switch, circuits, uplinks)),
        sysctls=switch_sysctls(switch, has_feed=inventory.pki is not None),
        default_route_via=switch.default_route_via,
        rpki=pop.rpki,
        excluded=excluded_networks(inventory, pop),
    )


def _host_intent(inventory: Inventory, pop: Pop, host: Host) -> DeviceIntent:
    return DeviceIntent(
        name=host.name,
        pop=pop.name,
        role="host",
        daemon=host.daemon,
        version=host.version,
        asn=inventory.asn,
        router_id=host.router_id,
        own_prefixes=inventory.own_prefixes,
        originated=tuple(service.prefix for service in pop.prefixes if host.name in service.originators),
        service=host.service,
        sessions=tuple(_switch_sessions(inventory, pop, host)),
        interfaces=tuple(Interface(uplink.interface, "uplink", uplink.switch) for uplink in host.uplinks),
        tables=_provider_tables(inventory, pop),
        next_hops=tuple(_next_hops(pop, host)),
        sysctls=host_sysctls(host),
    )


def _provider_sessions(inventory: Inventory, switch: Switch, circuits: Iterable[Circuit]) -> Iterator[Session]:
    for circuit, family, addresses in _carried(circuits):
        provider = inventory.provider(circuit.provider)
        yield Session(
            name=session_symbol(f"{provider.name}_{circuit.id}", family),
            kind="provider",
            peer=provider.name,
            family=family,
            peer_asn=provider.asn,
            local=addresses.local.ip,
            neighbor=addresses.neighbor,
            interface=switch.fabric,
            password=circuit.password,
            keys=circuit.keys,
            gtsm=circuit.gtsm,
            circuit=circuit.id,
            import_policy=_import_policy(inventory, circuit, family, pop=switch.pop),
            export_policy=ExportPolicy(default_route=provider.default_route),
            bfd=circuit.bfd,
            bfd_timers=inventory.bfd.providers,
        )


def _import_policy(inventory: Inventory, circuit: Circuit, family: Family, *, pop: str) -> ImportPolicy:
    provider, policy = inventory.provider(circuit.provider), inventory.policy
    limits = policy.limits(family)
    preference = provider.local_preference
    return ImportPolicy(
        limits=replace(limits, max_prefixes=max_prefixes(inventory, provider, family)),
        max_path_length=policy.max_path_length,
        local_preference=policy.local_preference[provider.relation] if preference is None else preference,
        large_communities=(
            (inventory.asn, PROVIDER_COMMUNITY, provider.id),
            (inventory.asn, CIRCUIT_COMMUNITY, circuit.id),
            (inventory.asn, RELATION_COMMUNITY, ORIGIN_RELATIONS[provider.relation]),
        ),
        relation=provider.relation,
        bogon_asns=refused_asns((inventory.asn, *(each.asn for each in inventory.providers))),
        never_via=_never_via(inventory, provider),
        prefixes=_prefixes(provider, family),
        over_limit=provider.over_limit or policy.over_limit,
        blackhole=provider.blackhole,
        keep_refused=policy.keep_refused,
        role=provider.role,
        irr=irr_filter(inventory, provider, family),
        rpki=bool(inventory.pop(pop).rpki.validators),
    )


def _prefixes(provider: Provider, family: Family) -> tuple[IPNetwork, ...] | None:
    """A list that has nothing of a family lets in nothing of it."""
    if not provider.prefixes:
        return None
    return tuple(prefix for prefix in provider.prefixes if family_of(prefix) is family)


def _never_via(inventory: Inventory, provider: Provider) -> tuple[int, ...]:
    """A transit provider may have any network behind it, and nobody is behind itself."""
    listed = provider.never_via
    if listed is None:
        listed = () if provider.relation == "transit" else inventory.policy.never_via
    return tuple(sorted({asn for asn in listed if asn != provider.asn}))


def _host_sessions(
    inventory: Inventory, switch: Switch, uplinks: Iterable[tuple[Host, Uplink]], *, taken: set[str]
) -> Iterator[Session]:
    for host, uplink in uplinks:
        for family in Family:
            name = session_symbol(_short_name(host.name, switch.pop), family, taken=taken)
            taken.add(name)
            yield Session(
                name=name,
                kind="host",
                peer=host.name,
                family=family,
                peer_asn=inventory.asn,
                local=switch.fabric_address(family).ip,
                neighbor=uplink.address(family).ip,
                interface=switch.fabric,
                bfd=True,
                bfd_first=begins_bfd((switch.daemon, switch.version), (host.daemon, host.version)),
                bfd_timers=inventory.bfd.fabric,
            )


def _switch_sessions(inventory: Inventory, pop: Pop, host: Host) -> Iterator[Session]:
    switches = {switch.name: switch for switch in pop.switches}
    taken: set[str] = set()
    for uplink in host.uplinks:
        switch = switches[uplink.switch]
        for family in Family:
            name = session_symbol(_short_name(uplink.switch, pop.name), family, taken=taken)
            taken.add(name)
            yield Session(
                name=name,
                kind="switch",
                peer=uplink.switch,
                family=family,
                peer_asn=inventory.asn,
                local=uplink.address(family).ip,
                neighbor=switch.fabric_address(family).ip,
                interface=uplink.interface,
                bfd=True,
                bfd_first=begins_bfd((host.daemon, host.version), (switch.daemon, switch.version)),
                bfd_timers=inventory.bfd.fabric,
            )


def _switch_interfaces(
    switch: Switch, circuits: Iterable[Circuit], uplinks: Iterable[tuple[Host, Uplink]]
) -> Iterator[Interface]:
    yield Interface(switch.fabric, "fabric", "")
    circuit_ports = {
        circuit.port: circuit.provider for circuit in reversed(tuple(circuits))
    }  # the first one names the port
    host_ports = {uplink.port: host.name for host, uplink in uplinks}
    for port in switch.ports:
        if port.name in circuit_ports:
            yield Interface(port.name, "circuit", circuit_ports[port.name])
        elif port.name in host_ports:
            yield Interface(port.name, "host", host_ports[port.name])


def _provider_tables(inventory: Inventory, pop: Pop) -> tuple[ProviderTable, ...]:
    present = {circuit.provider for circuit in pop.circuits}
    providers = sorted((p for p in inventory.providers if p.name in present), key=lambda provider: provider.id)
    return tuple(
        ProviderTable(p.name, p.id, PROVIDER_TABLE_BASE + p.id, transit=p.relation == "transit") for p in providers
    )


def _next_hops(pop: Pop, host: Host) -> Iterator[NextHop]:
    switches = {switch.name: switch for switch in pop.switches}
    for uplink in host.uplinks:
        reachable = (circuit for circuit in pop.circuits if circuit.switch == uplink.switch)
        for circuit, family, addresses in _carried(reachable):
            yield NextHop(
                family=family,
                address=addresses.neighbor,
                interface=uplink.interface,
                local=uplink.address(family),
                switch=uplink.switch,
                switch_interface=switches[uplink.switch].fabric,
                provider=circuit.provider,
                circuit=circuit.id,
                macs=circuit.macs,
            )


def _carried(circuits: Iterable[Circuit]) -> Iterator[tuple[Circuit, Family, CircuitAddresses]]:
    for circuit in circuits:
        for family in Family:
            addresses = circuit.addresses(family)
            if addresses is not None:
                yield circuit, family, addresses


def _short_name(device: str, pop: str) -> str:
    return device.removesuffix(f".{pop}")
