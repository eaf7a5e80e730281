"""Which root file system a device of the lab lies on, and when one is good enough."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.lab import rootfs_folder
from netorch.lab.plan import OWN_ROOT
from netorch.lab.rootfs import ROOTFSES, STAMP, check_rootfses, rootfs_for
from netorch.model.capabilities import RELEASES

NAMES = [rootfs.name for rootfs in ROOTFSES]


def put(folder: Path, name: str, text: str) -> None:
    """A root file system that consists of its stamp."""
    stamp = folder / name / STAMP
    stamp.parent.mkdir(parents=True)
    stamp.write_text(text)


def test_every_known_release_can_be_played() -> None:
    """What netorch knows of, the lab has a root for."""
    roots = {rootfs_for(known.daemon, known.release) for known in RELEASES}
    assert roots == {OWN_ROOT, *NAMES}


@pytest.mark.parametrize(
    ("version", "name"), [("2.17", "debian13"), ("2.17.5", "debian13"), ("3.1.7", "debian13-bird3")]
)
def test_a_patch_level_is_played_by_its_release(version: str, name: str) -> None:
    """The inventory may say more than the release."""
    assert rootfs_for("bird", version) == name


@pytest.mark.parametrize("version", ["2.1", "2.0.1", "2.170", "3", "9.1", ""])
def test_another_release_is_refused(version: str) -> None:
    """No version is taken for a similar one."""
    with pytest.raises(NetorchError, match="the lab has no bird"):
        rootfs_for("bird", version)


def test_whole_and_up_to_date_ones_are_taken(tmp_path: Path) -> None:
    """A stamp that says the present recipe is enough."""
    for rootfs in ROOTFSES:
        put(tmp_path, rootfs.name, json.dumps(rootfs.recipe))
    check_rootfses(tmp_path, [*NAMES, OWN_ROOT])


@pytest.mark.parametrize(
    "text", ["", "{", "{}", '{"name": "debian13", "suite": "trixie", "versions": [], "packages": []}']
)
def test_half_made_or_outdated_ones_are_not(tmp_path: Path, text: str) -> None:
    """One without its stamp, or made from something else, is as good as none; the error names it and the command."""
    for rootfs in ROOTFSES[1:]:
        put(tmp_path, rootfs.name, json.dumps(rootfs.recipe))
    put(tmp_path, NAMES[0], text)
    with pytest.raises(NetorchError, match=f"{NAMES[0]}, found none") as raised:
        check_rootfses(tmp_path, NAMES)
    assert "./dev rootfs" in raised.value.hint
    assert NAMES[1] not in raised.value.message


def test_folder_is_where_the_environment_says() -> None:
    """Without a word from it, the usual place."""
    assert rootfs_folder({"NETORCH_ROOTFS": "/srv/x"}) == Path("/srv/x")
    assert rootfs_folder({}) == rootfs_folder({"NETORCH_ROOTFS": ""}) == Path("/var/cache/netorch")
