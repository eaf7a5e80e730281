"""Where the settings stand that plugins refuse: what may be in them only the plugins know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netorch.inventory.document import parse_document
from netorch.inventory.findings import Findings
from netorch.inventory.tree import NETWORK
from netorch.model.inventory import WrongSetting


def refuse_settings(files: Mapping[str, str], wrong: Mapping[int, Sequence[WrongSetting]], *, shown: str) -> None:
    """Raise InventoryError with a finding for each of ``wrong``, by the plugin's position under ``plugins``; none, where there is
    none. ``files`` are those of a sound inventory, ``shown`` its folder as the operator wrote it."""
    if not any(wrong.values()):
        return
    findings = Findings(shown)
    findings.read(NETWORK, parse_document(files[NETWORK]))
    for position, found in wrong.items():
        for one in found:
            path = ("plugins", position, "settings", *one.path)
            findings.add(NETWORK, path, message=one.message, hint=one.hint, of_key=one.is_unknown)
    findings.raise_any()
