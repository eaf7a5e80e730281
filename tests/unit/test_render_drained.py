"""What the configuration of a drained switch or host has that it has not otherwise, and that daemons take it."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.plan import bird, frr
from netorch.render import TemplateSource, render_for, seal
from tests.unit.inventory_texts import example, load

INTENT = derive_intent(load(example()))
TEMPLATES = TemplateSource(read_templates())
DAEMONS = {"bird": "2.0.12", "frr": "8.4.4"}
CHECKS = {"bird": ("bird", "-p", "-c"), "frr": ("vtysh", "-C", "-f")}


def rendered(daemon: str, device: str, fabric_export: str) -> str:
    """The daemon's configuration of a device of the example that tells the fabric so."""
    can = capabilities_of(daemon, DAEMONS[daemon])
    assert can is not None
    intent = replace(INTENT.device(device), fabric_export=fabric_export)
    return seal(render_for(can, intent, templates=TEMPLATES)[0].text, lambda _: "hunter2", daemon=daemon)


def changed(daemon: str, device: str, fabric_export: str) -> tuple[set[str], set[str]]:
    """The lines that are there less often, and more often, than usual."""
    usual, now = (Counter(rendered(daemon, device, one).splitlines()) for one in ("usual", fabric_export))
    return tuple({line.strip() for line in lines if not _STAMP.search(line)} for lines in (usual - now, now - usual))  # type: ignore[return-value]


_STAMP = re.compile(r"\b[0-9a-f]{16}\b")
"""A digest of the text that it stands in."""


@pytest.mark.parametrize("device", ["sw1.pop1", "h1.pop1"])
def test_last_choice_is_a_local_preference_of_nothing(device: str) -> None:
    """For all that is told to the fabric, and to nobody else; FRR must be told that it holds for what it reflects, too."""
    assert changed("bird", device, "last") == (
        set(),
        {"bgp_local_pref = 0;  # drained: whoever has another way takes that"},
    )
    _, come = changed("frr", device, "last")
    reflecting = {"bgp route-reflector allow-outbound-policy"} if device == "sw1.pop1" else set()
    assert come == {"set local-preference 0", *reflecting}


def test_a_silent_host_tells_its_switches_of_nothing() -> None:
    """Its routes, tables and addresses are as they were."""
    assert changed("bird", "h1.pop1", "nothing") == (set(), {"reject;  # drained"})
    gone, come = changed("frr", "h1.pop1", "nothing")
    assert {line.split(" ", 1)[1] for line in gone} == {
        "prefix-list to_switches_ipv4 seq 1 permit 192.0.2.0/24",
        "prefix-list to_switches_ipv4 seq 2 permit 192.0.2.11/32",
        "prefix-list to_switches_ipv6 seq 1 permit 2001:db8:1::/48",
        "prefix-list to_switches_ipv6 seq 2 permit 2001:db8:1::11/128",
    }
    assert {line.split(" ", 1)[1] for line in come} == {
        "prefix-list to_switches_ipv4 seq 1 deny any",
        "prefix-list to_switches_ipv6 seq 1 deny any",
    }


@pytest.mark.parametrize("daemon", list(DAEMONS))
@pytest.mark.parametrize(("device", "told"), [("sw1.pop1", "last"), ("h1.pop1", "last"), ("h1.pop1", "nothing")])
def test_no_session_restarts(daemon: str, device: str, told: str) -> None:
    """Plans foresee that every session stays up, when the drain begins and when it ends."""
    usual, drained = rendered(daemon, device, "usual"), rendered(daemon, device, told)
    language = {"bird": bird, "frr": frr}[daemon]
    assert language.foresee_resets(usual, drained) == language.foresee_resets(drained, usual) == ()


@pytest.mark.parametrize("daemon", list(DAEMONS))
@pytest.mark.parametrize(("device", "told"), [("sw1.pop1", "last"), ("h1.pop1", "last"), ("h1.pop1", "nothing")])
def test_daemons_take_it(tmp_path: Path, daemon: str, device: str, told: str) -> None:
    """The daemon's own check has nothing to say."""
    path = tmp_path / "daemon.conf"
    path.write_text(rendered(daemon, device, told))
    done = subprocess.run([*CHECKS[daemon], str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
