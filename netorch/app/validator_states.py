"""What switches say of their validators: rows for people and programs, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netorch.model.conventions import ORIGIN, VALIDATORS
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent
from netorch.model.inventory import Inventory
from netorch.model.sources import DOWN, EMPTY, STANDBY, UP, Rpki, ValidatorFacts

INVALID = "invalid"


def validator_wants(inventory: Inventory) -> tuple[str, ...]:
    """The facts to ask for: the validators, and what they say of our own prefixes; none where there are no validators."""
    if not any(pop.rpki.validators for pop in inventory.pops):
        return ()
    own = {service.prefix: None for pop in inventory.pops for service in pop.prefixes}
    return (VALIDATORS, *(f"{ORIGIN} {prefix} {inventory.asn}" for prefix in own))


def validator_rows(device: DeviceIntent, facts: DeviceFacts) -> list[dict[str, Any]]:
    """Every validator that ``device`` is to ask; plain JSON, what is not known is null."""
    rows = []
    for validator in device.validators:
        held = facts.validator(validator.address, validator.port)
        rows.append(
            {
                "validator": validator.name,
                "address": str(validator.address),
                "port": validator.port,
                "state": held.state if held else None,
                "error": (held.error or None) if held else None,
                "age_s": _rounded(held.age_s) if held else None,
                "expires_s": _rounded(held.expires_s) if held else None,
                "ipv4_entries": held.ipv4 if held else None,
                "ipv6_entries": held.ipv6 if held else None,
                "most_entries": held.before if held else None,
                "problem": _problem(held, device.rpki) or None,
            }
        )
    return rows


def origin_rows(facts: DeviceFacts) -> list[dict[str, Any]]:
    """What its validators say of our own prefixes; plain JSON."""
    return [{"prefix": str(each.prefix), "asn": each.asn, "state": each.state} for each in facts.origins]


def validator_problems(device: DeviceIntent, facts: DeviceFacts) -> Iterator[tuple[bool, str]]:
    """What is wrong, in words; True with it where nothing invalid is refused any more."""
    held = [facts.validator(each.address, each.port) for each in device.validators]
    if held and not any(one.entries for one in held if one is not None):
        yield True, "no validator has a list: nothing counts as invalid, whoever announces it"
    for validator, one in zip(device.validators, held, strict=True):
        problem = _problem(one, device.rpki)
        if problem:
            yield False, f"validator {validator.name}: {problem}"
    originated = set(device.originated)
    for origin in facts.origins:
        if origin.state == INVALID and origin.prefix in originated:
            yield False, f"{origin.prefix} from AS{origin.asn}, our own, is invalid by RPKI: others refuse it"


def _problem(held: ValidatorFacts | None, rpki: Rpki) -> str:
    """What is wrong with one validator; "" where nothing is."""
    if held is None:
        return "is not asked: the configuration that is live has no such validator"
    said = f" ({held.error})" if held.error else ""
    if held.state == EMPTY:
        return f"does not answer{said}, and no answer of it is good any more"
    if held.state == DOWN:
        left = "" if held.expires_s is None else f", good for another {_time(held.expires_s)}"
        return f"does not answer{said}; its last answer stays{left}"
    entries = held.entries or 0
    if held.state != STANDBY and held.before and entries < held.before * (1 - rpki.drop_percent / 100):
        return f"lists {entries} entries, and had {held.before} within a day"
    if held.state == UP and not entries:
        return "lists nothing"
    return ""


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
