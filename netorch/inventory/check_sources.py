"""What validators and registries say about the rest of the inventory."""

from __future__ import annotations

from netorch.inventory.check_references import check_known, check_once
from netorch.inventory.findings import Findings
from netorch.inventory.schema_sources import LabValidatorKeys, RpkiKeys, ValidatorKeys
from netorch.inventory.tree import LAB, NETWORK, PROVIDERS, Tree


def check_sources(tree: Tree, findings: Findings) -> None:
    """Add a finding for every validator that is there twice, for registries that nobody can be asked, and for a lab that plays
    what is not there."""
    known: dict[str, ValidatorKeys] = {}
    for file, keys in ((NETWORK, tree.network.rpki), *((site.file, site.keys.rpki) for site in tree.sites)):
        if keys is not None:
            _check_validators(file, keys, known, findings=findings)
    _check_providers(tree, findings)
    played = list(enumerate(tree.lab.validators))
    for at, validator in played:
        path = ("validators", at, "name")
        check_known(findings, LAB, path, name=validator.name, kind="validator", known=list(known))
        _check_roas(validator, at, findings=findings)
    check_once(findings, ((LAB, ("validators", at, "name"), each.name) for at, each in played))


def _check_validators(file: str, keys: RpkiKeys, known: dict[str, ValidatorKeys], *, findings: Findings) -> None:
    """A name is one validator, wherever it is written."""
    validators = list(enumerate(keys.validators))
    check_once(findings, ((file, ("rpki", "validators", at, "name"), each.name) for at, each in validators))
    places = (
        (file, ("rpki", "validators", at, "address"), f"{each.address} port {each.port}") for at, each in validators
    )
    check_once(findings, places)
    for at, validator in validators:
        other = known.setdefault(validator.name, validator)
        if (other.address, other.port) != (validator.address, validator.port):
            message = f"expected the address of the other {validator.name}, {other.address} port {other.port}, "
            message += f"found {validator.address} port {validator.port}"
            hint = "give one of them another name"
            findings.add(file, ("rpki", "validators", at, "address"), message=message, hint=hint)


def _check_providers(tree: Tree, findings: Findings) -> None:
    registries = tree.network.registries
    for at, provider in enumerate(tree.providers.providers):
        if provider.irr is not None and registries.irr is None:
            hint = f"add registries: {{irr: {{server: ...}}}} to {NETWORK}"
            findings.add(PROVIDERS, ("providers", at, "irr"), message="there is no IRR that could be asked", hint=hint)
        if provider.peeringdb and registries.peeringdb is None:
            hint = f"add registries: {{peeringdb: {{url: ...}}}} to {NETWORK}"
            message = "there is no address of PeeringDB's API"
            findings.add(PROVIDERS, ("providers", at, "peeringdb"), message=message, hint=hint)


def check_actions(tree: Tree, findings: Findings) -> None:
    """Add a finding for every action of a provider that is there twice, or says nothing."""
    for at, provider in enumerate(tree.providers.providers):
        path = ("providers", at, "actions")
        actions = list(enumerate(provider.actions))
        check_once(findings, ((PROVIDERS, (*path, which, "name"), action.name) for which, action in actions))
        for which, action in actions:
            if action.community is None and action.large_community is None:
                hint = 'add community: "64496:666", or large_community: "64496:1:1", as the provider documents it'
                message = "expected a community or a large community, found none"
                findings.add(PROVIDERS, (*path, which), message=message, hint=hint)


def _check_roas(validator: LabValidatorKeys, at: int, *, findings: Findings) -> None:
    for which, roa in enumerate(validator.roas):
        longest = roa.prefix.max_prefixlen
        if roa.max_length is not None and not roa.prefix.prefixlen <= roa.max_length <= longest:
            message = f"expected {roa.prefix.prefixlen} to {longest}, found {roa.max_length}"
            findings.add(LAB, ("validators", at, "roas", which, "max_length"), message=message)
