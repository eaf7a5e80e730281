"""Reading the inventory's folder, with real files and a real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from netorch.errors import InventoryError
from netorch.inventory import load_inventory
from netorch.io.inventory_files import lacks_commit, read_inventory
from tests.unit.inventory_texts import small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small inventory on disk, outside of git."""
    root = tmp_path / "inventory"
    for file, text in small().items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def git(folder: Path, *command: str) -> str:
    """Run git as somebody."""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.net", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *identity, *command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def message(folder: Path | str) -> str:
    """The one finding about ``folder``."""
    with pytest.raises(InventoryError) as caught:
        read_inventory(str(folder))
    return str(caught.value)


def test_folder_is_read_and_can_be_loaded(folder: Path) -> None:
    """Texts come by relative path, and make an inventory."""
    files = read_inventory(str(folder))
    assert dict(files.texts) == small()
    assert (files.folder, files.commit) == (str(folder), "")
    assert len(load_inventory(files.texts, folder=files.folder, shown=files.shown).devices) == 3


def test_folder_becomes_absolute_and_is_shown_as_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name what the operator wrote; paths in the model start from the absolute folder."""
    monkeypatch.chdir(folder.parent)
    files = read_inventory("./inventory/")
    assert (files.folder, files.shown) == (str(folder), "inventory")
    monkeypatch.chdir(folder)
    files = read_inventory(".")
    assert (files.folder, files.shown) == (str(folder), "")


def test_hidden_folders_and_other_files_are_left_out(folder: Path) -> None:
    """Only YAML files count, and none of an editor's or git's own folders."""
    for name in (".cache/x.yml", "README.md", "pops/.pop1.yml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x: 1")
    assert set(read_inventory(str(folder)).texts) == set(small())


def test_inventory_inside_another_is_left_out(folder: Path) -> None:
    """A folder with a network.yml of its own is no part of the inventory that it lies in."""
    nested = folder / "examples" / "other"
    (nested / "pops").mkdir(parents=True)
    for file in ("network.yml", "pops/site1.yml"):
        (nested / file).write_text("name: other\n")
    assert dict(read_inventory(str(folder)).texts) == small()
    assert set(read_inventory(str(nested)).texts) == {"network.yml", "pops/site1.yml"}


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """The path that does not exist, and how to give another."""
    text = message(tmp_path / "nowhere")
    assert text == (
        f"{tmp_path}/nowhere: expected a folder, found nothing\n"
        "  hint: name the inventory's folder with --inventory DIR or NETORCH_INVENTORY"
    )


def test_folder_that_is_a_file(folder: Path) -> None:
    """A file in place of the folder is told apart from nothing."""
    assert "expected a folder, found a file" in message(folder / "network.yml")


def test_folder_without_network_file(folder: Path) -> None:
    """Any folder is not an inventory."""
    (folder / "network.yml").unlink()
    assert "expected an inventory, found no network.yml in it" in message(folder)


def test_bytes_that_are_no_text_are_all_found(folder: Path) -> None:
    """Every file that is not UTF-8 is reported, with the place of its first wrong byte."""
    (folder / "lab.yml").write_bytes("speakers:\n  - provider: nörthtel\n".encode("latin-1"))
    (folder / "providers.yml").write_bytes(b"\xff\xfe")
    found = message(folder).splitlines()
    assert found[0] == f"{folder}/lab.yml:2:16: expected UTF-8 text, found the byte 0xf6"
    assert found[2] == f"{folder}/providers.yml:1:1: expected UTF-8 text, found the byte 0xff"


def test_fifo_does_not_block(folder: Path) -> None:
    """What is no regular file is refused, not waited for."""
    os.mkfifo(folder / "pops" / "pop2.yml")
    assert message(folder) == f"{folder}/pops/pop2.yml: expected a regular file"


def test_broken_link_is_reported(folder: Path) -> None:
    """A symbolic link to nothing is no silent gap."""
    (folder / "pops" / "pop2.yml").symlink_to("nowhere.yml")
    assert message(folder) == f"{folder}/pops/pop2.yml: expected a regular file"


def test_commit_is_that_of_the_folder(folder: Path) -> None:
    """The commit, with a mark while a file of the folder differs from it; other folders do not matter."""
    git(folder.parent, "init", "-q")
    assert read_inventory(str(folder)).commit == ""
    git(folder.parent, "add", "inventory")
    git(folder.parent, "commit", "-q", "-m", "x")
    head = git(folder, "rev-parse", "HEAD")
    assert read_inventory(str(folder)).commit == head
    (folder.parent / "elsewhere").write_text("x")
    assert read_inventory(str(folder)).commit == head
    (folder / "lab.yml").write_text("speakers: []\n")
    assert read_inventory(str(folder)).commit == f"{head}-dirty"
    git(folder, "checkout", "-q", "lab.yml")
    (folder / "pops" / "pop2.yml").write_text("name: pop2\n")
    assert read_inventory(str(folder)).commit == f"{head}-dirty"


@pytest.fixture
def history(folder: Path) -> tuple[str, str, str]:
    """Three commits of the folder, one after the other."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    for message_of in ("one", "two", "three"):
        git(folder, "commit", "-q", "--allow-empty", "-m", message_of)
    first, second, third = git(folder, "rev-list", "--reverse", "HEAD").split()
    return first, second, third


def test_a_commit_that_is_not_behind_this_one_is_lacked(folder: Path, history: tuple[str, str, str]) -> None:
    """A newer one, one of another branch, and one that nobody has here; not so what came before, or the commit itself."""
    first, second, third = history
    assert [lacks_commit(str(folder), commit, at=second) for commit in history] == [False, False, True]
    assert lacks_commit(str(folder), f"{third}-dirty", at=f"{second}-dirty")
    assert not lacks_commit(str(folder), f"{second}-dirty", at=second)
    git(folder, "checkout", "-q", "-b", "aside", first)
    git(folder, "commit", "-q", "--allow-empty", "-m", "aside")
    assert lacks_commit(str(folder), git(folder, "rev-parse", "HEAD"), at=third)
    assert lacks_commit(str(folder), "1" * 40, at=third)


@pytest.mark.parametrize("found", ["", "--output=/tmp/x", "HEAD", "0.1.0"])
def test_what_is_no_commit_is_not_lacked(folder: Path, history: tuple[str, str, str], found: str) -> None:
    """A device says what it likes; git is asked about commits alone."""
    assert not lacks_commit(str(folder), found, at=history[0])
    assert not lacks_commit(str(folder), history[0], at=found)


def test_nothing_is_lacked_where_git_cannot_tell(folder: Path, history: tuple[str, str, str], tmp_path: Path) -> None:
    """Outside of a checkout; and in a shallow clone what is not there may be older, what is there and newer is not."""
    first, second, third = history
    assert not lacks_commit(str(tmp_path), third, at=first)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{folder}", str(shallow))
    assert not lacks_commit(str(shallow), first, at=third)
    assert not lacks_commit(str(shallow), "1" * 40, at=third)
    assert lacks_commit(str(shallow), third, at=second)
