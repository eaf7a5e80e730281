"""From a device's intent and templates to the files of its routing daemon."""

from netorch.render.device import render_device
from netorch.render.seal import redact, restamp, seal
from netorch.render.source import TemplateSource

__all__ = ["TemplateSource", "redact", "render_device", "restamp", "seal"]
