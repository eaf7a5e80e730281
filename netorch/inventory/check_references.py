"""What the files say about each other: names, ids, ports, originators. Addresses have a module of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from netorch.inventory.document import Path
from netorch.inventory.findings import Findings
from netorch.inventory.schema_network import PolicyKeys
from netorch.inventory.schema_pops import HostKeys, RouterKeys, SwitchKeys
from netorch.inventory.tree import LAB, NETWORK, PROVIDERS, Site, Tree, router_id
from netorch.model.text import did_you_mean
from netorch.model.types import is_inside


def check_references(tree: Tree, findings: Findings) -> None:
    """Add a finding for every reference that leads nowhere and everything that is there twice."""
    _check_network(tree, findings)
    _check_providers(tree, findings)
    for site in tree.sites:
        _check_site(site, tree, findings=findings)
    _check_circuits(tree, findings)
    known = [provider.name for provider in tree.providers.providers]
    for at, speaker in enumerate(tree.lab.speakers):
        check_known(findings, LAB, ("speakers", at, "provider"), name=speaker.provider, kind="provider", known=known)
    check_once(findings, ((LAB, ("speakers", at, "provider"), s.provider) for at, s in enumerate(tree.lab.speakers)))


def _check_network(tree: Tree, findings: Findings) -> None:
    network = tree.network
    check_once(findings, ((NETWORK, ("plugins", at, "name"), plugin.name) for at, plugin in enumerate(network.plugins)))
    if not network.own_prefixes and any(site.keys.switches for site in tree.sites):
        hint = "list everything that is ours; only a network of routers alone has none"
        findings.add(NETWORK, ("own_prefixes",), message="expected at least one prefix, found none", hint=hint)
    _check_policy(network.policy, findings)
    for at, prefix in enumerate(network.own_prefixes):
        for earlier in network.own_prefixes[:at]:
            if prefix.version == earlier.version and prefix.overlaps(earlier):
                findings.add(
                    NETWORK, ("own_prefixes", at), message=f"{prefix} overlaps {earlier}", hint="keep the larger"
                )


def _check_policy(policy: PolicyKeys, findings: Findings) -> None:
    for family, limits in (("ipv4", policy.ipv4), ("ipv6", policy.ipv6)):
        if limits.min_length > limits.max_length:
            message = f"expected at most max_length, {limits.max_length}, found {limits.min_length}"
            findings.add(NETWORK, ("policy", family, "min_length"), message=message)


def _check_providers(tree: Tree, findings: Findings) -> None:
    providers = list(enumerate(tree.providers.providers))
    check_once(findings, ((PROVIDERS, ("providers", at, "name"), provider.name) for at, provider in providers))
    check_once(findings, ((PROVIDERS, ("providers", at, "id"), provider.id) for at, provider in providers))
    for at, provider in providers:
        if provider.asn == tree.network.asn:
            message = f"expected the provider's AS number, found our own, {provider.asn}"
            findings.add(PROVIDERS, ("providers", at, "asn"), message=message)


def _check_site(site: Site, tree: Tree, *, findings: Findings) -> None:
    stem = posixpath.basename(site.file).removesuffix(".yml")
    if site.name != stem:
        message = f"expected the file's name, {stem!r}, found {site.name!r}"
        findings.add(site.file, ("name",), message=message, hint="rename one of them")
    if not site.keys.switches and not site.keys.routers:
        hint = "add switches, or routers of an underlay"
        findings.add(site.file, ("switches",), message="expected at least one switch or router, found none", hint=hint)
    check_once(findings, ((site.file, (*path, "name"), device.name) for path, device in site.devices()))
    for path, device in site.devices():
        if router_id(device) is None:
            kind = "IPv4 address" if isinstance(device, RouterKeys) else "IPv4 service address"
            message = f"required without {kind}"
            findings.add(site.file, (*path, "router_id"), message=message, hint=f"add router_id, or an {kind}")
        if isinstance(device, SwitchKeys):
            _check_switch(site, path, device, findings=findings)
        elif isinstance(device, HostKeys):
            _check_host(site, path, device, findings=findings)
    _check_prefixes(site, tree, findings=findings)


def _check_switch(site: Site, path: Path, switch: SwitchKeys, *, findings: Findings) -> None:
    interfaces = [((*path, "fabric", "interface"), switch.fabric.interface)]
    interfaces += [((*path, "ports", at, "name"), port.name) for at, port in enumerate(switch.ports)]
    check_once(findings, ((site.file, where, name) for where, name in interfaces))
    via = switch.default_route_via
    here = sorted({circuit.provider for circuit in site.keys.circuits if circuit.switch == switch.name})
    if via is not None and via not in here:
        message = f"expected a provider with a circuit on {site.full_name(switch.name)}, found {via!r}"
        hint = did_you_mean(via, here, otherwise="there are: ") or "there is no circuit on it"
        findings.add(site.file, (*path, "default_route_via"), message=message, hint=hint)


def _check_host(site: Site, path: Path, host: HostKeys, *, findings: Findings) -> None:
    uplinks = [((*path, "uplinks", at), uplink) for at, uplink in enumerate(host.uplinks)]
    for where, uplink in uplinks:
        _check_port(site, where, uplink.switch, port=uplink.port, findings=findings)
    check_once(findings, ((site.file, (*where, "interface"), uplink.interface) for where, uplink in uplinks))
    hint = "a host has one uplink to each switch: join two cables in a bond"
    check_once(findings, ((site.file, (*where, "switch"), uplink.switch) for where, uplink in uplinks), hint=hint)


def _check_port(site: Site, path: Path, switch: str, *, port: str, findings: Findings) -> None:
    switches = [other.name for other in site.keys.switches]
    kind = f"switch of {site.name}"
    if check_known(findings, site.file, (*path, "switch"), name=switch, kind=kind, known=switches):
        found = site.switch(switch)
        ports = [other.name for other in found.ports] if found else []
        kind = f"port of {site.full_name(switch)}"
        check_known(findings, site.file, (*path, "port"), name=port, kind=kind, known=ports)


def _check_prefixes(site: Site, tree: Tree, *, findings: Findings) -> None:
    prefixes = list(enumerate(site.keys.prefixes))
    check_once(findings, ((site.file, ("prefixes", at, "prefix"), service.prefix) for at, service in prefixes))
    hosts = [host.name for host in site.keys.hosts]
    for at, service in prefixes:
        names = [(("prefixes", at, "originators", which), name) for which, name in enumerate(service.originators)]
        check_once(findings, ((site.file, path, name) for path, name in names))
        for path, name in names:
            check_known(findings, site.file, path, name=name, kind=f"host of {site.name}", known=hosts)
        if not any(is_inside(service.prefix, own) for own in tree.network.own_prefixes):
            message = f"expected a prefix inside of own_prefixes of {NETWORK}, found {service.prefix}"
            findings.add(site.file, ("prefixes", at, "prefix"), message=message)


def _check_circuits(tree: Tree, findings: Findings) -> None:
    circuits = [
        (site, ("circuits", at), circuit) for site in tree.sites for at, circuit in enumerate(site.keys.circuits)
    ]
    check_once(findings, ((site.file, (*path, "id"), circuit.id) for site, path, circuit in circuits))
    check_once(findings, ((site.file, (*path, "name"), circuit.name) for site, path, circuit in circuits))
    providers = [provider.name for provider in tree.providers.providers]
    for site, path, circuit in circuits:
        name = circuit.provider
        check_known(findings, site.file, (*path, "provider"), name=name, kind="provider", known=providers)
        _check_port(site, path, circuit.switch, port=circuit.port, findings=findings)
        if circuit.ipv4 is None and circuit.ipv6 is None:
            hint = "add ipv4, ipv6 or both, each with local and neighbor"
            findings.add(site.file, path, message="a circuit without addresses", hint=hint)
        if circuit.keys and circuit.password is not None:
            hint = "keep what the provider's end has"
            findings.add(site.file, (*path, "keys"), message="expected keys or a password, found both", hint=hint)
        check_once(findings, ((site.file, (*path, "keys", at, "id"), key.id) for at, key in enumerate(circuit.keys)))
        preferred = [at for at, key in enumerate(circuit.keys) if key.use == "preferred"]
        for at in preferred[1:]:
            message = "expected one preferred key, found another before it"
            findings.add(site.file, (*path, "keys", at, "use"), message=message, hint="leave one of them without use")
    for site in tree.sites:
        _check_port_users(site, findings)


def _check_port_users(site: Site, findings: Findings) -> None:
    """One user of a port and VLAN; hosts are untagged."""
    used: dict[tuple[str, str, int | None], tuple[Path, str]] = {}
    users: list[tuple[tuple[str, str, int | None], Path, str]] = []
    for at, host in enumerate(site.keys.hosts):
        for which, uplink in enumerate(host.uplinks):
            path: Path = ("hosts", at, "uplinks", which, "port")
            users.append(((uplink.switch, uplink.port, None), path, f"host {site.full_name(host.name)}"))
    for at, circuit in enumerate(site.keys.circuits):
        path = ("circuits", at, "port")
        users.append(((circuit.switch, circuit.port, circuit.vlan), path, f"circuit {circuit.name}"))
    for key, path, user in users:
        if key in used:
            earlier_path, earlier = used[key]
            vlan = f", VLAN {key[2]}," if key[2] is not None else ""
            message = f"port {key[1]!r} of {site.full_name(key[0])}{vlan} is used by {earlier} already"
            hint = f"see {findings.place(site.file, earlier_path)}; circuits can share a port in VLANs of their own"
            findings.add(site.file, path, message=message, hint=hint)
        else:
            used[key] = (path, user)


def check_known(findings: Findings, file: str, path: Path, *, name: str, kind: str, known: Sequence[str]) -> bool:
    """Whether ``name``, written at ``path``, is one of ``known``; adds a finding where it is not."""
    if name in known:
        return True
    hint = did_you_mean(name, known, otherwise="there are: ")
    findings.add(file, path, message=f"expected a {kind}, found {name!r}", hint=hint)
    return False


def check_once(findings: Findings, values: Iterable[tuple[str, Path, object]], *, hint: str = "") -> None:
    """Each of ``values`` (file, path, value) may be there once."""
    seen: dict[object, tuple[str, Path]] = {}
    for file, path, value in values:
        if value in seen:
            shown = repr(value) if isinstance(value, str) else str(value)
            message = f"{shown} is there twice, first at {findings.place(*seen[value])}"
            findings.add(file, path, message=message, hint=hint)
        else:
            seen[value] = (file, path)
