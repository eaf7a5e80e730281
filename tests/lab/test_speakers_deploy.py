"""A POP whose providers are ExaBGP, GoBGP and BIRD, through the real deploy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    PROVIDERS,
    SERVICE_PREFIX,
    SWITCHES,
    bgp_states,
    circuits,
    expected_main_table,
    kernel_routes,
    mark,
    neighbors,
    only_behind,
    service,
)
from tests.lab.drained_pop import quick_drains
from tests.lab.quick_lab import QuickLab, inexact, quick_example, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SPEAKERS = """speakers:
  - {provider: northtel, speaker: exabgp, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 0}
  - {provider: southnet, speaker: gobgp, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 0}
  - {provider: meadow, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 0}
"""
GRACEFUL_SHUTDOWN = 65535 << 16  # RFC 8326 section 5
EACH_HOST = pytest.mark.parametrize("host", HOSTS)
EACH_PROVIDER = pytest.mark.parametrize("provider", PROVIDERS)
FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    files = quick_drains({**quick_example(), "lab.yml": SPEAKERS})
    del files["pops/pop2.yml"]
    with quick_lab(tmp_path_factory.mktemp("speakers"), files, name="speak") as up:
        up.deploy("pop1")
        # GoBGP takes about 50 routes a second from its command line.
        wait_until(lambda: not any(inexact(up.lab, host) for host in HOSTS), timeout_s=60, what="exact tables")
        yield up


def test_every_session_is_up(quick: QuickLab) -> None:
    """On both switches every session is Established in both families, that with a password (GoBGP's) among them."""
    states = {name: state for switch in SWITCHES for name, state in bgp_states(quick.lab, switch).items()}
    for circuit in circuits(quick.lab.inventory):
        for family in Family:
            assert states[f"{circuit.provider}_{circuit.id}_v{family.number}"] == "Established"
    assert set(states.values()) == {"Established"}


@FAMILIES
@EACH_HOST
def test_main_table_is_exact(quick: QuickLab, host: str, family: Family) -> None:
    """Beside the other hosts' service addresses the main table has every accepted prefix by its best next hops, and no more."""
    found = kernel_routes(quick.lab, host, family, "main", proto="bird")
    others = {service(quick.lab.inventory, other, family) for other in HOSTS}
    routes = {prefix: hops for prefix, hops in found.items() if str(prefix.network_address) not in others}
    assert routes == expected_main_table(quick.lab.inventory, family)


@FAMILIES
@EACH_PROVIDER
def test_marked_packets_are_answered(quick: QuickLab, provider: str, family: Family) -> None:
    """A ping from a host's service address with the provider's mark, to what it alone announces, comes back."""
    inventory = quick.lab.inventory
    target = only_behind(inventory, provider, family)
    options = ("-m", mark(inventory, provider), "-I", service(inventory, "h1.pop1", family))
    assert quick.lab.ping("h1.pop1", target, *options)


def test_a_second_deploy_changes_nothing(quick: QuickLab) -> None:
    """The plan is empty, whoever speaks at the other end."""
    assert quick.project("plan", "pop1", "--detailed-exitcode").code == 0


def test_gobgp_sees_the_drain_and_the_close(quick: QuickLab) -> None:
    """GoBGP has the community in what it received, hosts leave it, and it is told of the shutdown and its reason."""
    lab, project = quick.lab, quick.project
    (circuit,) = circuits(lab.inventory, "southnet")
    project("drain", "southnet", "--keep-session", "--wait", "0s", "--reason", "other works")
    for family in Family:
        addresses = circuit.addresses(family)
        assert addresses is not None
        neighbor = str(addresses.local.ip)
        shown = lab.run("southnet", "gobgp", "neighbor", neighbor, "adj-in", "-a", family.value, "-j")
        (path,) = json.loads(shown)[SERVICE_PREFIX[family]]
        assert [GRACEFUL_SHUTDOWN] in [attribute.get("communities") for attribute in path["attrs"]]
    wait_until(
        lambda: not shared_with(quick, "southnet"), timeout_s=10, what="no host shares what others have with southnet"
    )
    project("drain", "southnet", "--wait", "0s", "--reason", "other works")
    for family in Family:
        addresses = circuit.addresses(family)
        assert addresses is not None
        shown = lab.run("southnet", "gobgp", "neighbor", str(addresses.local.ip))
        assert "BGP state = ESTABLISHED" not in shown
    log = [json.loads(line) for line in lab.run("southnet", "cat", "/var/log/gobgpd.log").splitlines()]
    told = [line for line in log if line["msg"] == "received notification"]
    assert [(line["Code"], line["Subcode"], line["Communicated-Reason"]) for line in told] == [
        (6, 2, "other works")
    ] * 2
    project("undrain", "southnet", "--wait", "0s")
    wait_until(lambda: not any(inexact(lab, host) for host in HOSTS), timeout_s=30, what="exact tables")


def shared_with(quick: QuickLab, provider: str) -> list[str]:
    """Main-table routes by the provider together with another one."""
    return [
        f"{host} {prefix}"
        for host in HOSTS
        for family in Family
        for prefix, hops in kernel_routes(quick.lab, host, family, "main", proto="bird").items()
        if hops & neighbors(quick.lab.inventory, provider, family)
        and hops - neighbors(quick.lab.inventory, provider, family)
    ]
