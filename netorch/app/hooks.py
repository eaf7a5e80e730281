"""Calls plugins' hooks: what a plugin raises is told with its name."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

from netorch.api import Plugin
from netorch.errors import NetorchError, PluginError

T = TypeVar("T")


def call_hook(plugin: Plugin, hook: Callable[..., T], *arguments: object) -> T:
    """What ``hook`` of ``plugin`` returns for ``arguments``.

    Raises PluginError that names plugin, file and line for whatever else than a NetorchError it raises: the code is not
    netorch's own.
    """
    try:
        return hook(*arguments)
    except NetorchError:
        raise
    except Exception as exc:
        place = traceback.extract_tb(exc.__traceback__)[-1]
        message = f"{type(exc).__name__} in {place.filename}:{place.lineno}: {exc}"
        raise PluginError(message, where=plugin.name, hint="leave it out under plugins in network.yml") from exc
