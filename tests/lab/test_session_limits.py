"""Neighbours that send more than is accepted of them, to BIRD, FRR 8.4.4 and FRR 10.3: closed, told, and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netorch.model.types import Family
from tests.lab.three_daemons import DAEMONS, HOST, SWITCHES, Trio, files, three_daemons
from tests.waiting import wait_until, wait_until_equal

pytestmark = pytest.mark.lab

MOST, SENT = 30, 10
"""What is accepted of each session, and what each sends at first."""

TIMEOUT_S = 60.0
RETRY_TIMEOUT_S = 180.0
"""Both daemons wait for a minute at least before they try again."""

NORTHTEL, SOUTHNET, MEADOW = "northtel", "southnet", "meadow"
"""Sends too much in IPv4, and is closed for good; sends nothing but refused routes too many, in IPv4; sends too much in IPv6,
and is tried again."""

RECEIVED = 2 * MOST + 1000
EACH_SWITCH = pytest.mark.parametrize("switch", SWITCHES, ids=lambda name: "-".join(DAEMONS[name]))
EXTRA = {
    NORTHTEL: (Family.IPV4, [f"45.{number}.0.0/16" for number in range(2 * MOST)]),
    SOUTHNET: (Family.IPV4, [f"10.{number // 250}.{number % 250}.0/24" for number in range(RECEIVED + 1)]),
    MEADOW: (Family.IPV6, [f"2a10:{number}::/32" for number in range(1, 2 * MOST)]),
}


def inventory() -> dict[str, str]:
    most = f"max_prefixes: {{ipv4: {MOST}, ipv6: {MOST}}}"
    providers = {
        NORTHTEL: f"relation: transit, {most}",
        SOUTHNET: f"relation: transit, {most}",
        MEADOW: f"relation: peer, {most}, over_limit: {{action: restart, retry_minutes: 1}}",
    }
    return files(providers, speaker=f"prefixes_ipv4: {SENT}, prefixes_ipv6: {SENT}")


def announce(lab: Trio, provider: str, *, more: bool) -> None:
    """Have a provider send its EXTRA routes too, or no longer, under its running sessions."""
    family, prefixes = EXTRA[provider]
    routes = "\n".join(f"route {prefix} blackhole;" for prefix in prefixes) if more else ""
    path = f"/etc/bird/announced{family.number}.conf"
    node = lab.quick.lab
    node.sh(provider, f"test -e {path}.first || cp -p {path} {path}.first; cat {path}.first - > {path}", stdin=routes)
    assert "Reconfigur" in node.run(provider, "birdc", "configure")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """Deployed, all routes there; then all neighbours send too much."""
    with three_daemons(tmp_path_factory.mktemp("limits"), inventory(), name="limits") as up:
        wait_until(
            lambda: all(up.count(s, p, f) == SENT for s in SWITCHES for p in EXTRA for f in Family),
            timeout_s=TIMEOUT_S,
            what="every session is up with all routes",
        )
        wait_until(
            lambda: all(host_has(up, f) for f in Family), timeout_s=TIMEOUT_S, what="the host has northtel's routes"
        )
        for provider in EXTRA:
            announce(up, provider, more=True)
        yield up


def host_has(lab: Trio, family: Family) -> int:
    """How many routes are in the host's table of northtel; without any there may be no such table."""
    shown = f"ip -{family.number} route show table 1001 proto bird 2>/dev/null || true"
    return len(lab.quick.lab.sh(HOST, shown).splitlines())


def rows(lab: Trio) -> dict[tuple[str, str], Any]:
    """Sessions as ``netorch status`` says them, by switch and name."""
    document = lab.quick.project("status", "pop1", "--interval", "0.1", "-o", "json").document
    return {(d["device"], row["name"]): row for d in document["devices"] for row in d["sessions"]}


def problems(lab: Trio, provider: str, family: Family) -> list[Any]:
    """What is wrong with a provider's sessions, by switch."""
    found = rows(lab)
    return [found[switch, lab.session(switch, provider, family)]["problem"] for switch in SWITCHES]


def wait_until_closed(lab: Trio, switch: str, provider: str) -> None:
    family, _ = EXTRA[provider]
    wait_until(
        lambda: lab.count(switch, provider, family) is None, timeout_s=TIMEOUT_S, what=f"{switch} closes {provider}"
    )


@EACH_SWITCH
def test_session_over_its_limit_is_closed_and_its_routes_go(lab: Trio, switch: str) -> None:
    """The other family of the same circuit, and other neighbours, do not notice."""
    for provider, other in ((NORTHTEL, Family.IPV6), (MEADOW, Family.IPV4)):
        wait_until_closed(lab, switch, provider)
        assert lab.count(switch, provider, other) == SENT
        wait_until_equal(
            lambda: [prefix for prefix in EXTRA[provider][1][:2] if lab.accepted(switch, prefix)],  # noqa: B023
            [],
            timeout_s=TIMEOUT_S,
            what=f"{switch} forgets the routes of {provider}",
        )


def test_hosts_lose_the_routes_of_a_closed_session(lab: Trio) -> None:
    """With the session closed on every switch the provider's table is empty, in that family alone."""
    wait_until(lambda: not host_has(lab, Family.IPV4), timeout_s=TIMEOUT_S, what="the table is empty")
    assert host_has(lab, Family.IPV6)


