"""What a POP's twin is made of."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.model.codec import from_json, to_json
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact
from netorch.model.inventory import Inventory
from netorch.model.items import NeighbourItem, RuleItem
from netorch.model.types import Family, Mac
from netorch.rehearsal.base import Base, find_base, unpack
from netorch.rehearsal.brief import Brief, GivenSecrets
from netorch.rehearsal.twin import Network, Twin, make_twin, present_neighbours
from tests.unit.inventory_texts import example, load

SOUTHNET, SWITCH = 3, "sw2.pop1"
SESSION = "protocol bgp southnet_3_v4 {{ neighbor 203.0.113.9 as 64497; {password} ipv4 {{ import all; }}; }}\n"


def facts(text: str) -> DeviceFacts:
    """What southnet's switch reports when its file says ``text``."""
    daemon = DaemonFacts("bird", "2.0.12", True, "aa", "aa")
    return DeviceFacts(SWITCH, "", "", 1, daemon, files=(FileFact("/etc/bird/bird.conf", "", 0o640, text),))


def network(inventory: Inventory, password: str) -> Network:
    """``inventory``, whose secret for southnet is ``password``."""
    reference = next(str(circuit.password) for circuit in load(example()).circuits if circuit.id == SOUTHNET)
    return Network(inventory, GivenSecrets({reference: password}))


def twin(after: Network, before: Network | None = None, **asked: DeviceFacts) -> Twin:
    """The twin of pop1; every device of ``asked`` has told what it runs."""
    given = {name.replace("_", "."): found for name, found in asked.items()}
    brief = Brief("/srv/inventory", ("sw1.pop1",), "me", facts=given)
    return make_twin(brief, after, before, pops=("pop1",), environment={"NETORCH_ROOTFS": "/srv/rootfs"})


def password(found: Twin) -> str | None:
    """What southnet believes its password to be."""
    reference = found.inventory.circuit("southnet-pop1").password
    assert found.settings.secrets is not None
    return found.settings.secrets.resolve(str(reference)) if reference is not None else None


def test_twin_has_its_own_addresses_and_small_tables() -> None:
    """Only the POPs concerned, at management addresses that the lab may take, reached with the twin's own key."""
    found = twin(network(load(example()), "x"))
    assert [pop.name for pop in found.inventory.pops] == ["pop1"]
    assert {speaker.prefixes_ipv4 for speaker in found.inventory.lab} == {200}
    assert all(device.ssh.address.startswith("198.18.0.") for device in found.inventory.devices)
    assert len({device.ssh.address for device in found.inventory.devices}) == 5
    assert found.candidate.device("h1.pop1").ssh == found.inventory.device("h1.pop1").ssh
    assert [pop.name for pop in found.candidate.pops] == ["pop1", "pop2"]
    assert str(found.settings.root_of("debian13")) == "/srv/rootfs/debian13"


@pytest.mark.parametrize(("statement", "expected"), [('password "today";', "today"), ("", None)])
def test_provider_has_the_password_that_runs(statement: str, expected: str | None) -> None:
    """What the switch runs counts, whatever candidate and base say."""
    after, before = network(load(example()), "tomorrow"), network(load(example()), "yesterday")
    assert password(twin(after, before, sw2_pop1=facts(SESSION.format(password=statement)))) == expected


def test_provider_of_a_switch_that_was_not_asked_has_the_password_of_the_base() -> None:
    """And without a base that of the candidate."""
    after, before = network(load(example()), "tomorrow"), network(load(example()), "yesterday")
    assert password(twin(after, before)) == "yesterday"
    assert password(twin(after)) == "tomorrow"


def test_removed_circuit_is_still_plugged_in() -> None:
    """A circuit that only the base has is played, with its provider, unless its port is somebody else's now."""
    before = load(example())
    pop = before.pops[0]
    after = replace(before, pops=(replace(pop, circuits=pop.circuits[:-1]), *before.pops[1:]))
    found = twin(network(after, "x"), network(before, "x"))
    assert [circuit.name for circuit in found.inventory.circuits] == [circuit.name for circuit in pop.circuits]
    assert [c.name for c in found.candidate.pop("pop1").circuits] == [c.name for c in pop.circuits[:-1]]
    moved = replace(pop.circuits[0], port=pop.circuits[-1].port, switch=pop.circuits[-1].switch, id=99, name="new")
    after = replace(before, pops=(replace(pop, circuits=(*pop.circuits[:-1], moved)), *before.pops[1:]))
    names = [circuit.name for circuit in twin(network(after, "x"), network(before, "x")).inventory.circuits]
    assert pop.circuits[-1].name not in names


def test_mirror_entries_get_the_twins_macs() -> None:
    """A provider's real MAC address is nobody's in the twin; entries of addresses that are not played are left out."""
    found = twin(network(load(example()), "x"))
    rule = RuleItem(Family.IPV4, 10001, 1001, 1001)
    real = NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("aa:aa:aa:aa:aa:aa"))
    stranger = NeighbourItem("eth0", ip_address("203.0.113.201"), Mac("aa:aa:aa:aa:aa:ab"))
    given = replace(facts(""), items=(rule, real, stranger))
    items = present_neighbours(given, found.macs()).items
    assert items == (rule, replace(real, mac=found.macs()[real.address]))
    assert items[1] != real


def test_brief_travels_as_json() -> None:
    """What is told to the other process arrives whole."""
    brief = Brief("/srv", ("h1.pop1",), "me", Base("inventory", "/srv", "/repo", "abc"), {SWITCH: facts("x")}, 50)
    assert from_json(Brief, to_json(brief)) == brief


def test_secret_that_was_not_resolved_is_named_only() -> None:
    """The error names the reference; values are in no representation."""
    secrets = GivenSecrets({"env:A": "hidden-value"})
    with pytest.raises(NetorchError, match="env:B"):
        secrets.resolve("env:B")
    assert "hidden-value" not in repr(secrets)


# ---- bases -------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit has an inventory, and whose second has another one."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.net")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "empty")
    for text in ("name: first\n", "name: second\n"):
        (tmp_path / "inventory").mkdir(exist_ok=True)
        (tmp_path / "inventory/network.yml").write_text(text)
        git("add", "--all")
        git("commit", "-m", text)
    return tmp_path


def test_revision_is_unpacked_beside_the_working_tree(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The revision's files, while secrets are looked for where the inventory is."""
    folder = repository / "inventory"
    base = find_base(folder, "HEAD~1")
    found = unpack(base, tmp_path_factory.mktemp("base") / "new")
    assert (found / "network.yml").read_text() == "name: first\n"
    assert (folder / "network.yml").read_text() == "name: second\n"
    assert base.secrets == str(folder)


def test_folder_is_its_own_base(tmp_path: Path) -> None:
    """Nothing is copied, and its secrets are its own."""
    base = find_base(Path("/nonexistent"), str(tmp_path))
    assert (unpack(base, tmp_path / "new"), base.secrets) == (tmp_path, str(tmp_path))


@pytest.mark.parametrize(
    ("base", "words"),
    [("v9", "no folder and no git revision: v9"), ("HEAD~2", "has no inventory in inventory"), ("--all", "--all")],
)
def test_base_that_is_not_there_is_named(repository: Path, base: str, words: str) -> None:
    """With what was looked for."""
    with pytest.raises(NetorchError, match=words):
        find_base(repository / "inventory", base)
