"""What the inventory may say of a provider's routes, in the daemons' languages, as the daemons themselves read it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netorch.app.registries import with_registered
from netorch.intent import derive_intent
from netorch.inventory import load_inventory
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.inventory import Inventory
from netorch.render import TemplateSource, render_for, seal
from netorch.render.bird.quoting import bird_set_number
from tests.policy.table import FOLDER
from tests.unit.inventory_texts import edited, texts

TEMPLATES = TemplateSource(read_templates())
CHECKS = {"bird": ("bird", "-p", "-c"), "frr": ("vtysh", "-C", "-f")}
VERSIONS = {"bird": "2.0.12", "frr": "8.4.4"}
DROPPABLE = "45.64.0.0/20{32,32}"
BAKERY = "    default_route: true\n"
POLICY = "  max_path_length: 16\n"


def inventory(*edits: tuple[str, str, str]) -> Inventory:
    """The inventory of tests/policy, each edit a file, a text in it and what to put in its place; one with BIRD throughout."""
    files = texts(FOLDER / "inventory")
    files = edited(files, "pops/pop2.yml", ("    daemon: frr\n    version: 8.4.4\n", ""))
    for file, find, put in edits:
        files = edited(files, file, (find, put))
    return with_registered(load_inventory(files, folder=str(FOLDER / "inventory")))


def rendered(daemon: str, found: Inventory, folder: Path) -> str:
    """The first switch's configuration, which its daemon accepts."""
    can = capabilities_of(daemon, VERSIONS[daemon])
    assert can is not None
    main = render_for(can, derive_intent(found).device("sw1.pop1"), templates=TEMPLATES)[0]
    text = seal(main.text, lambda _: "", daemon=daemon)
    path = folder / "candidate.conf"
    path.write_text(text)
    done = subprocess.run([*CHECKS[daemon], str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return text


@pytest.mark.parametrize("daemon", CHECKS)
def test_relations_are_told_as_roles(daemon: str, tmp_path: Path) -> None:
    """We are the customer of transit, a customer's provider, a peer of all others; nothing is told where that is not wanted."""
    text = rendered(daemon, inventory(("providers.yml", "relation: ixp}", "relation: ixp, role: false}")), tmp_path)
    word = "    local role {};" if daemon == "bird" else " local-role {}\n"
    assert [text.count(word.format(role)) for role in ("customer", "peer", "provider")] == [4, 6, 4]


def test_bird_tries_again_after_a_limit(tmp_path: Path) -> None:
    """Twice as long each time, up to what was asked for; what was refused is bounded as well."""
    policy = f"{POLICY}  over_limit: {{action: restart, retry_minutes: 45}}\n"
    text = rendered("bird", inventory(("network.yml", POLICY, policy)), tmp_path)
    assert "    error wait time 60, 2700;\n    error forget time 5400;\n" in text
    assert "        receive limit 1200 action restart;\n        import limit 100 action restart;\n" in text
    assert "action disable" not in text


def test_frr_tries_again_after_a_limit(tmp_path: Path) -> None:
    """After so many minutes."""
    policy = f"{POLICY}  over_limit: {{action: restart, retry_minutes: 45}}\n"
    text = rendered("frr", inventory(("network.yml", POLICY, policy)), tmp_path)
    assert "  neighbor 203.0.113.93 maximum-prefix 100 restart 45\n" in text


@pytest.mark.parametrize("daemon", CHECKS)
def test_nothing_is_kept_where_that_is_not_wanted(daemon: str, tmp_path: Path) -> None:
    """Refused routes take no memory then."""
    kept = {"bird": "import keep filtered", "frr": "soft-reconfiguration inbound"}[daemon]
    assert rendered(daemon, inventory(), tmp_path).count(kept) == 16
    unkept = inventory(("network.yml", POLICY, f"{POLICY}  keep_refused: false\n"))
    text = rendered(daemon, unkept, tmp_path)
    assert [word for word in (kept, "receive limit", "allow local as") if word in text] == []


def test_customer_may_have_its_own_addresses_dropped(tmp_path: Path) -> None:
    """Inside of its list alone, and nobody is told; others are refused with the community."""
    text = rendered("bird", inventory(("providers.yml", BAKERY, f"{BAKERY}    blackhole: true\n")), tmp_path)
    inside = f"net ~ [ {DROPPABLE} ] && net.len != {bird_set_number([DROPPABLE])}"
    assert f"if BLACKHOLE ~ bgp_community && {inside} then {{\n        dest = RTD_BLACKHOLE;" in text
    assert text.count("dest = RTD_BLACKHOLE;") == 2
    assert text.count("if BLACKHOLE ~ bgp_community then refuse(60);") == 14


@pytest.mark.parametrize("daemon", CHECKS)
def test_networks_that_cannot_be_behind_a_neighbour_can_be_chosen(daemon: str, tmp_path: Path) -> None:
    """For all by the policy, for one by itself, also of transit; a neighbour is never on its own list."""
    found = inventory(
        ("network.yml", POLICY, f"{POLICY}  never_via: [64499, 6939]\n"),
        ("providers.yml", "asn: 64496, relation: transit}", "asn: 64496, relation: transit, never_via: [3000]}"),
        ("providers.yml", "asn: 64501, relation: ixp}", "asn: 64501, relation: ixp, never_via: []}"),
    )
    policies = {
        s.peer: s.import_policy for s in derive_intent(found).device("sw1.pop1").sessions if s.kind == "provider"
    }
    listed = {peer: policy.never_via for peer, policy in policies.items() if policy is not None}
    assert listed == {
        "northtel": (3000,),
        "southnet": (),
        "meadow": (6939, 64499),
        "hedge": (6939,),
        "harbour": (),
        "quay": (6939, 64499),
        "bakery": (6939, 64499),
        "cellar": (6939, 64499),
    }
    text = rendered(daemon, found, tmp_path)
    assert "174" not in [word for line in text.splitlines() if "never_via" in line.lower() for word in line.split()]


def test_without_customers_nothing_of_theirs_is_written(tmp_path: Path) -> None:
    """Only hosts' routes are announced then."""
    files = texts(FOLDER / "inventory")
    for name in ("pops/pop1.yml", "pops/pop2.yml"):
        circuits, _, prefixes = files[name].partition("prefixes:\n")
        head, *found = circuits.split("  - id: ")
        kept = [each for each in found if "provider: bakery" not in each and "provider: cellar" not in each]
        files[name] = "  - id: ".join((head, *kept)) + "prefixes:\n" + prefixes
    for daemon in CHECKS:
        text = rendered(daemon, load_inventory(files, folder="/inventory"), tmp_path)
        assert "customers" not in text
