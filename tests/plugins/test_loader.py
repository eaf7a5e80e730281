"""Finding plugins, and refusing those of the wrong shape."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from netorch.api import Plugin
from netorch.errors import PluginError
from netorch.loader import bundled_plugins, load_plugin, load_plugins
from netorch.model.inventory import PluginSettings
from tests.plugins.example import ROOT

HEAD = "from netorch.api import *\nfrom netorch.api import Plugin, Verb, Argument, Option\n"


def write(folder: Path, text: str, *, name: str = "thing", file: str = "__init__.py") -> Path:
    """A plugin's folder with one file."""
    target = folder / name
    target.mkdir(exist_ok=True)
    (target / file).write_text(text, encoding="utf-8")
    return target


def refusal(folder: Path) -> PluginError:
    """Why the plugin in ``folder`` is not loaded."""
    with pytest.raises(PluginError) as refused:
        load_plugin(folder)
    return refused.value


def test_bundled_plugins_are_found_in_order() -> None:
    """Those that come with netorch, by name, with their verbs."""
    verbs = {plugin.name: [verb.name for verb in plugin.verbs] for plugin in bundled_plugins()}
    assert list(verbs) == sorted(verbs)
    assert verbs["drain"] == ["drain", "undrain", "drains"]
    assert verbs["arp_mirror"] == ["arp show", "arp sync"]
    assert verbs["describe"] == []
    assert verbs["routes"] == ["routes list", "routes set", "routes withdraw"]
    assert verbs["announce"] == ["announce", "withdraw", "announcements"]
    assert verbs["steer"] == ["steer", "unsteer", "steers"]


def test_plugins_come_in_the_inventorys_order() -> None:
    """The order decides which amends first."""
    names = ("describe", "drain", "arp_mirror")
    assert tuple(plugin.name for plugin in load_plugins(map(PluginSettings, names))) == names


@pytest.mark.parametrize("file", ["__init__.py", "plugin.py"])
def test_plugin_is_loaded_by_path(tmp_path: Path, file: str) -> None:
    """From either file, with modules of its own beside it."""
    folder = write(tmp_path, HEAD + "from .part import HELP\nPLUGIN = Plugin('thing', HELP)\n", file=file)
    write(tmp_path, "HELP = 'helps'\n", file="part.py")
    assert load_plugin(folder) == Plugin("thing", "helps")


def test_two_plugins_may_have_modules_of_one_name(tmp_path: Path) -> None:
    """Each sees its own."""
    for name in ("one", "two"):
        write(tmp_path, f"{HEAD}from .part import HELP\nPLUGIN = Plugin('{name}', HELP)\n", name=name)
        write(tmp_path, f"HELP = 'of {name}'\n", name=name, file="part.py")
    plugins = load_plugins(PluginSettings(name, path=str(tmp_path / name)) for name in ("one", "two"))
    assert [plugin.help for plugin in plugins] == ["of one", "of two"]


def test_plugin_shadows_no_module(tmp_path: Path) -> None:
    """A plugin called like a module of the standard library is only ever a plugin."""
    plugin = load_plugin(write(tmp_path, HEAD + "PLUGIN = Plugin('json', '')\n", name="json"))
    import json

    assert (plugin.name, json.loads("1")) == ("json", 1)


def test_current_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cron runs as root, wherever it stands: neither folders nor installed-looking packages there count."""
    write(tmp_path, HEAD + "PLUGIN = Plugin('thing', '')\n")
    write(tmp_path / "thing", "", name="plugins")
    _install(tmp_path, "thing", "thing:PLUGIN")
    monkeypatch.chdir(tmp_path)
    for entry in ("", str(tmp_path)):
        monkeypatch.syspath_prepend(entry)
        with pytest.raises(PluginError, match="no plugin is called so"):
            load_plugins([PluginSettings("thing")])


def _install(folder: Path, name: str, value: str, *, package: str = "stranger") -> None:
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[netorch.plugins]\n{name} = {value}\n", encoding="utf-8")


def test_installed_plugin_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed offers its plugin by name."""
    (tmp_path / "stranger_module.py").write_text(HEAD + "PLUGIN = Plugin('installed', 'x')\n", encoding="utf-8")
    _install(tmp_path, "installed", "stranger_module:PLUGIN")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_plugins([PluginSettings("installed")]) == (Plugin("installed", "x"),)


