"""Marks: a file on every host that tells programs which packet mark leads through which provider."""

from __future__ import annotations

from typing import Mapping, Tuple

from netorch.api import DeviceIntent, Facts, FileItem, Intent, Item, Plugin

PATH = "/etc/netorch/marks"
"""Where netorch.mark looks as well."""


def needs(intent: Intent) -> Mapping[str, Tuple[str, ...]]:
    """The file as it is."""
    return {device.name: (PATH,) for device in intent.devices if device.tables}


def propose(intent: Intent, facts: Facts) -> Mapping[str, Tuple[Item, ...]]:
    """The file, on every host, by mark."""
    return {
        device.name: (FileItem(PATH, marks_text(device), mode=0o644),) for device in intent.devices if device.tables
    }


def marks_text(device: DeviceIntent) -> str:
    """``1001 northtel``, a line for each provider."""
    lines = sorted((table.number, table.provider) for table in device.tables)
    return "".join(("# packet mark, provider; written by netorch\n", *(f"{number} {name}\n" for number, name in lines)))


PLUGIN = Plugin(
    name="marks",
    help="tells programs on hosts which packet mark leads through which provider",
    needs=needs,
    propose=propose,
    kinds=(FileItem,),
)
