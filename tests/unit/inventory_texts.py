"""Inventories for tests, as texts by path."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from netorch.errors import InventoryError
from netorch.inventory import load_inventory
from netorch.model.inventory import Inventory

ROOT = Path(__file__).parent.parent.parent
FOLDER = "/srv/inventory"
POP = "pops/pop1.yml"


def texts(folder: Path) -> dict[str, str]:
    """Every file of the inventory in ``folder``, without inventories that lie below it."""
    others = [path.parent for path in folder.glob("*/**/network.yml")]
    found = (path for path in sorted(folder.rglob("*.yml")) if not any(path.is_relative_to(other) for other in others))
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def example() -> dict[str, str]:
    """The inventory that is shipped, without its authority: what is planned from it issues no certificates."""
    files = texts(ROOT / "inventory")
    return {**files, "network.yml": re.sub(r"^pki:.*\n", "", files["network.yml"], flags=re.MULTILINE)}


def small() -> dict[str, str]:
    """One POP with two switches, a host and two circuits."""
    return texts(ROOT / "tests" / "errors" / "base")


def routers() -> dict[str, str]:
    """One POP with routers alone: two that speak RIP, two that speak BGP; and a station in the lab."""
    return texts(ROOT / "tests" / "errors" / "underlay")


def edited(files: dict[str, str], file: str, *edits: tuple[str, str]) -> dict[str, str]:
    """``files`` with the first occurrence of each text replaced; the text must be there."""
    text = files[file]
    for find, put in edits:
        assert find in text, find
        text = text.replace(find, put, 1)
    return {**files, file: text}


def edited_by(files: dict[str, str], edits: Path) -> dict[str, str]:
    """``files`` after a list of edits: in ``file`` the text ``find``, once there, gives way to ``put``; without ``find`` the
    whole file is written, without ``put`` it is removed."""
    files = dict(files)
    for edit in YAML(typ="safe", pure=True).load(edits):
        file, find, put = edit["file"], edit.get("find"), edit.get("put")
        if find is not None:
            assert files[file].count(find) == 1, f"{edits}: {find!r} is {files[file].count(find)} times in {file}"
            files[file] = files[file].replace(find, put)
        elif put is not None:
            files[file] = put
        else:
            del files[file]
    return files


def load(files: dict[str, str]) -> Inventory:
    """The inventory of ``files``."""
    return load_inventory(files, folder=FOLDER)


def complaints(files: dict[str, str]) -> list[str]:
    """The messages with their keys, without positions; [] where the inventory is valid."""
    try:
        load(files)
    except InventoryError as error:
        return [re.sub(r"^\S+?(:\d+)*: ", "", str(problem)) for problem in error.problems]
    return []
