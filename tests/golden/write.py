"""Writes the golden files anew: ``python -m tests.golden.write``. Read the difference before it is committed."""

from __future__ import annotations

from pathlib import Path

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.render import TemplateSource, render_device
from tests.unit.inventory_texts import example, load

FOLDER = Path(__file__).parent / "bird"


def rendered() -> dict[str, str]:
    """The configuration of every device of the shipped inventory, without plugins, by file name."""
    intent = derive_intent(load(example()))
    templates = TemplateSource(read_templates())
    return {f"{device.name}.conf": file.text for device in intent.devices for file in render_device(device, templates)}


if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
