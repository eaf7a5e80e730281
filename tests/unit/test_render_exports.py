"""What is otherwise for single prefixes that are announced, in the daemons' languages, as the daemons themselves read it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.intent import DeviceIntent, ExportPolicy, PrefixExport, Session
from netorch.render import TemplateSource, render_for, seal
from tests.unit.inventory_texts import example, load

INTENT = derive_intent(load(example()))
TEMPLATES = TemplateSource(read_templates())
IPV4, IPV6 = ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48")
ELSEWHERE = ip_network("198.51.100.0/24")
ADDED = PrefixExport(
    IPV6, prepend=2, communities=((65535, 65281), (64496, 666)), large_communities=((64496, 1, 1), (64496, 1, 0))
)
CHECKS = {"bird": ("bird", "-p", "-c"), "frr": ("vtysh", "-C", "-f")}
WITHHELD = {
    "bird": "    if net = 192.0.2.0/24 then reject;\n",
    "frr": """\
ip prefix-list northtel_1_v4_withheld seq 1 permit 192.0.2.0/24
!
route-map northtel_1_v4_single deny 10
 match ip address prefix-list northtel_1_v4_withheld
exit
!
route-map northtel_1_v4_single permit 65535
exit
!
route-map northtel_1_v4_out permit 10
 call to_providers_ipv4
 on-match next
exit
!
route-map northtel_1_v4_out permit 20
 call northtel_1_v4_single
 on-match next
""",
}
WITH_ADDED = {
    "bird": """\
    if net = 2001:db8:1::/48 then {
        bgp_community.add((65535, 65281));
        bgp_community.add((64496, 666));
        bgp_large_community.add((64496, 1, 1));
        bgp_large_community.add((64496, 1, 0));
        bgp_path.prepend(OWN_ASN);
        bgp_path.prepend(OWN_ASN);
    }
    accept;
""",
    "frr": """\
ipv6 prefix-list northtel_1_v6_out_1 seq 1 permit 2001:db8:1::/48
!
route-map northtel_1_v6_single permit 20
 match ipv6 address prefix-list northtel_1_v6_out_1
 set as-path prepend 64500 64500
 set community 64496:666 no-export additive
 set large-community 64496:1:0 64496:1:1 additive
exit
!
route-map northtel_1_v6_single permit 65535
exit
!
route-map northtel_1_v6_out permit 10
 call to_providers_ipv6
 on-match next
exit
!
route-map northtel_1_v6_out permit 20
 call northtel_1_v6_single
 on-match next
""",
}


def exporting(*exports: PrefixExport) -> DeviceIntent:
    """The switch of two circuits, of which northtel's announces ``exports`` otherwise."""

    def amended(_: DeviceIntent, session: Session) -> Session:
        return replace(session, export_policy=ExportPolicy(prefixes=exports)) if session.peer == "northtel" else session

    return INTENT.with_sessions(amended).device("sw1.pop1")


def rendered(daemon: str, device: DeviceIntent) -> str:
    can = capabilities_of(daemon, {"bird": "2.0.12", "frr": "8.4.4"}[daemon])
    assert can is not None
    return render_for(can, device, templates=TEMPLATES)[0].text


@pytest.mark.parametrize("daemon", CHECKS)
def test_daemon_reads_what_is_otherwise(daemon: str, tmp_path: Path) -> None:
    """A withheld prefix is refused, another has its prepends and communities, and the daemon finds no mistake in it."""
    text = rendered(daemon, exporting(PrefixExport(IPV4, withheld=True), ADDED))
    assert WITHHELD[daemon] in text
    assert WITH_ADDED[daemon] in text
    path = tmp_path / f"{daemon}.conf"
    path.write_text(seal(text, lambda _: "example-of-a-password", daemon=daemon))
    done = subprocess.run([*CHECKS[daemon], str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("daemon", CHECKS)
@pytest.mark.parametrize(
    "export", [PrefixExport(IPV4), PrefixExport(ELSEWHERE, withheld=True), PrefixExport(ELSEWHERE, prepend=3)]
)
def test_nothing_is_written_for_what_is_as_ever(daemon: str, export: PrefixExport) -> None:
    """An export without a difference, or of a prefix that the switch never announces, leaves the text as it was."""
    assert rendered(daemon, exporting(export)) == rendered(daemon, INTENT.device("sw1.pop1"))


def test_what_several_ask_for_one_prefix_holds_at_once() -> None:
    """Prepends add up, communities are joined, withheld by one is withheld; what is for all prefixes comes on top."""
    policy = ExportPolicy(communities=((65535, 0),), prepend=1)
    policy = policy.with_prefix(ADDED).with_prefix(PrefixExport(IPV4, withheld=True))
    policy = policy.with_prefix(PrefixExport(IPV6, prepend=1, communities=((64496, 666), (64496, 667))))
    assert [own.prefix for own in policy.prefixes] == [IPV4, IPV6]
    assert policy.of_prefix(IPV6) == PrefixExport(
        IPV6, False, 4, ((65535, 0), (65535, 65281), (64496, 666), (64496, 667)), ADDED.large_communities
    )
    assert policy.of_prefix(IPV4).withheld
    assert policy.of_prefix(ELSEWHERE) == PrefixExport(ELSEWHERE, prepend=1, communities=((65535, 0),))
