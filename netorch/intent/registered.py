"""What registries last said of a provider, as its sessions' policy takes it."""

from __future__ import annotations

from netorch.model.inventory import Inventory, Provider
from netorch.model.sources import IrrFilter
from netorch.model.types import Family


def irr_filter(inventory: Inventory, provider: Provider, family: Family) -> IrrFilter | None:
    """What ``provider`` may announce of ``family`` by its AS-SET; None where the inventory names none."""
    if provider.irr is None:
        return None
    held = inventory.registered.get(provider.name)
    answer = held.irr if held is not None else None
    place = f"{inventory.registries.folder}/irr/{provider.name}.json"
    if answer is None:
        return IrrFilter(provider.irr.name, missing=f"found no good answer in {place}")
    if answer.as_set != provider.irr.name:
        return IrrFilter(provider.irr.name, missing=f"found {answer.as_set} in {place}")
    return IrrFilter(provider.irr.name, answer.prefixes(family), answer.asns, provider.irr.longer_prefixes)


def max_prefixes(inventory: Inventory, provider: Provider, family: Family) -> int:
    """How many prefixes are accepted: the provider's own number, else PeeringDB's with its margin, else the policy's."""
    default = inventory.policy.limits(family).max_prefixes
    held = inventory.registered.get(provider.name)
    answer = held.peeringdb if held is not None and provider.peeringdb else None
    source = inventory.registries.peeringdb
    if source is not None and answer is not None and answer.asn == provider.asn and answer.prefixes(family):
        default = source.limit(answer.prefixes(family))
    return provider.max_prefixes.get(family, default)