def test_entry_point_that_two_packages_offer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them would run must not depend on the order of a search."""
    _install(tmp_path, "installed", "a:PLUGIN", package="a")
    _install(tmp_path, "installed", "b:PLUGIN", package="b")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match="two installed packages offer it: a:PLUGIN and b:PLUGIN"):
        load_plugins([PluginSettings("installed")])


def test_bundled_plugins_load_from_a_zip(tmp_path: Path) -> None:
    """As in the agent: a device has no folder to look into."""
    archive = tmp_path / "agent.pyz"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in ROOT.glob("netorch/**/*.py"):
            zipped.write(path, path.relative_to(ROOT))
        for path in ROOT.glob("plugins/**/*.py"):
            zipped.write(path, Path("netorch/_data") / path.relative_to(ROOT))
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "import netorch.loader\n"
        "print(netorch.__file__, *(plugin.name for plugin in netorch.loader.bundled_plugins()))\n"
    )
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    bundled = ["announce", "arp_mirror", "describe", "drain", "marks", "routes", "steer"]
    assert found.stdout.split() == [f"{archive}/netorch/__init__.py", *bundled], found.stderr


def test_unknown_plugin_names_the_nearest() -> None:
    """A slip of the finger is named."""
    with pytest.raises(PluginError) as refused:
        load_plugins([PluginSettings("arp_miror")])
    assert (str(refused.value), refused.value.hint) == (
        "arp_miror: no plugin is called so",
        "did you mean 'arp_mirror'?",
    )


def test_plugin_enabled_twice_is_refused() -> None:
    """Its items would be claimed twice."""
    with pytest.raises(PluginError, match="drain: is enabled twice"):
        load_plugins([PluginSettings("drain"), PluginSettings("drain")])


def test_setting_that_the_plugin_does_not_know_is_refused(tmp_path: Path) -> None:
    """A setting is never ignored silently."""
    folder = write(tmp_path, HEAD + "PLUGIN = Plugin('thing', '', settings=('label',))\n")
    with pytest.raises(PluginError, match=r"thing: settings\.lable: unknown setting") as refused:
        load_plugins([PluginSettings("thing", {"lable": "x"}, str(folder))])
    assert refused.value.hint == "did you mean 'label'?"
    with pytest.raises(PluginError, match=r"describe: settings\.x: unknown setting") as refused:
        load_plugins([PluginSettings("describe", {"x": 1})])
    assert refused.value.hint == "it has no settings"


def test_setting_that_the_plugin_cannot_use_is_refused() -> None:
    """No command begins with it."""
    with pytest.raises(PluginError, match=r"routes: settings\.announce\[1\]: expected a prefix, found 'x'"):
        load_plugins([PluginSettings("routes", {"announce": ["192.0.2.64/26", "x"]})])


def test_plugin_that_fails_over_its_settings_is_named(tmp_path: Path) -> None:
    """What it raises is its own mistake, and told with its place."""
    text = "PLUGIN = Plugin('thing', '', settings=('x',), mistakes=lambda settings: 1 / settings['x'])\n"
    with pytest.raises(PluginError, match=r"thing: .*thing/__init__.py:\d+: ZeroDivisionError"):
        load_plugins([PluginSettings("thing", {"x": 0}, str(write(tmp_path, HEAD + text)))])


def test_folder_without_a_plugin_says_what_was_expected(tmp_path: Path) -> None:
    """The path names the plugin's own folder."""
    (tmp_path / "thing").mkdir()
    error = refusal(tmp_path / "thing")
    assert str(error) == f"thing: nothing to load in {tmp_path}/thing, expected __init__.py or plugin.py there"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("import nothing_of_the_kind\n", ":1", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("\n\nPLUGIN = (\n", ":3", "SyntaxError: "),
        ("def made():\n    return 1 / 0\n\nPLUGIN = made()\n", ":2", "ZeroDivisionError: division by zero"),
        ("from netorch.api import Plugni\n", ":1", "ImportError: cannot import name 'Plugni'"),
        ("from .gone import x\n", ":1", "ModuleNotFoundError: No module named 'netorch_plugins.thing.gone'"),
    ],
)
def test_failure_to_load_says_where(tmp_path: Path, text: str, place: str, message: str) -> None:
    """File and line of the plugin, and the error in Python's words."""
    folder = write(tmp_path, text)
    assert str(refusal(folder)).startswith(f"thing: {folder}/__init__.py{place}: {message}")


