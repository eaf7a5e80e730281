"""Whether what a device reads back after a change proves that the plan came true."""

from __future__ import annotations

import hashlib
from typing import Optional, Tuple

from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan
from netorch.model.request import Proof


def planned_hashes(plan: DevicePlan) -> Tuple[str, ...]:
    """The sha256 of each file that ``plan`` brings, in the order of its operations."""
    return tuple(hashlib.sha256(file.text.encode()).hexdigest() for file in _files(plan))


def find_doubt(plan: DevicePlan, *, generation: int, proof: Optional[Proof]) -> str:
    """What does not prove that ``plan`` is confirmed, on disk and live; "" where everything does.

    ``generation`` is the one that the device has confirmed, ``proof`` what it read back after that.
    """
    if generation != plan.generation + 1:
        return f"generation {generation} was confirmed, expected {plan.generation + 1}"
    if proof is None:
        return "nothing was read back"
    found = {file.path: file for file in proof.files}
    for file, wanted in zip(_files(plan), planned_hashes(plan)):
        held = found.get(file.path)
        if held is None or held.sha256 != wanted:
            return f"{file.path} on disk is not what was planned"
        if file.daemon and (held.stamp is None or proof.live_stamp != held.stamp):
            live = proof.live_stamp or "no configuration of netorch's"
            return f"{live} is live, expected {held.stamp or 'a configuration with a stamp'}"
    return ""


def find_difference(proof: Optional[Proof]) -> str:
    """How what is live differs from what is on disk; "" where it does not. For a change whose plan is not known any more."""
    if proof is None:
        return "nothing was read back"
    stamps = [file.stamp for file in proof.files if file.stamp is not None]
    if stamps and proof.live_stamp not in stamps:
        return f"{proof.live_stamp or 'no configuration of netorch'} is live, {stamps[0]} on disk"
    return ""


def _files(plan: DevicePlan) -> Tuple[FileItem, ...]:
    return tuple(operation.item for operation in plan.operations if isinstance(operation.item, FileItem))
