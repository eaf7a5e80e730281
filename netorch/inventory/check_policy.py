"""Whether what the files say of customers and of prefix lists can be done."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.inventory.document import Path
from netorch.inventory.findings import Findings
from netorch.inventory.schema_network import ProviderKeys
from netorch.inventory.schema_pops import CircuitKeys
from netorch.inventory.tree import PROVIDERS, Site, Tree
from netorch.model.types import IPNetwork, is_inside


def check_policy(tree: Tree, findings: Findings) -> None:
    """Add a finding for every right that cannot be given, and for every prefix of ours that is to be another's."""
    for at, provider in enumerate(tree.providers.providers):
        path: Path = ("providers", at)
        circuits = [(site, circuit) for site, circuit in _circuits(tree) if circuit.provider == provider.name]
        _check_rights(provider, path, findings)
        _check_prefixes(provider, path, tree, findings=findings)
        for site, circuit in circuits:
            switch = site.switch(circuit.switch)
            if switch is None:
                continue
            name = site.full_name(switch.name)
            if provider.default_route and switch.default_route_via is None:
                hint = f"give {name} a default_route_via, or leave default_route out"
                message = f"expected a switch that has a default route, found {name}, which has none"
                findings.add(PROVIDERS, (*path, "default_route"), message=message, hint=hint)
            if provider.blackhole and (switch.daemon or tree.network.defaults.daemon) != "bird":
                message = f"expected a switch with BIRD, found {name}, whose daemon cannot drop a neighbour's prefix"
                findings.add(PROVIDERS, (*path, "blackhole"), message=message, hint="leave blackhole out")


def _circuits(tree: Tree) -> Iterator[tuple[Site, CircuitKeys]]:
    return ((site, circuit) for site in tree.sites for circuit in site.keys.circuits)


def _check_rights(provider: ProviderKeys, path: Path, findings: Findings) -> None:
    for right in ("default_route", "blackhole"):
        if getattr(provider, right) and provider.relation != "customer":
            message = f"expected this of a customer alone, found it of a provider whose relation is {provider.relation}"
            findings.add(PROVIDERS, (*path, right), message=message)
    if provider.blackhole and not provider.prefixes:
        hint = "list what it may announce: it may have addresses inside of that dropped"
        findings.add(PROVIDERS, (*path, "blackhole"), message="expected prefixes beside it, found none", hint=hint)


def _check_prefixes(provider: ProviderKeys, path: Path, tree: Tree, *, findings: Findings) -> None:
    for number, prefix in enumerate(provider.prefixes):
        for own in tree.network.own_prefixes:
            if is_inside(prefix, own):
                message = f"expected address space of the provider, found {prefix}, which is ours ({own})"
                findings.add(PROVIDERS, (*path, "prefixes", number), message=message)
                break
        else:
            if provider.blackhole:
                _check_droppable(prefix, (*path, "prefixes", number), tree, findings=findings)


def _check_droppable(prefix: IPNetwork, where: Path, tree: Tree, *, findings: Findings) -> None:
    """What a customer may have dropped holds nothing that this network needs itself."""
    for whose, needed in _needed(tree):
        if prefix.version == needed.version and prefix.overlaps(needed):
            message = f"expected prefixes without {needed}, {whose}, since it may have addresses of them dropped; found {prefix}"
            findings.add(PROVIDERS, where, message=message, hint="list its own prefixes, or leave blackhole out")
            return


def _needed(tree: Tree) -> Iterator[tuple[str, IPNetwork]]:
    for own in tree.network.own_prefixes:
        yield "which is ours", own
    for site in tree.sites:
        for switch in site.keys.switches:
            for fabric in (switch.fabric.ipv4, switch.fabric.ipv6):
                yield f"the fabric of {site.full_name(switch.name)}", fabric.network
        for router in site.keys.routers:
            for interface in router.interfaces:
                for address in (interface.ipv4, interface.ipv6):
                    if address is not None:
                        yield f"a network of {site.full_name(router.name)}", address.network
        for circuit in site.keys.circuits:
            for addresses in (circuit.ipv4, circuit.ipv6):
                if addresses is not None:
                    yield f"the network of circuit {circuit.name}", addresses.local.network
