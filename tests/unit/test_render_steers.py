"""Steers in the daemons' languages, as the daemons themselves read them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.intent import Steer
from netorch.render import TemplateSource, render_for, seal
from tests.golden.write import untyped
from tests.unit.inventory_texts import example, load

HOST = derive_intent(load(example())).device("h1.pop1")
TEMPLATES = TemplateSource(read_templates())
STEERS = (
    Steer(ip_network("1.144.0.0/14"), "northtel", 1),
    Steer(ip_network("1.144.0.0/16"), "meadow", 3),
    Steer(ip_network("2600::/20"), "southnet", 2),
)
CHECKS = {"bird": ("bird", "-p", "-c"), "frr": ("vtysh", "-C", "-f")}
FIRST = {"bird": "net ~ [ 1.144.0.0/16+ ]", "frr": "prefix-list steer_1_ipv4 seq 1 permit 1.144.0.0/16 le 32"}
SECOND = {"bird": "net ~ [ 1.144.0.0/14+ ]", "frr": "prefix-list steer_2_ipv4 seq 1 permit 1.144.0.0/14 le 32"}
RAISED = {"bird": "bgp_local_pref = 4294967295;", "frr": " set local-preference 4294967295\n"}
SPARED = {"bird": "&& bgp_local_pref > 0 then", "frr": "permit 1\n match local-preference 0\n"}
RELEASES = [("bird", "2.0.12"), ("bird", "2.17"), ("frr", "8.4.4"), ("frr", "10.3")]


def rendered(daemon: str, version: str, *steers: Steer) -> str:
    """The configuration of a host with these steers."""
    can = capabilities_of(daemon, version)
    assert can is not None
    return render_for(can, replace(HOST, steers=steers), templates=TEMPLATES)[0].text


@pytest.mark.parametrize(("daemon", "version"), RELEASES)
def test_narrowest_comes_first(tmp_path: Path, daemon: str, version: str) -> None:
    """The narrowest prefix decides, routes that are the last choice are spared, and the daemon, the oldest release of it, takes
    the file."""
    text = rendered(daemon, version, *STEERS)
    assert 0 < text.index(FIRST[daemon]) < text.index(SECOND[daemon])
    assert text.count(RAISED[daemon]) == len(STEERS)
    assert SPARED[daemon] in text
    path = tmp_path / "sealed.conf"
    path.write_text(seal(untyped(text), lambda _: "a-secret", daemon=daemon))
    done = subprocess.run([*CHECKS[daemon], str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("daemon", "version"), RELEASES)
def test_one_family_leaves_the_other_alone(daemon: str, version: str) -> None:
    """A steer of IPv4 changes nothing for IPv6; none changes nothing at all."""
    text = rendered(daemon, version, STEERS[0])
    assert ("steered_ipv6" in text, "from_switches_ipv6\n{" in text) == (False, False)
    assert "steer" not in rendered(daemon, version).lower()
