"""A stranger's plugin in the lab: the prefix leaves a provider that loses too much, and comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from netorch.lab import INTERNET_NODE, delay_interface, expected_prefixes, set_service
from netorch.lab.daemons import LAB_FOLDER
from netorch.model.types import Family
from tests.lab.deployed_pop import behind_all, mark
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.plugins.test_lossguard import FOLDER
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, HOST = "pop2", "h1.pop2"
PREFERRED, OTHER = "meadow", "northtel"
LIMIT, BEYOND, WITHIN = 5, 20, 4
SPEAKERS = """speakers:
  - {provider: northtel, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 1}
  - {provider: southnet, prefixes_ipv4: 40, prefixes_ipv6: 40}
  - {provider: meadow, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 1}
"""


Report = dict[str, Any]


@dataclass
class Told:
    """What was said, and through which provider the prefix went then: at first, with much loss, twice, with little loss; and
    what status said while it was moved."""

    said: list[Report] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    files = {**only_pop2(), "lab.yml": SPEAKERS}
    files["network.yml"] = files["network.yml"].replace(
        "plugins:\n", f"plugins:\n  - {{name: lossguard, path: {FOLDER}}}\n"
    )
    with quick_lab(tmp_path_factory.mktemp("lossguard") / "project", files, name="lossguard") as quick:
        quick.deploy(POP)
        return _tell(quick)


def _tell(quick: QuickLab) -> Told:
    inventory = quick.lab.inventory
    target = behind_all(inventory, Family.IPV4)
    prefixes = expected_prefixes(inventory, PREFERRED, Family.IPV4)[0]
    prefix = str(next(prefix for prefix in prefixes if ip_address(target) in prefix))
    wait_until(lambda: way(quick, target) == PREFERRED, timeout_s=60, what=f"{target} goes through {PREFERRED}")
    told = Told()

    def look(expected: str) -> None:
        arguments = (prefix, PREFERRED, "--pop", POP, "--limit", str(LIMIT), "-o", "json")
        told.said += quick.project("lossguard", *arguments).document
        told.ways.append(settled_way(quick, target, expected))

    look(PREFERRED)
    lose(quick, PREFERRED, BEYOND)
    look(OTHER)
    told.status = quick.project("status", POP, "--interval", "0.1", "-o", "json").document
    look(OTHER)
    lose(quick, PREFERRED, WITHIN)
    look(PREFERRED)
    return told


def settled_way(quick: QuickLab, target: str, expected: str) -> str:
    """The way once it is as expected: BGP takes a moment after the deploy."""
    wait_until(lambda: way(quick, target) == expected, timeout_s=30, what=f"{target} goes through {expected}")
    return way(quick, target)


def way(quick: QuickLab, target: str) -> str:
    """Through which provider the host's kernel sends to ``target``, by the address of its router; "" for no other."""
    (route,) = json.loads(quick.lab.run(HOST, "ip", "-j", "route", "get", target))
    circuits = quick.lab.inventory.pop(POP).circuits
    return next((c.provider for c in circuits if c.ipv4 and str(c.ipv4.neighbor) == route.get("gateway")), "")


def lose(quick: QuickLab, provider: str, percent: float) -> None:
    """From now on ``provider`` loses so many of a hundred packets that arrive on it."""
    path, lab = f"{LAB_FOLDER}/delay.json", quick.lab
    lines = json.loads(lab.run(INTERNET_NODE, "cat", path))
    tun = delay_interface(lab.inventory.provider(provider))
    changed = [{**line, "loss_percent": percent} if line["tun"] == tun else line for line in lines]
    set_service(INTERNET_NODE, "delay", lab.settings, running=False)
    lab.run(INTERNET_NODE, "sh", "-c", f"cat > {path}", stdin=json.dumps(changed))
    set_service(INTERNET_NODE, "delay", lab.settings, running=True)
    target, number = behind_all(lab.inventory, Family.IPV4), mark(lab.inventory, OTHER)
    wait_until(lambda: lab.ping(HOST, target, "-m", number), timeout_s=20, what="lines that pass packets again")


def losses(said: Report) -> dict[str, float]:
    return {row["provider"]: row["loss_percent"] for row in said["rows"]}


def test_it_measures_what_the_line_loses(told: Told) -> None:
    """Of a hundred packets through each provider exactly as many are lost as the line loses."""
    assert [losses(said)[PREFERRED] for said in told.said] == [0, BEYOND, BEYOND, WITHIN]
    assert [losses(said)[OTHER] for said in told.said] == [0, 0, 0, 0]


def test_prefix_moves_and_comes_back(told: Told) -> None:
    """The kernel sends through the other provider while the first loses more than the limit, and only then."""
    assert told.ways == [PREFERRED, OTHER, OTHER, PREFERRED]


def test_it_is_in_force_like_any_overlay(told: Told) -> None:
    """While it has moved, status names the entry with its reason, and no device drifts from what is meant."""
    (entry,) = told.status["overlay"]
    assert (entry["id"].partition("/")[0], entry["reason"]) == ("lossguard", f"{PREFERRED} loses {BEYOND} %")
    assert {device["drift_state"] for device in told.status["devices"]} == {"in sync"}


def test_second_run_changes_nothing(told: Told) -> None:
    """Once moved, a prefix that ought to be moved is left alone."""
    assert ["moved from" in report["text"] for report in told.said] == [False, True, False, True]
    assert told.said[2]["text"].endswith(f"stays with {OTHER}")
