"""Writes the golden files anew: ``python -m tests.golden.write``. Read the difference before it is committed."""

from __future__ import annotations

from pathlib import Path

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.render import TemplateSource, render_for
from tests.unit.inventory_texts import example, load

FOLDER = Path(__file__).parent / "bird"
FRR_FOLDER = Path(__file__).parent / "frr"


def rendered(daemon: str = "bird", version: str = "2.0.12") -> dict[str, str]:
    """The configuration of every device of the shipped inventory, without plugins, by file name, were it of ``daemon``."""
    can = capabilities_of(daemon, version)
    assert can is not None
    intent = derive_intent(load(example()))
    templates = TemplateSource(read_templates())
    return {f"{device.name}.conf": render_for(can, device, templates=templates)[0].text for device in intent.devices}


if __name__ == "__main__":
    for folder, texts in ((FOLDER, rendered()), (FRR_FOLDER, rendered("frr", "8.4.4"))):
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
