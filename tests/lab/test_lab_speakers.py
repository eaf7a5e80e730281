"""Providers that ExaBGP and GoBGP play."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from netorch.lab import expected_prefixes, set_link
from netorch.model.types import Family
from tests.lab.hand_written import HOST, LINES, SERVICE, SWITCH, Line, bring_up
from tests.lab.labs import Lab, booted, example_inventory, lab_settings, own_network
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SPEAKERS = {"northtel": "exabgp", "southnet": "gobgp", "meadow": "bird"}
EACH_LINE = pytest.mark.parametrize("line", LINES, ids=lambda line: f"{SPEAKERS[line.provider]}{line.version}")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("speakers")
    inventory = example_inventory(folder)
    speakers = tuple(
        replace(s, speaker=SPEAKERS[s.provider], prefixes_ipv4=40, prefixes_ipv6=30, delay_ms=1) for s in inventory.lab
    )
    inventory = replace(inventory, pops=inventory.pops[:1], lab=speakers)
    with own_network(), booted(inventory, lab_settings(folder, "speakers")) as lab:
        # Such providers send to the POP over their first circuit, whose switch nobody configures here.
        set_link("northtel", "circuit1", lab.settings, connected=False)
        bring_up(lab)
        yield lab


@EACH_LINE
def test_switch_gets_what_is_announced(mixed: Lab, line: Line) -> None:
    """Every good prefix arrives with the provider's ASN first, and nothing that was not to be announced."""
    family = Family.IPV4 if line.version == 4 else Family.IPV6
    good, bad = expected_prefixes(mixed.inventory, line.provider, family)

    def received() -> set[str]:
        text = mixed.run(
            SWITCH, "birdc", "show", "route", "where", f'proto = "{line.name}" && bgp_path.first = {line.asn}'
        )
        return {prefix for row in text.splitlines() if (prefix := row.split(" ")[0]) and "/" in prefix}

    names = {str(prefix) for prefix in good}
    wait_until(lambda: names <= received(), timeout_s=60, what=f"{line.provider} announces all")
    assert {ip_network(text) for text in received()} <= good | bad


@EACH_LINE
def test_replies_come_back(mixed: Lab, line: Line) -> None:
    """Packets forced through the provider are answered, although its daemon sets no route in its kernel."""
    options = ("-m", str(1000 + line.number), "-I", SERVICE[line.version])
    good = expected_prefixes(mixed.inventory, line.provider, Family.IPV4 if line.version == 4 else Family.IPV6)[0]
    target = str(max(good).network_address + 1)
    wait_until(
        lambda: mixed.ping(HOST, target, *options), timeout_s=30, what=f"{target} answers through {line.provider}"
    )
