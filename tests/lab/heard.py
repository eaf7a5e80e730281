"""What providers' speakers hold of what switches announced: ExaBGP's own messages, GoBGP's adj-in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netorch.lab.daemons import EXABGP_RECEIVED
from netorch.model.inventory import Circuit
from netorch.model.types import Family
from tests.lab.labs import Lab

Heard = dict[str, "Path"]
"""By prefix."""

_AS_PATH, _COMMUNITIES, _LARGE = 2, 8, 32  # RFC 4271, RFC 1997, RFC 8092


@dataclass(frozen=True)
class Path:
    """An announcement as somebody else read it."""

    as_path: tuple[int, ...]
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()


def by_exabgp(lab: Lab, circuit: Circuit, family: Family) -> Heard:
    """What ExaBGP has heard over ``circuit``, its messages played again."""
    found: Heard = {}
    name = f"{family.value} unicast"
    whole, _, _ = lab.run(circuit.provider, "cat", EXABGP_RECEIVED).rpartition(
        "\n"
    )  # the last line may still be written
    for line in whole.splitlines():
        said = json.loads(line)
        if said.get("neighbor", {}).get("address", {}).get("peer") != _our_address(circuit, family):
            continue
        if said["type"] == "state" and said["neighbor"].get("state") == "down":
            found.clear()
        update = said["neighbor"].get("message", {}).get("update", {})
        for withdrawn in update.get("withdraw", {}).get(name, ()):
            found.pop(withdrawn["nlri"], None)
        for prefixes in update.get("announce", {}).get(name, {}).values():
            for announced in prefixes:
                found[announced["nlri"]] = _of_exabgp(update["attribute"])
    return found


def by_gobgp(lab: Lab, circuit: Circuit, family: Family) -> Heard:
    """What GoBGP holds of what came over ``circuit``."""
    asked = ("gobgp", "neighbor", _our_address(circuit, family), "adj-in", "-a", family.value, "-j")
    found = json.loads(lab.run(circuit.provider, *asked) or "{}")
    return {prefix: _of_gobgp(paths[0]["attrs"]) for prefix, paths in found.items()}


def _our_address(circuit: Circuit, family: Family) -> str:
    addresses = circuit.addresses(family)
    assert addresses is not None
    return str(addresses.local.ip)


def _of_exabgp(attribute: Mapping[str, Any]) -> Path:
    return Path(
        tuple(asn for part in attribute["as-path"].values() for asn in part["value"]),
        _texts(attribute.get("community", ())),
        _texts(attribute.get("large-community", ())),
    )


def _of_gobgp(attributes: Iterable[Mapping[str, Any]]) -> Path:
    by_type = {attribute["type"]: attribute for attribute in attributes}
    numbers = [asn for part in by_type[_AS_PATH]["as_paths"] for asn in part["asns"]]
    short = [(value >> 16, value & 0xFFFF) for value in by_type.get(_COMMUNITIES, {}).get("communities", ())]
    large = [(one["ASN"], one["LocalData1"], one["LocalData2"]) for one in by_type.get(_LARGE, {}).get("value", ())]
    return Path(tuple(numbers), _texts(short), _texts(large))


def _texts(communities: Iterable[Iterable[int]]) -> tuple[str, ...]:
    return tuple(":".join(map(str, one)) for one in sorted(map(tuple, communities)))
