"""What a device ought to have as of a confirmed generation, whole: every file and kernel item, not what one change touched.

Two files beside the generation's journal: ``state.json`` has kernel items, and of each file the hash and the stamp, which
facts tell at every call; ``files.json`` has the files with their texts. A device that lost its kernel's state in a restart
gets it back from here, and a roll-back is planned from here.
"""

from __future__ import annotations

from netorch.agent.daemons import daemon_of
from netorch.agent.files import read_json, sha256_of, write_json
from netorch.agent.paths import GENERATIONS, MIRRORED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from netorch.agent.operations import Item, Operation

KEYS: Dict[str, Tuple[str, ...]] = {
    "SysctlItem": ("name",),
    "AddressItem": ("interface", "address"),
    "RuleItem": ("family", "priority"),
    "AliasItem": ("interface",),
    "NeighbourItem": ("interface", "address"),
    "PeerItem": ("interface", "peer"),
    "RouteItem": ("prefix", "interface"),
    "ServiceItem": ("name",),
}
"""The kinds that the kernel keeps, in the order of putting them there, and what names a slot of each (model.items). Services,
which start by themselves, are on record for roll-backs."""

MIRROR_KINDS = ("NeighbourItem", "PeerItem", "RouteItem")  # of netorch.model.items


def read_state(number: int) -> Dict[str, List[Dict[str, Any]]]:
    """``files`` and ``items`` of a generation; none of either before the first."""
    return read_json(f"{GENERATIONS}/{number}/state.json") or {"files": [], "items": []}


def read_files(number: int) -> List[Item]:
    """The FileItems of a generation."""
    return list(read_json(f"{GENERATIONS}/{number}/files.json") or [])


def read_mirror() -> List[Item]:
    """What the mirror's agent last put into the kernel; [] if it has kept nothing that can be read."""
    try:
        found = read_json(MIRRORED)
    except (OSError, ValueError):
        return []
    return [item for item in found if item["kind"] in MIRROR_KINDS] if isinstance(found, list) else []


def write_mirror(items: List[Item]) -> None:
    """Keep ``items`` for the next boot of the machine. Raises OSError."""
    write_json(MIRRORED, items)


def write_record(folder: str, base: int, *, found: List[Item], operations: List[Operation]) -> None:
    """Write what the device ought to have once ``operations`` are confirmed on top of generation ``base``.

    ``found`` is what it has before them of what was asked for: what needs no operation is as it ought to be.
    """
    items = {_key(item): item for item in (*found, *read_state(base)["items"]) if item["kind"] in KEYS}
    files = {file["path"]: file for file in read_files(base)}
    for operation in operations:
        item = operation["item"]
        if item["kind"] == "FileItem":
            files[item["path"]] = item
        elif item["kind"] in KEYS and operation["action"] == "remove":
            items.pop(_key(item), None)
        elif item["kind"] in KEYS:
            items[_key(item)] = item
    texts = list(files.values())
    write_json(f"{folder}/files.json", texts)
    write_json(f"{folder}/state.json", {"files": [_short(file) for file in texts], "items": list(items.values())})


def in_order(items: List[Item]) -> List[Item]:
    """``items`` in the order of putting them into the kernel."""
    kinds = list(KEYS)
    return sorted(items, key=lambda item: kinds.index(item["kind"]))


def _key(item: Item) -> Tuple[str, ...]:
    return (item["kind"], *(str(item[name]) for name in KEYS[item["kind"]]))


def _short(file: Item) -> Dict[str, Any]:
    stamp = daemon_of(file["daemon"]).stamp_of(file["text"]) if file["daemon"] else None
    return {"path": file["path"], "sha256": sha256_of(file["text"].encode()), "stamp": stamp}
