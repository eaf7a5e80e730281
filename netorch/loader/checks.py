"""What makes a plugin fit to run: a wrong shape is an error at start that names the plugin, not a traceback later."""

from __future__ import annotations

import inspect
import re
from typing import AbstractSet, Any, Dict, Mapping, Sequence, Tuple

from netorch.api import Argument, Option, Plugin, Verb
from netorch.errors import PluginError
from netorch.model import items
from netorch.model.inventory import WrongSetting
from netorch.model.text import did_you_mean

HOOKS: Mapping[str, Tuple[str, ...]] = {
    "amend": ("intent", "overlay"),
    "needs": ("intent",),
    "propose": ("intent", "facts"),
    "later": ("intent", "facts"),
    "check": ("intent", "before", "after"),
    "lapse": ("overlay", "now"),
    "mistakes": ("settings",),
}
ARGUMENT_KINDS = ("text", "targets")
OPTION_KINDS = ("text", "int", "duration", "flag", "file")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD = re.compile(r"[a-z][a-z0-9-]*")


def check_shape(found: Any, name: str) -> Plugin:
    """``found`` if it is a plugin called ``name`` with hooks and verbs of the right shape; else PluginError."""
    if not isinstance(found, Plugin):
        raise PluginError(f"PLUGIN is of type {type(found).__name__}, expected Plugin, from netorch.api", where=name)
    if found.name != name or not _NAME.fullmatch(name):
        raise PluginError(
            f"PLUGIN is named {found.name!r}, expected {name!r}: lower-case letters, digits and underscores", where=name
        )
    for hook, parameters in HOOKS.items():
        _check_callable(getattr(found, hook), hook, parameters=parameters, where=name)
    _check_kinds(found)
    for verb in _each(found.verbs, Verb, what="verbs", where=name):
        _check_verb(verb, name)
    return found


def wrong_settings(plugin: Plugin, settings: Mapping[str, object]) -> Tuple[WrongSetting, ...]:
    """The settings that the plugin does not know, and what it has against the values of the others."""
    unknown = tuple(
        WrongSetting(
            (key,),
            "unknown setting",
            did_you_mean(key, plugin.settings, otherwise="there are ") or "it has no settings",
            is_unknown=True,
        )
        for key in settings
        if key not in plugin.settings
    )
    return (*unknown, *plugin.mistakes({key: value for key, value in settings.items() if key in plugin.settings}))


def refuse_settings(plugin: Plugin, wrong: Sequence[WrongSetting]) -> None:
    """PluginError for the first of ``wrong``."""
    for one in wrong:
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in one.path)
        raise PluginError(f"settings{key}: {one.message}", where=plugin.name, hint=one.hint)


def check_verbs(plugins: Sequence[Plugin], reserved: AbstractSet[str]) -> None:
    """PluginError when two commands have one name, or a command and a group of commands do."""
    owners: Dict[str, str] = {}
    groups: Dict[str, str] = {}
    for plugin in plugins:
        for verb in plugin.verbs:
            first, _, second = verb.name.partition(" ")
            taken = "netorch" if first in reserved else owners.get(verb.name) or owners.get(first)
            if not second:
                taken = taken or groups.get(first)
            if taken:
                raise PluginError(f"command {verb.name!r} is taken by {taken}", where=plugin.name)
            owners[verb.name] = plugin.name
            if second:
                groups.setdefault(first, plugin.name)


def _check_callable(hook: Any, what: str, *, parameters: Tuple[str, ...], where: str) -> None:
    expected = f"expected {what}({', '.join(parameters)})"
    if not callable(hook):
        raise PluginError(f"{what} is of type {type(hook).__name__}, {expected}", where=where)
    signature = inspect.signature(hook)
    try:
        signature.bind(*parameters)
    except TypeError as error:
        raise PluginError(f"{what} takes {signature}, {expected}", where=where) from error


def _check_kinds(plugin: Plugin) -> None:
    known = set(items.APPLY_ORDER)
    for kind in plugin.kinds:
        if kind not in known:
            raise PluginError(f"kinds has {kind!r}, expected classes of items from netorch.api", where=plugin.name)


def _each(found: Any, kind: type, *, what: str, where: str) -> Tuple[Any, ...]:
    if not isinstance(found, tuple):
        raise PluginError(f"{what} is of type {type(found).__name__}, expected a tuple of {kind.__name__}", where=where)
    for one in found:
        if not isinstance(one, kind):
            raise PluginError(f"{what} has {one!r}, expected {kind.__name__}", where=where)
    return found


def _check_verb(verb: Verb, where: str) -> None:
    words = verb.name.split(" ")
    if len(words) > 2 or not all(_WORD.fullmatch(word) for word in words):
        raise PluginError(f"verb {verb.name!r}: expected one or two words of lower-case letters", where=where)
    what = f"verb {verb.name!r}"
    _check_callable(verb.run, f"{what}: run", parameters=("context", "arguments"), where=where)
    arguments = _each(verb.arguments, Argument, what=f"{what}: arguments", where=where)
    options = _each(verb.options, Option, what=f"{what}: options", where=where)
    names = [one.name for one in (*arguments, *options)]
    for name in names:
        if not _WORD.fullmatch(name) or names.count(name) > 1:
            raise PluginError(f"{what}: {name!r} is not a name, or is there twice", where=where)
    for allowed, found in ((ARGUMENT_KINDS, arguments), (OPTION_KINDS, options)):
        for one in found:
            if one.kind not in allowed:
                raise PluginError(
                    f"{what}: {one.name} is of kind {one.kind!r}, expected {' or '.join(allowed)}", where=where
                )
    if any(argument.many for argument in arguments[:-1]):
        raise PluginError(f"{what}: only the last argument may take many", where=where)
