"""What the inventory may say of a provider's routes, in the daemons' languages, as the daemons themselves read it."""

from __future__ import annotations

import subprocess
from ipaddress import ip_network
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
NEVER_ACCEPT = '[80.249.208.0/21, "2001:7f8:1::/64"]'


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
    assert [text.count(word.format(role)) for role in ("customer", "peer", "provider")] == [2, 4, 6]


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
    assert rendered(daemon, inventory(), tmp_path).count(kept) == 20
    unkept = inventory(("network.yml", POLICY, f"{POLICY}  keep_refused: false\n"))
    text = rendered(daemon, unkept, tmp_path)
    assert [word for word in (kept, "receive limit", "allow local as") if word in text] == []


def test_customer_may_have_its_own_addresses_dropped(tmp_path: Path) -> None:
    """Inside of its list alone, and nobody is told; others are refused with the community."""
    text = rendered("bird", inventory(("providers.yml", BAKERY, f"{BAKERY}    blackhole: true\n")), tmp_path)
    inside = f"net ~ [ {DROPPABLE} ] && net.len != {bird_set_number([DROPPABLE])}"
    assert (
        f"if BLACKHOLE ~ bgp_community && {inside} then {{\n        check_space_ipv4();\n        dest = RTD_BLACKHOLE;"
        in text
    )
    assert text.count("dest = RTD_BLACKHOLE;") == 4
    assert text.count("if BLACKHOLE ~ bgp_community then refuse(60);") == 16


@pytest.mark.parametrize("daemon", CHECKS)
def test_list_of_one_family_lets_in_nothing_of_the_other(daemon: str, tmp_path: Path) -> None:
    """Not all of it, as a provider without any list may announce."""
    found = inventory(("providers.yml", "[45.64.0.0/20, 2a10:100::/32]", "[45.64.0.0/20]"))
    text = rendered(daemon, found, tmp_path)
    sessions = [s for s in derive_intent(found).device("sw1.pop1").sessions if s.peer in ("bakery", "cellar", "kiln")]
    lists = {(s.peer, s.family.number): s.import_policy and s.import_policy.prefixes for s in sessions}
    assert lists == {
        ("bakery", 4): (ip_network("45.64.0.0/20"),),
        ("bakery", 6): (),
        ("cellar", 4): None,
        ("cellar", 6): None,
        ("kiln", 4): (ip_network("45.65.0.0/20"),),
        ("kiln", 6): (),
    }
    if daemon == "bird":
        filters = [part for part in text.split("\nfilter ") if "    refuse(15);" in part]
        assert [part.split()[0] for part in filters] == ["bakery_17_v6_in", "kiln_19_v6_in"]
    else:
        assert "ipv6 prefix-list bakery_17_v6_accepted seq 1 deny any\n" in text


def test_list_lets_in_nothing_of_special_purpose_space(tmp_path: Path) -> None:
    """What lies outside of 2000::/3 is refused of whoever lists it, with FRR as with BIRD."""
    found = inventory(
        ("providers.yml", "[45.64.0.0/20, 2a10:100::/32]", "[45.64.0.0/20, '4000::/20', 'fd00:abcd::/32']")
    )
    text = rendered("frr", found, tmp_path)
    assert "ipv6 prefix-list bakery_17_v6_accepted seq 1 deny any\n" in text
    assert "4000::/20" not in text


def test_what_a_customer_may_have_dropped_is_its_own(tmp_path: Path) -> None:
    """Our prefixes, special-purpose space and networks of links are refused before; validators are not asked, and of what is
    registered the network counts that an address is in."""
    found = inventory(
        ("providers.yml", BAKERY, f"{BAKERY}    blackhole: true\n"),
        (
            "providers.yml",
            "relation: ixp, irr: AS-QUAY}",
            "relation: customer, irr: AS-QUAY, prefixes: [1.71.0.0/16], blackhole: true}",
        ),
    )
    text = rendered("bird", found, tmp_path)
    assert text.count(" then {\n        check_space_ipv4();\n        dest = RTD_BLACKHOLE;") == 3
    assert text.count("    if dest != RTD_BLACKHOLE then check_origin_ipv4();") == 3
    assert text.count("    if dest != RTD_BLACKHOLE then check_registered_quay_ipv4();") == 1
    entries = "1.71.0.0/24{32,32}", "1.71.2.0/23{32,32}", "1.71.4.0/24{32,32}"
    inside = f"net ~ [ {', '.join(entries)} ] && net.len != {bird_set_number(entries)}"
    assert f"    if dest = RTD_BLACKHOLE then {{\n        if !({inside}) then refuse(41);" in text


