"""One POP of three releases of BIRD: deployed, converged, changed, rolled back, drained, as it is of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.sessions import AoKey, SecretRef
from netorch.model.types import Family
from netorch.render import TemplateSource, redact, render_device, seal
from tests.lab.deployed_pop import HOSTS, SWITCHES, bgp_states, kernel_routes
from tests.lab.quick_lab import QuickLab, live_stamp, quick_example, quick_lab, wait_until_exact
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

# 3.1 is for switches alone (docs/daemons.md).
VERSIONS = {"sw1": "3.1", "sw2": "2.17", "h1": "2.0.12", "h2": "2.17", "h3": "2.0.12"}
DEVICES = (*SWITCHES, *HOSTS)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    folder = tmp_path_factory.mktemp("releases")
    names = [(f"  - name: {name}\n", f"  - name: {name}\n    version: '{of}'\n") for name, of in VERSIONS.items()]
    files = edited(quick_example(), "pops/pop1.yml", *names)
    del files["pops/pop2.yml"]
    with quick_lab(folder, files, name="releases") as up:
        up.deploy("pop1")
        wait_until_exact(up.lab)
        yield up


def all_up(quick: QuickLab) -> bool:
    """Whether every session of the POP is up."""
    return all(set(bgp_states(quick.lab, device).values()) == {"Established"} for device in DEVICES)


def test_what_was_deployed_needs_nothing_more(quick: QuickLab) -> None:
    """Each device runs its release, all sessions are up, and a second plan is empty."""
    status = quick.project("status", "--interval", "0.1", "-o", "json").document
    found = {device["device"].partition(".")[0]: device["daemon_version"] for device in status["devices"]}
    assert {name: version.startswith(VERSIONS[name]) for name, version in found.items()} == dict.fromkeys(
        VERSIONS, True
    )
    assert all_up(quick)
    assert quick.project("plan", "pop1", "--detailed-exitcode").code == 0


def test_sessions_are_told_alike(quick: QuickLab) -> None:
    """What status says of sessions with one provider has the same keys and counts, whatever release has them."""
    sessions = {
        (device["device"], session["name"]): session
        for device in quick.project("status", "--interval", "0.1", "-o", "json").document["devices"]
        for session in device["sessions"]
        if session["peer"] == "northtel"
    }
    assert {device for device, _ in sessions} == set(SWITCHES)
    assert len({tuple(session) for session in sessions.values()}) == 1
    assert (
        len({(s["state"], s["bgp_state"], s["routes_imported"], s["routes_exported"]) for s in sessions.values()}) == 1
    )


def test_change_is_confirmed_and_rolled_back(quick: QuickLab) -> None:
    """The transaction, with every release's own way back, without a session lost."""
    before = {device: live_stamp(quick.lab, device) for device in DEVICES}
    for role in ("switch", "host"):
        quick.project.override(f"bird/local-{role}.conf.j2", "# a line of the operator's own\n")
    quick.project("deploy", "pop1", "--yes")
    assert not {device for device in DEVICES if live_stamp(quick.lab, device) == before[device]}
    quick.project("rollback", "pop1", "--yes")
    assert {device: live_stamp(quick.lab, device) for device in DEVICES} == before
    assert all_up(quick)
    for role in ("switch", "host"):
        quick.project.override(f"bird/local-{role}.conf.j2", "")
    quick.project("deploy", "pop1", "--yes")  # the inventory is right again, which ends the rollback


def test_drained_provider_comes_back(quick: QuickLab) -> None:
    """Drained on two releases at once, then open again, with every route where it was."""
    quick.project("drain", "provider", "northtel", "--pop", "pop1", "--wait", "1s")
    states = {name: state for switch in SWITCHES for name, state in bgp_states(quick.lab, switch).items()}
    closed = {name for name, state in states.items() if state != "Established"}
    assert closed == {name for name in states if name.startswith("northtel")} != set()
    quick.project("undrain", "northtel", "--pop", "pop1")
    wait_until(lambda: all_up(quick), what="all sessions are up", timeout_s=30)
    wait_until_exact(quick.lab)


def test_numbers_of_refused_routes_do_not_keep_others_from_the_kernel(quick: QuickLab) -> None:
    """On 3.1: a switch that refuses providers' routes to its kernel, loses them and then hears of hosts, routes to the hosts.

    BIRD numbers its routes and gives a free number to the next: hosts' routes get those of the providers'.
    """
    lab, switch = quick.lab, "sw1.pop1"
    before = {family: kernel_routes(lab, switch, family, "main", proto="bird") for family in Family}
    names = bgp_states(lab, switch)
    hosts = [name for name in names if name.startswith("h")]
    providers = [name for name in names if name not in hosts]

    def tell(word: str, sessions: list[str]) -> None:
        for name in sessions:
            lab.run(switch, "birdc", word, name)

    def hears_of_routes() -> bool:
        return "unicast" in lab.run(switch, "birdc", "show", "route", "where", "source", "=", "RTS_BGP")

    def has_no_routes() -> bool:
        return not hears_of_routes()

    assert all(before.values())
    tell("disable", [*hosts, *providers])
    wait_until(has_no_routes, what="no route is left", timeout_s=20)
    tell("enable", providers)
    wait_until(hears_of_routes, what="providers' routes", timeout_s=30)
    tell("disable", providers)
    wait_until(has_no_routes, what="no route is left", timeout_s=20)
    tell("enable", hosts)
    wait_until(
        lambda: {family: kernel_routes(lab, switch, family, "main", proto="bird") for family in Family} == before,
        what="routes to the hosts",
        timeout_s=30,
    )
    tell("enable", providers)
    wait_until(lambda: all_up(quick), what="all sessions are up", timeout_s=30)


@pytest.mark.parametrize("switch", SWITCHES)
def test_keys_are_accepted(quick: QuickLab, switch: str) -> None:
    """Keys of TCP-AO instead of a password: the release's own check reads them. No session: the kernel may not have TCP-AO."""
    keys = (
        AoKey(1, SecretRef("env", "OLD"), use="deprecated"),
        AoKey(2, SecretRef("env", "NEW"), "hmac sha256", "preferred"),
        AoKey(3, SecretRef("env", "SPARE"), "cmac aes128"),
    )
    device = derive_intent(quick.lab.inventory).device(switch)
    sessions = [replace(s, password=None, keys=keys) if s.kind == "provider" else s for s in device.sessions]
    (file,) = render_device(replace(device, sessions=tuple(sessions)), TemplateSource(read_templates()))
    sealed = seal(file.text, lambda reference: f"a secret of {reference}", daemon="bird")
    quick.lab.run(switch, "tee", "/tmp/keys.conf", stdin=sealed)
    assert sealed.count('secret "a secret of env:NEW"') == len([s for s in sessions if s.kind == "provider"])
    assert quick.lab.run(switch, "bird", "-p", "-c", "/tmp/keys.conf") == ""
    assert "a secret of" not in redact(sealed)
