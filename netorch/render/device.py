"""One device's intent to the files of its routing daemon."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError

from netorch.errors import RenderError
from netorch.model.capabilities import Capabilities, capabilities_of, supported_versions
from netorch.model.intent import DeviceIntent
from netorch.model.items import FileItem
from netorch.render.daemons import dialect_of
from netorch.render.source import TemplateSource
from netorch.render.sources_view import registered_of
from netorch.render.view import device_view

# What an expression in an operator's template can raise; anything else is a defect of netorch.
_TEMPLATE_FAILURES = (
    TemplateError,
    RenderError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def render_device(device: DeviceIntent, templates: TemplateSource) -> tuple[FileItem, ...]:
    """The files of ``device``'s routing daemon, with tokens where ``seal`` puts secrets and the stamp.

    Raises RenderError that names device, template and line, for a template that fails, a value that the daemon's language
    cannot hold, and a daemon or version that there are no templates for.
    """
    can = capabilities_of(device.daemon, device.version)
    if can is None or not can.has_templates_for(device.role):
        raise RenderError(
            f"there are no templates for {device.daemon} {device.version} on a {device.role}",
            where=device.name,
            hint=f"supported: {', '.join(supported_versions())}",
        )
    _require_registered(device, can)
    return render_for(can, device, templates=templates)


def _require_registered(device: DeviceIntent, can: Capabilities) -> None:
    """A provider whose list was never fetched would be refused all, or let in with all."""
    for session in device.sessions:
        registered = session.import_policy.irr if session.import_policy else None
        if registered is not None and registered.missing:
            hint = f"netorch filters update {session.peer}"
            where = f"{device.name}: {session.name}"
            raise RenderError(
                f"expected what is registered under {registered.as_set}, {registered.missing}", where=where, hint=hint
            )
    lists = {view.symbol: view for view in map(registered_of, device.sessions) if view is not None}
    origins = {view.origins: len(view.asns) for view in lists.values()}
    count = sum(origins.values()) + sum(len(view.entries) for view in lists.values())
    if can.most_registered is not None and count > can.most_registered:
        raise RenderError(
            f"{can.daemon} {can.release} takes minutes to load what its providers have registered: expected at most "
            f"{can.most_registered} prefixes and AS numbers, found {count}",
            where=device.name,
            hint="give the switch a newer release or BIRD, or its providers prefixes in place of irr",
        )


def render_for(can: Capabilities, device: DeviceIntent, *, templates: TemplateSource) -> tuple[FileItem, ...]:
    """As ``render_device``, for a daemon that is capable of ``can``, whatever the device's own is."""
    dialect = dialect_of(can.daemon)
    view = device_view(device, can)
    return tuple(
        FileItem(
            path=file.path,
            text=_render(file.template.format(role=device.role), device, view=view, templates=templates),
            mode=file.mode,
            group=file.group,
            daemon=can.daemon if file.is_main else "",
        )
        for file in dialect.files
    )


def _render(name: str, device: DeviceIntent, *, view: Mapping[str, Any], templates: TemplateSource) -> str:
    try:
        return templates.environment.get_template(name).render(view)
    except _TEMPLATE_FAILURES as error:
        message = error.message if isinstance(error, RenderError) else _words(error)
        where = f"{device.name}: {_place(error, name, templates.texts)}"
        raise RenderError(
            message, where=where, hint="netorch render shows the text of a device that renders"
        ) from error


def _words(error: Exception) -> str:
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error.name}"
    if isinstance(error, TemplateError):
        return error.message or type(error).__name__
    return f"{type(error).__name__}: {error}"


def _place(error: Exception, name: str, texts: Mapping[str, Any]) -> str:
    """``bird/switch.conf.j2:14``: the innermost template line that the error came through."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno}" for frame in frames if frame.filename in texts]
    return lines[-1] if lines else name
