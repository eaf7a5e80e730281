"""From a device's intent and templates to the files of its routing daemon."""

from netorch.render.daemons import configuration_paths
from netorch.render.device import render_device, render_for
from netorch.render.policy_view import evidence_of, rules_of
from netorch.render.seal import redact, restamp, seal
from netorch.render.source import TemplateSource

__all__ = [
    "TemplateSource",
    "configuration_paths",
    "evidence_of",
    "redact",
    "render_device",
    "render_for",
    "restamp",
    "rules_of",
    "seal",
]