VERB = """
def run(context, arguments):
    yield None

def verb(**fields):
    return Verb(**{**dict(name='v', help='', run=run), **fields})

"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "defines no PLUGIN"),
        ("PLUGIN = {}", "PLUGIN is of type dict, expected Plugin, from netorch.api"),
        ("PLUGIN = Plugin('other', '')", "PLUGIN is named 'other', expected 'thing': "),
        ("PLUGIN = Plugin('thing', '', amend=3)", "amend is of type int, expected amend(intent, overlay)"),
        (
            "PLUGIN = Plugin('thing', '', amend=lambda intent: intent)",
            "amend takes (intent), expected amend(intent, overlay)",
        ),
        ("PLUGIN = Plugin('thing', '', needs=lambda a, b: {})", "needs takes (a, b), expected needs(intent)"),
        ("PLUGIN = Plugin('thing', '', propose=lambda: {})", "propose takes (), expected propose(intent, facts)"),
        ("PLUGIN = Plugin('thing', '', later=lambda *, a: {})", "later takes (*, a), expected later(intent, facts)"),
        ("PLUGIN = Plugin('thing', '', kinds=(str,))", "kinds has <class 'str'>, expected classes of items"),
        ("PLUGIN = Plugin('thing', '', verbs=[verb()])", "verbs is of type list, expected a tuple of Verb"),
        ("PLUGIN = Plugin('thing', '', verbs=('v',))", "verbs has 'v', expected Verb"),
        ("PLUGIN = Plugin('thing', '', verbs=(verb(name='a b c'),))", "verb 'a b c': expected one or two words"),
        ("PLUGIN = Plugin('thing', '', verbs=(verb(name='-x'),))", "verb '-x': expected one or two words"),
        (
            "PLUGIN = Plugin('thing', '', verbs=(verb(run=lambda c: None),))",
            "verb 'v': run takes (c), expected verb 'v': run(context, arguments)",
        ),
        (
            "PLUGIN = Plugin('thing', '', verbs=(verb(options=(Option('x', kind='float'),)),))",
            "verb 'v': x is of kind 'float', expected text or int or duration or flag",
        ),
        (
            "PLUGIN = Plugin('thing', '', verbs=(verb(arguments=(Argument('x', kind='pop'),)),))",
            "verb 'v': x is of kind 'pop', expected text or targets",
        ),
        (
            "PLUGIN = Plugin('thing', '', verbs=(verb(arguments=(Argument('a', many=True), Argument('b'))),))",
            "verb 'v': only the last argument may take many",
        ),
        (
            "PLUGIN = Plugin('thing', '', verbs=(verb(arguments=(Argument('a'),), options=(Option('a'),)),))",
            "verb 'v': 'a' is not a name, or is there twice",
        ),
        ("PLUGIN = Plugin('thing', '', verbs=(verb(), verb()))", "command 'v' is taken by thing"),
        ("PLUGIN = Plugin('thing', '', verbs=(verb(), verb(name='v x')))", "command 'v x' is taken by thing"),
        ("PLUGIN = Plugin('thing', '', verbs=(verb(name='v x'), verb()))", "command 'v' is taken by thing"),
    ],
)
def test_wrong_shape_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Named with the plugin, what was found and what was expected."""
    error = refusal(write(tmp_path, f"{HEAD}{VERB}{text}\n"))
    assert error.where == "thing"
    assert re.search(re.escape(message), error.message), error.message


def test_commands_of_netorch_are_taken(tmp_path: Path) -> None:
    """No plugin takes the place of deploy."""
    folder = write(tmp_path, f"{HEAD}{VERB}PLUGIN = Plugin('thing', '', verbs=(verb(name='deploy'),))\n")
    with pytest.raises(PluginError, match="command 'deploy' is taken by netorch"):
        load_plugins([PluginSettings("thing", path=str(folder))], reserved={"deploy"})


def test_two_plugins_with_one_command_are_refused(tmp_path: Path) -> None:
    """The later one in the inventory is named, and who had it first."""
    for name in ("one", "two"):
        write(tmp_path, f"{HEAD}{VERB}PLUGIN = Plugin('{name}', '', verbs=(verb(),))\n", name=name)
    with pytest.raises(PluginError, match="two: command 'v' is taken by one"):
        load_plugins(PluginSettings(name, path=str(tmp_path / name)) for name in ("one", "two"))
