"""The validators that switches ask: each a machine at the management network that runs StayRTR with a list of its own."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

from netorch.errors import NetorchError
from netorch.lab.daemons import LAB_FOLDER
from netorch.lab.plan import VALIDATOR, Node, Service
from netorch.lab.wiring import MANAGEMENT, QUIET_IPV6, device_lines
from netorch.model.inventory import Inventory
from netorch.model.lab import LabValidator
from netorch.model.sources import Validator

LIST = f"{LAB_FOLDER}/roas.json"
PROGRAM = "/usr/bin/stayrtr"
_READ_AGAIN_S = 1


def validators_of(inventory: Inventory) -> tuple[Validator, ...]:
    """Every validator of the network and its POPs, each once."""
    found = {validator.name: validator for pop in inventory.pops for validator in pop.rpki.validators}
    return tuple(found.values())


def validator_node(inventory: Inventory, validator: Validator, prefix: str) -> Node:
    """The machine that plays ``validator``; NetorchError for an address that the lab cannot have."""
    address = validator.address
    if not isinstance(address, IPv4Address) or address not in MANAGEMENT:
        raise NetorchError(
            f"cannot be played: its address is '{address}', expected one of {MANAGEMENT}",
            where=validator.name,
            hint="the lab puts validators on this machine, and takes no address that could be real",
        )
    played = _played(inventory, validator)
    argv = (
        *(PROGRAM, "-bind", f"{address}:{validator.port}", "-cache", LIST, "-refresh", str(_READ_AGAIN_S)),
        *("-checktime=false", "-metrics.addr", "", "-loglevel", "warning"),
        *("-rtr.refresh", str(played.refresh_s), "-rtr.retry", str(played.retry_s)),
        *("-rtr.expire", str(played.expire_s)),
    )
    return Node(
        name=validator.name,
        kind=VALIDATOR,
        netns=prefix + validator.name,
        sysctls=QUIET_IPV6,
        setup=tuple(device_lines(str(address))),
        services=(Service("stayrtr", argv, ready_port=validator.port),),
    )


def validator_files(inventory: Inventory, name: str) -> dict[str, str]:
    """The files of a validator, by path: its list, which it reads again every second."""
    validator = next(one for one in validators_of(inventory) if one.name == name)
    return {LIST: roas_text(_played(inventory, validator))}


def roas_text(played: LabValidator) -> str:
    """A list as StayRTR reads it: the JSON of rpki-client."""
    roas = [{"prefix": str(r.prefix), "maxLength": r.max_length, "asn": r.asn, "ta": "lab"} for r in played.roas]
    return json.dumps({"roas": roas})


def _played(inventory: Inventory, validator: Validator) -> LabValidator:
    return next((one for one in inventory.validators if one.name == validator.name), LabValidator(validator.name))
