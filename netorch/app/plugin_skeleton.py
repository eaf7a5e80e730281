"""A new plugin to start from."""

from __future__ import annotations

import re

from netorch.data import data_text
from netorch.errors import UsageError
from netorch.loader import bundled_plugins

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

_FILES = {
    "{name}/__init__.py": "templates/plugin/plugin.py.txt",
    "{name}/test_{name}.py": "templates/plugin/test_plugin.py.txt",
    "{name}/README.md": "templates/plugin/README.md.txt",
}


def skeleton(name: str) -> dict[str, str]:
    """The files of a working plugin called ``name`` with its test, by their path below the folder of plugins.

    Raises UsageError for a name that no plugin can have, or that one of netorch's own has.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a plugin's name",
            hint="lower-case letters, digits and underscores, a letter first, at most 40",
        )
    if name in {plugin.name for plugin in bundled_plugins()}:
        raise UsageError(f"netorch has a plugin {name!r} of its own", hint="choose another name")
    return {path.format(name=name): _filled(data_text(source), name) for path, source in _FILES.items()}


def _filled(text: str, name: str) -> str:
    return text.replace("PLUGIN_NAME", name).replace("VERB_NAME", name.rstrip("_").replace("_", "-"))
