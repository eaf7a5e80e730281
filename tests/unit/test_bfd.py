"""BFD from the inventory to the daemon's configuration."""

from __future__ import annotations

import re

from netorch.intent import derive_intent
from netorch.model.inventory import BfdTimers
from tests.unit.inventory_texts import edited, example, load
from tests.unit.planned import configuration

TIMERS = "\nbfd:\n  fabric: {interval_ms: 50, multiplier: 3}\n  providers: {interval_ms: 200, multiplier: 4}\n"


def files() -> dict[str, str]:
    """The example with BFD on its first circuit, and timers of its own."""
    found = edited(example(), "pops/pop1.yml", ("    capacity: 100G\n", "    bfd: true\n    capacity: 100G\n"))
    return {**found, "network.yml": found["network.yml"] + TIMERS}


def blocks(device: str) -> dict[str, str]:
    """The protocols of a device's configuration, by name, blanks made one."""
    text = configuration(derive_intent(load(files())).device(device)).text
    found = re.findall(r"^protocol (\w+(?: \w+)?) \{\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL)
    return {name.split()[-1]: " ".join(body.split()) for name, body in found}


def test_fabric_has_its_timers_on_both_ends() -> None:
    """Switch and host send and expect packets as often."""
    wanted = "{ interval 50 ms; multiplier 3; }"
    assert blocks("sw1.pop1")["bfd"] == f'accept direct; interface "br0" {wanted};'
    assert blocks("h1.pop1")["bfd"] == f'accept direct; interface "eth0" {wanted}; interface "eth1" {wanted};'


def test_provider_has_its_own_timers() -> None:
    """Only the circuit that says so runs BFD, in both families, with the providers' timers."""
    found = blocks("sw1.pop1")
    for family in ("v4", "v6"):
        assert "bfd { interval 200 ms; multiplier 4; };" in found[f"northtel_1_{family}"]
        assert "bfd" not in found[f"meadow_4_{family}"]


def test_defaults_are_those_of_before() -> None:
    """Without the key it is 300 ms and 5 packets within the POP, and nothing with providers."""
    sessions = derive_intent(load(example())).device("sw1.pop1").sessions
    assert {session.bfd_timers for session in sessions} == {BfdTimers(300, 5)}
    assert {session.kind for session in sessions if session.bfd} == {"host"}