def test_status_and_check_say_which_limit_and_what_to_do(lab: Trio) -> None:
    """As JSON, for people, and for monitoring; where it is tried again, that too."""
    for switch in SWITCHES:
        for provider in (NORTHTEL, MEADOW):
            wait_until_closed(lab, switch, provider)
    found, text, check = (
        rows(lab),
        lab.quick.project("status", "pop1").out,
        lab.quick.project("check", "pop1", code=None),
    )
    for switch in SWITCHES:
        name, circuit = lab.session(switch, NORTHTEL, Family.IPV4), lab.circuit(switch, NORTHTEL).name
        problem = found[switch, name]["problem"]
        assert problem == (
            f"closed, since northtel sent more than the {MOST} prefixes that max_prefixes accepts; it stays closed: once it "
            f"sends fewer, netorch drain circuit {circuit} and netorch undrain circuit {circuit} open it; so does a deploy "
            "with a higher max_prefixes"
        )
        assert f"session: {switch}: {name}: {problem}" in text
        assert f"session {name}: closed, since northtel sent more than" in check.out
    again = "it is tried again by itself, after 1 min at the latest"
    wait_until(
        lambda: all(said and said.endswith(again) for said in problems(lab, MEADOW, Family.IPV6)),
        timeout_s=TIMEOUT_S,
        what="it is said of meadow's sessions, which are up for a moment each minute",
    )


@EACH_SWITCH
def test_refused_routes_have_a_bound_of_their_own_with_bird(lab: Trio, switch: str) -> None:
    """FRR has none: there the session stays, and accepts what it did."""
    if DAEMONS[switch][0] == "frr":
        wait_until(lambda: received(lab, switch) > RECEIVED, timeout_s=TIMEOUT_S, what="FRR has them all")
        refused = [prefix for prefix in EXTRA[SOUTHNET][1][-2:] if lab.accepted(switch, prefix)]
        assert (lab.count(switch, SOUTHNET, Family.IPV4), refused) == (SENT, [])
        return
    wait_until_closed(lab, switch, SOUTHNET)
    problem = rows(lab)[switch, lab.session(switch, SOUTHNET, Family.IPV4)]["problem"]
    assert f"sent more than {RECEIVED} prefixes in all, refused ones included; it stays closed" in problem


def received(lab: Trio, switch: str) -> int:
    """How many of southnet's EXTRA routes an FRR keeps."""
    address = lab.neighbor(switch, SOUTHNET, Family.IPV4)
    said = lab.quick.lab.run(switch, "vtysh", "-c", f"show bgp ipv4 unicast neighbors {address} received-routes")
    return sum(" 10." in line for line in said.splitlines())


@pytest.fixture(scope="module")
def fewer(lab: Trio) -> Trio:
    """Those that sent too much send what they did at first, once every session is closed."""
    for provider in (NORTHTEL, MEADOW):
        for switch in SWITCHES:
            wait_until_closed(lab, switch, provider)
        announce(lab, provider, more=False)
    return lab


@pytest.fixture(scope="module")
def later(fewer: Trio) -> Trio:
    """More than a minute later: the sessions that are tried again are up."""
    wait_until(
        lambda: all(fewer.count(switch, MEADOW, Family.IPV6) == SENT for switch in SWITCHES),
        timeout_s=RETRY_TIMEOUT_S,
        what="meadow's sessions are up again by themselves, with all routes",
    )
    return fewer


def open_again(lab: Trio, switch: str) -> None:
    """With the commands that status names."""
    circuit = lab.circuit(switch, NORTHTEL).name
    lab.quick.project("drain", "circuit", circuit, "--reason", "over its limit", "--wait", "0s")
    lab.quick.project("undrain", "circuit", circuit, "--wait", "0s")
    wait_until_open(lab, switch)


def wait_until_open(lab: Trio, switch: str) -> None:
    wait_until(
        lambda: all(lab.count(switch, NORTHTEL, family) == SENT for family in Family),
        timeout_s=TIMEOUT_S,
        what=f"{switch} has northtel's sessions, with all routes",
    )


def test_drain_and_undrain_open_a_closed_session(fewer: Trio) -> None:
    """With FRR 8.4.4, where it stays closed though the neighbour sends fewer."""
    assert fewer.count("sw2.pop1", NORTHTEL, Family.IPV4) is None
    open_again(fewer, "sw2.pop1")


def test_session_that_is_tried_again_comes_back_by_itself(later: Trio) -> None:
    """Once its neighbour sends fewer, and there is no problem any more."""
    assert problems(later, MEADOW, Family.IPV6) == [None] * len(SWITCHES)


def test_closed_session_stays_closed_until_it_is_opened(later: Trio) -> None:
    """With BIRD, for more than a minute; drain and undrain open it."""
    assert later.count("sw1.pop1", NORTHTEL, Family.IPV4) is None
    open_again(later, "sw1.pop1")


def test_closed_session_stays_closed_until_more_is_accepted(later: Trio) -> None:
    """With FRR 10.3, for more than a minute; a deploy with a higher limit opens it."""
    assert later.count("sw3.pop1", NORTHTEL, Family.IPV4) is None
    later.quick.project.edit("providers.yml", f"max_prefixes: {{ipv4: {MOST}", f"max_prefixes: {{ipv4: {MOST + 1}")
    later.quick.project("deploy", "sw3.pop1", "--yes")
    wait_until_open(later, "sw3.pop1")
