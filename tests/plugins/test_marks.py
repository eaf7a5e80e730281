"""The plugin marks, and the helper that reads its file."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from netorch.api import FileItem, Intent, RuleItem
from netorch.intent import derive_intent, desired_items
from netorch.loader import bundled_plugins
from netorch.mark import SO_MARK, mark_of, mark_socket, marks
from tests.plugins.example import INTENT
from tests.unit.inventory_texts import example, load

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "marks")
TEXT = "# packet mark, provider; written by netorch\n1001 northtel\n1002 southnet\n1003 meadow\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The file of a host of the first POP."""
    path = tmp_path / "marks"
    path.write_text(TEXT)
    return str(path)


def test_every_host_has_the_file() -> None:
    """Hosts, and nobody else, get their own providers by mark; the file is asked for, and the same for the same intent."""
    proposed = PLUGIN.propose(INTENT, {})
    hosts = [device.name for device in INTENT.devices if device.role == "host"]
    assert (list(proposed), list(PLUGIN.needs(INTENT))) == (hosts, hosts)
    (item,) = proposed["h1.pop1"]
    assert isinstance(item, FileItem)
    assert (item.path, item.text, item.mode) == ("/etc/netorch/marks", TEXT, 0o644)


def test_marks_and_rules_of_others_stay_when_a_provider_goes() -> None:
    """What is known of a provider by programs, its mark, its table and the rule between them, hangs on its number alone."""
    files = example()
    files["pops/pop1.yml"], count = re.subn(r"  - id: 1\n(?:    .*\n)+\n?", "", files["pops/pop1.yml"])
    files["pops/pop1.yml"], more = re.subn(r"  - id: 2\n(?:    .*\n)+\n?", "", files["pops/pop1.yml"])
    assert (count, more) == (1, 1)
    less = derive_intent(load(files))

    def known(intent: Intent) -> set[object]:
        host = intent.device("h1.pop1")
        assert {table.number for table in host.tables} == {1000 + table.provider_id for table in host.tables}
        return {item for item in desired_items(host) if isinstance(item, RuleItem)}

    gone = known(INTENT) - known(less)
    assert known(less) < known(INTENT)
    assert {rule.table for rule in gone if isinstance(rule, RuleItem)} == {1001}


def test_marks_by_name_and_number(file: str) -> None:
    """A provider is named, or its mark is given."""
    assert marks(file) == {"northtel": 1001, "southnet": 1002, "meadow": 1003}
    assert (mark_of("meadow", path=file), mark_of(1002, path=file)) == (1003, 1002)


@pytest.mark.parametrize(
    ("via", "words"), [("nobody", "there are meadow, northtel, southnet"), (7, "expected 1001 to")]
)
def test_what_is_no_mark(file: str, via: str, words: str) -> None:
    """Wrong names and numbers are told with what there is."""
    with pytest.raises(ValueError, match=words):
        mark_of(via, path=file)


def test_damaged_file(tmp_path: Path) -> None:
    """A line that is not netorch's is named with its number."""
    path = tmp_path / "marks"
    path.write_text("1001 northtel\nsouthnet 1002\n")
    with pytest.raises(ValueError, match=r"marks:2: expected a mark and a provider, found 'southnet 1002'"):
        marks(str(path))


def test_socket_is_marked(file: str) -> None:
    """The kernel has the mark."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        mark_socket(sock, "southnet", path=file)
        assert sock.getsockopt(socket.SOL_SOCKET, SO_MARK) == 1002