@pytest.mark.parametrize("daemon", CHECKS)
def test_networks_of_links_are_nobodys_to_announce(daemon: str, tmp_path: Path) -> None:
    """Those of the POP's circuits and fabrics, and those that the policy lists, unless they are refused anyhow."""
    found = inventory(
        ("pops/pop1.yml", "203.0.113.70/30, neighbor: 203.0.113.69", "80.249.224.70/30, neighbor: 80.249.224.69"),
        ("pops/pop1.yml", "203.0.113.74/30, neighbor: 203.0.113.73", "80.249.228.2/24, neighbor: 80.249.228.1"),
        ("pops/pop1.yml", '"2001:db8:c:12::2/64", neighbor: "2001:db8:c:12::1"', '"2a00::2/64", neighbor: "2a00::1"'),
        ("network.yml", NEVER_ACCEPT, "[80.249.228.0/22, 10.0.0.0/9, 192.0.2.0/25]"),
    )
    excluded = derive_intent(found).device("sw1.pop1").excluded
    links = ["80.249.216.68/30", "80.249.216.72/30", "80.249.224.68/30"]
    assert list(map(str, excluded)) == [*links, "80.249.228.0/22", "2a00::/64"]
    elsewhere = derive_intent(found).device("sw1.pop2").excluded
    assert list(map(str, elsewhere)) == ["80.249.216.132/30", "80.249.228.0/22"]
    text = rendered(daemon, found, tmp_path)
    if daemon == "bird":
        assert "\n    80.249.224.68/30+,\n    80.249.228.0/22+\n];" in text
        assert [text.count(f"    if in_excluded_{family}() then refuse(16);") for family in ("ipv4", "ipv6")] == [1, 1]
        unlisted = rendered("bird", inventory(("network.yml", NEVER_ACCEPT, "[]")), tmp_path)
        assert "in_excluded_ipv4()" in unlisted
        assert "in_excluded_ipv6()" not in unlisted
    else:
        assert "ip prefix-list excluded_ipv4 seq 4 permit 80.249.228.0/22 le 32\n" in text
        assert "deny 25\n match ipv6 address prefix-list excluded_ipv6\n" in text


@pytest.mark.parametrize("daemon", CHECKS)
def test_default_route_of_the_switch_is_held_against_no_list(daemon: str, tmp_path: Path) -> None:
    """It is in no registry, and nobody lists it; what it asks for is not for our customers."""
    found = inventory(
        ("pops/pop1.yml", "default_route_via: northtel", "default_route_via: quay"),
        ("providers.yml", "relation: ixp, irr: AS-QUAY}", "relation: ixp, irr: AS-QUAY, prefixes: [1.71.0.0/16]}"),
    )
    text = rendered(daemon, found, tmp_path)
    if daemon == "bird":
        start = "    if net = 0.0.0.0/0 then {\n        if defined(bgp_community) then bgp_community.delete("
        assert f"{start}[(65535, 65281..65283)]);\n    }} else {{\n    check_prefix_ipv4(8, 24);" in text
        assert "    if net != 0.0.0.0/0 then check_registered_quay_ipv4();\n" in text
    else:
        lines = "match ip address prefix-list default_ipv4\n on-match goto 70\n set comm-list stays delete\n"
        assert f"route-map quay_16_v4_in permit 62\n {lines}exit\n" in text
        assert "route-map quay_16_v4_in permit 50\n" in text
        assert " on-match goto 61\n" in text


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
        "kiln": (6939, 64499),
        "depot": (6939, 64499),
    }
    text = rendered(daemon, found, tmp_path)
    assert "174" not in [word for line in text.splitlines() if "never_via" in line.lower() for word in line.split()]


def test_without_customers_nothing_of_theirs_is_written(tmp_path: Path) -> None:
    """Only hosts' routes are announced then."""
    files = texts(FOLDER / "inventory")
    for name in ("pops/pop1.yml", "pops/pop2.yml"):
        circuits, _, prefixes = files[name].partition("prefixes:\n")
        head, *found = circuits.split("  - id: ")
        customers = "bakery", "cellar", "kiln", "depot"
        kept = [each for each in found if not any(f"provider: {name}\n" in each for name in customers)]
        files[name] = "  - id: ".join((head, *kept)) + "prefixes:\n" + prefixes
    for daemon in CHECKS:
        text = rendered(daemon, load_inventory(files, folder="/inventory"), tmp_path)
        assert "customers" not in text
