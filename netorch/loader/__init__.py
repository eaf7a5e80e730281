"""Finds, loads and checks plugins.

A plugin is looked for in the folder that the inventory names, among those that netorch ships (``plugins/`` of a
checkout, ``netorch/_data/plugins`` in a wheel or zipapp) and in the entry points ``netorch.plugins`` of installed
packages, in this order; never in the current folder, since cron runs as root.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
import traceback
import types
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, AbstractSet, Any, Iterable, Iterator, List, Sequence, Tuple

import netorch
from netorch.api import Plugin
from netorch.errors import NetorchError, PluginError
from netorch.loader.checks import check_shape, check_verbs, refuse_settings, wrong_settings
from netorch.model.inventory import PluginSettings, WrongSetting
from netorch.model.text import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "netorch.plugins"

_PARENT = "netorch_plugins"
"""The package that plugins found by folder are loaded into: no plugin can shadow another module by its name."""


def load_plugins(settings: Iterable[PluginSettings], *, reserved: AbstractSet[str] = frozenset()) -> Tuple[Plugin, ...]:
    """The plugins that ``settings`` enable, in their order, checked. ``reserved`` are the commands of netorch itself.

    Raises PluginError, with the plugin's name as ``where``, for one that is missing, does not load, has the wrong
    shape, is given a setting that it does not know or cannot use, or has a command that is taken.
    """
    plugins: List[Plugin] = []
    for setting in settings:
        if any(plugin.name == setting.name for plugin in plugins):
            raise PluginError("is enabled twice", where=setting.name, hint="remove one of them under plugins")
        plugin, wrong = _judged(setting)
        refuse_settings(plugin, wrong)
        plugins.append(plugin)
    check_verbs(plugins, reserved)
    return tuple(plugins)


def find_mistakes(setting: PluginSettings) -> Tuple[WrongSetting, ...]:
    """Everything that is wrong with the settings of one plugin. Raises PluginError where the plugin itself is."""
    return _judged(setting)[1]


def _judged(setting: PluginSettings) -> Tuple[Plugin, Tuple[WrongSetting, ...]]:
    plugin = check_shape(_found(setting), setting.name)
    with _wrapped(setting.name):
        return plugin, wrong_settings(plugin, setting.settings)


def load_plugin(folder: Path) -> Plugin:
    """The plugin in ``folder``, checked: what a plugin's own tests start from. Raises PluginError."""
    folder = folder.resolve()
    return load_plugins([PluginSettings(name=folder.name, path=str(folder))])[0]


def bundled_plugins() -> Tuple[Plugin, ...]:
    """The plugins that come with netorch, by name, whether enabled or not."""
    return load_plugins(PluginSettings(name) for name in _bundled_names())


def _bundled_names() -> List[str]:
    return sorted({module.name for module in pkgutil.iter_modules(_bundled_roots()) if module.ispkg})


def _found(setting: PluginSettings) -> Any:
    """Whatever calls itself PLUGIN in the plugin called so."""
    if setting.path is not None:
        return _from_path(setting.name, Path(setting.path))
    for root in _bundled_roots():
        spec = importlib.machinery.PathFinder.find_spec(f"{_PARENT}.{setting.name}", [root])
        if spec is not None and spec.loader is not None:
            return _plugin_of(_loaded(spec, setting.name), setting.name)
    entries = _entry_points()
    mine = [entry for entry in entries if entry.name == setting.name]
    if len(mine) > 1:
        values = " and ".join(entry.value for entry in mine)
        raise PluginError(
            f"two installed packages offer it: {values}", where=setting.name, hint="remove one, or name a path"
        )
    if not mine:
        raise _unknown(setting.name, (*_bundled_names(), *(entry.name for entry in entries)))
    with _wrapped(setting.name):
        return mine[0].load()


def _bundled_roots() -> List[str]:
    package = Path(netorch.__file__).parent
    return [str(package / "_data" / "plugins"), str(package.parent / "plugins")]


def _from_path(name: str, folder: Path) -> Any:
    if not folder.is_absolute():
        raise PluginError(f"path {folder} is not absolute", where=name)
    files = [folder / "__init__.py", folder / "plugin.py"]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise PluginError(
            f"nothing to load in {folder}, expected {files[0].name} or {files[1].name} there",
            where=name,
            hint="path, under plugins, names the plugin's own folder, relative to the inventory",
        )
    spec = importlib.util.spec_from_file_location(f"{_PARENT}.{name}", file, submodule_search_locations=[str(folder)])
    if spec is None:
        raise PluginError(f"{file} cannot be loaded", where=name)
    return _plugin_of(_loaded(spec, name), name)


def _loaded(spec: importlib.machinery.ModuleSpec, name: str) -> types.ModuleType:
    """The module of ``spec``, executed anew together with its submodules."""
    for loaded in [key for key in sys.modules if key == spec.name or key.startswith(f"{spec.name}.")]:
        del sys.modules[loaded]
    if _PARENT not in sys.modules:
        parent = types.ModuleType(_PARENT)
        parent.__path__ = []
        sys.modules[_PARENT] = parent
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _wrapped(name):
        assert spec.loader is not None
        spec.loader.exec_module(module)
    return module


def _plugin_of(module: types.ModuleType, name: str) -> Any:
    if not hasattr(module, "PLUGIN"):
        raise PluginError(
            f"{module.__file__} defines no PLUGIN",
            where=name,
            hint='expected PLUGIN = Plugin(name="..."), from netorch.api',
        )
    return module.PLUGIN


@contextmanager
def _wrapped(name: str) -> Iterator[None]:
    """Whatever a plugin raises while it is loaded becomes a PluginError that says where it came from."""
    try:
        yield
    except Exception as error:
        message = error.message if isinstance(error, NetorchError) else str(error)
        raise PluginError(f"{_place(error)}: {type(error).__name__}: {message}", where=name) from error


def _place(error: Exception) -> str:
    """File and line of the plugin that ``error`` comes from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "while loading"


def _is_machinery(filename: str) -> bool:
    return filename == __file__ or filename.startswith(("<frozen", os.path.dirname(importlib.__file__)))


def _entry_points() -> Sequence[EntryPoint]:
    """The entry points of installed packages, sorted; a folder that is searched only because someone stands in it does
    not count."""
    from importlib.metadata import distributions  # slow to import, and needed only for a plugin found nowhere else

    here = os.getcwd()
    paths = [path for path in sys.path if path and os.path.realpath(path) != here]
    found = {
        (entry.name, entry.value): entry
        for distribution in distributions(path=paths)
        for entry in distribution.entry_points
        if entry.group == ENTRY_POINTS
    }
    return [found[key] for key in sorted(found)]


def _unknown(name: str, known: Iterable[str]) -> PluginError:
    hint = did_you_mean(name, sorted(set(known)), otherwise="there are ")
    more = "" if hint.endswith("?") else "; or name its folder as path"
    return PluginError("no plugin is called so", where=name, hint=hint + more)
