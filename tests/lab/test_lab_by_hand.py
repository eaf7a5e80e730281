"""The lab carries traffic for a switch and a host that were configured by hand, and only with a mirror."""

import errno
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.lab import expected_prefixes, restart_node, set_link, set_mac
from netorch.model.types import Family, Mac
from tests.lab.capture import ARP, Frame, capture
from tests.lab.hand_written import (
    FABRIC,
    HOST,
    LINES,
    OWN,
    SERVICE,
    SWITCH,
    UPLINK,
    Line,
    bring_up,
    configure_switch,
    established,
    kernel_routes,
    neighbour_mac,
)
from tests.lab.labs import Lab, booted, example_inventory, lab_settings, own_network
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

EACH_LINE = pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("by-hand")
    inventory = example_inventory(folder)
    speakers = tuple(replace(s, prefixes_ipv4=200, prefixes_ipv6=100) for s in inventory.lab)
    inventory = replace(inventory, pops=inventory.pops[:1], lab=speakers)
    with own_network(), booted(inventory, lab_settings(folder, "hand")) as lab:
        bring_up(lab)
        yield lab


def destination(lab: Lab, line: Line) -> str:
    """An address in a prefix that only this provider of the two announces."""
    family = Family.IPV4 if line.version == 4 else Family.IPV6
    other = next(each.provider for each in LINES if each.provider != line.provider)
    own = expected_prefixes(lab.inventory, line.provider, family)[0]
    return str(min(own - expected_prefixes(lab.inventory, other, family)[0]).network_address + 7)


def frames_of(lab: Lab, node: str, interface: str, folder: Path, line: Line) -> list[Frame]:
    """What passes an interface while the host pings through a provider by mark."""
    target = destination(lab, line)
    with capture(node, interface, lab.settings, folder=folder) as seen:
        assert lab.ping(HOST, target, "-m", str(1000 + line.number), "-I", SERVICE[line.version])
    return seen.where(target_ip=target)


@EACH_LINE
def test_marked_packets_pass_their_provider(hand: Lab, line: Line) -> None:
    """A ping from the service address, marked for a provider, is answered with that provider's delay."""
    target = destination(hand, line)
    text = hand.run(
        HOST, "ping", "-n", "-c", "3", "-i", "0.2", "-m", str(1000 + line.number), "-I", SERVICE[line.version], target
    )
    fastest_ms = float(text.rsplit("= ", 1)[1].split("/")[0])
    delay_ms = next(s.delay_ms for s in hand.inventory.lab if s.provider == line.provider)
    assert delay_ms <= fastest_ms < delay_ms + 15


@EACH_LINE
def test_frames_leave_with_the_providers_mac(hand: Lab, line: Line, tmp_path: Path) -> None:
    """The host addresses the frame to the provider, not to the switch, and the provider gets it unchanged."""
    mac = neighbour_mac(hand, line)
    left = frames_of(hand, HOST, UPLINK, tmp_path, line)
    circuit = {"northtel": "circuit2", "southnet": "circuit3"}[line.provider]
    arrived = frames_of(hand, line.provider, circuit, tmp_path, line)
    host_mac = Mac(hand.run(HOST, "cat", f"/sys/class/net/{UPLINK}/address").strip())
    assert {(f.source, f.destination) for f in left} == {(host_mac, mac)}
    assert {(f.source, f.destination) for f in arrived} == {(host_mac, mac)}


@EACH_LINE
def test_provider_tables_hold_what_was_announced(hand: Lab, line: Line) -> None:
    """What a provider announces arrives in the host's table for it; the switch of this test filters nothing."""
    family = Family.IPV4 if line.version == 4 else Family.IPV6
    good, bad = expected_prefixes(hand.inventory, line.provider, family)
    looped = {
        p for p in bad if not any(p.overlaps(own) for own in map(ip_network, OWN.values()) if own.version == p.version)
    }
    found = {ip_network("0.0.0.0/0" if text == "default/32" else text) for text in kernel_routes(
        hand, HOST, 1000 + line.number, line.version) if text not in ("default/32", "default/128")}  # fmt: skip
    assert good <= found
    assert found - good <= looped | bad


def test_switch_keeps_its_own_table_small(hand: Lab) -> None:
    """No provider's route is in the switch's kernel."""
    assert kernel_routes(hand, SWITCH, "main", 4) == {"192.0.2.0/24", "192.0.2.11/32"}


@pytest.mark.parametrize("version", [4, 6])
def test_hosts_cannot_resolve_providers(hand: Lab, version: int, tmp_path: Path) -> None:
    """Without its mirror entry a host asks in vain, and its question reaches no provider."""
    line = next(each for each in LINES if each.version == version)
    probe = destination(hand, line)
    host_mac = Mac(hand.run(HOST, "cat", f"/sys/class/net/{UPLINK}/address").strip())
    mac = neighbour_mac(hand, line)
    with (
        capture("northtel", "circuit2", hand.settings, folder=tmp_path) as at_northtel,
        capture("southnet", "circuit3", hand.settings, folder=tmp_path) as at_southnet,
        capture(HOST, UPLINK, hand.settings, folder=tmp_path) as at_host,
    ):
        hand.run(HOST, "ip", "neigh", "del", line.neighbor, "dev", UPLINK)
        answered = hand.ping(HOST, probe, "-m", str(1000 + line.number), "-I", SERVICE[version])
        hand.sh(HOST, f"ip neigh replace {line.neighbor} lladdr {mac} nud permanent dev {UPLINK}")
    assert not answered
    assert any(frame.resolves and frame.source == host_mac for frame in at_host.frames)
    assert not any(f.source == host_mac and f.resolves for f in (*at_northtel.frames, *at_southnet.frames))


def test_switch_still_resolves_providers(hand: Lab, tmp_path: Path) -> None:
    """The switch's own question passes the port that keeps broadcasts of hosts back, and is answered."""
    line = LINES[0]
    with capture("northtel", "circuit2", hand.settings, folder=tmp_path) as seen:
        hand.run(SWITCH, "ip", "neigh", "del", line.neighbor, "dev", "br0")
        wait_until(lambda: hand.ping(SWITCH, line.neighbor), timeout_s=5, what="the provider answers the switch")
    assert any(frame.ethertype == ARP and str(frame.target_ip) == line.neighbor for frame in seen.frames)


def test_provider_answers_its_own_subnet_only(hand: Lab, tmp_path: Path) -> None:
    """A question for the provider's address from a sender outside the circuit's subnet gets no answer."""
    own = hand.run(SWITCH, "cat", "/sys/class/net/br0/address").strip()
    ask = f"""
import ipaddress, socket
own = bytes.fromhex({own!r}.replace(":", ""))
sender, target = (ipaddress.ip_address(text).packed for text in ({FABRIC[4][0]!r}, "203.0.113.5"))
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("br0", 0))
head = b"\\xff" * 6 + own + bytes.fromhex("0806" "0001080006040001")
link.send(head + own + sender + bytes(6) + target)
"""
    with capture("northtel", "circuit2", hand.settings, folder=tmp_path) as seen:
        hand.run(SWITCH, "python3", "-c", ask)
        assert hand.ping(SWITCH, "203.0.113.5")  # whatever answers the above was sent before this reply
    asked_from = {str(frame.source_ip) for frame in seen.where(ethertype=ARP, target_ip="203.0.113.5")}
    answered_to = {str(f.target_ip) for f in seen.where(ethertype=ARP) if str(f.source_ip) == "203.0.113.5"}
    assert FABRIC[4][0] in asked_from
    assert FABRIC[4][0] not in answered_to


def test_providers_do_not_see_each_other(hand: Lab, tmp_path: Path) -> None:
    """What one provider broadcasts into its port leaves by no other provider's port."""
    mac = Mac(hand.run("southnet", "cat", "/sys/class/net/circuit3/address").strip())
    with (
        capture("northtel", "circuit2", hand.settings, folder=tmp_path) as at_northtel,
        capture(HOST, UPLINK, hand.settings, folder=tmp_path) as at_host,
    ):
        hand.run("southnet", "ip", "neigh", "del", "203.0.113.10", "dev", "circuit3")
        wait_until(lambda: hand.ping("southnet", "203.0.113.10"), timeout_s=5, what="the switch answers southnet")
    assert any(frame.source == mac for frame in at_host.frames)
    assert not any(frame.source == mac for frame in at_northtel.frames)


def test_session_without_its_password_stays_down(hand: Lab) -> None:
    """The provider demands the MD5 password that the inventory names."""
    text = hand.run(SWITCH, "cat", "/etc/bird/bird.conf")
    secret = (hand.settings.state / "secrets/southnet").read_text().strip()
    assert established(hand, SWITCH, "southnet4")
    hand.run(SWITCH, "sh", "-c", "cat > /run/wrong.conf", stdin=text.replace(secret, "wrong"))
    hand.run(SWITCH, "birdc", "configure", '"/run/wrong.conf"')
    wait_until(
        lambda: not established(hand, SWITCH, "southnet4"), timeout_s=20, what="the session with a wrong password ends"
    )
    failed = "no packet with a wrong password is taken"
    wait_until(lambda: not established(hand, "southnet", "circuit3_4"), timeout_s=20, what=failed)
    hand.run(SWITCH, "birdc", "configure")
    wait_until(
        lambda: established(hand, SWITCH, "southnet4", "southnet6"), timeout_s=60, what="the right password works again"
    )


def test_inbound_follows_graceful_shutdown(hand: Lab) -> None:
    """A drained provider passes the community on, and the Internet sends its replies another way."""

    def way_in() -> str:
        return (
            hand.run("internet", "ip", "route", "get", "192.0.2.11", "from", "8.8.8.8", "iif", "lo")
            .split(" dev ")[1]
            .split()[0]
        )

    wait_until(lambda: way_in() == "p1", timeout_s=30, what="replies come through northtel")
    configure_switch(hand, drained="northtel")
    wait_until(lambda: way_in() == "p2", timeout_s=30, what="replies come through southnet")
    routes = hand.run("internet", "birdc", "show", "route", "all", "for", OWN[4], "protocol", "provider1_4")
    assert "(65535,0)" in routes
    configure_switch(hand)
    wait_until(lambda: way_in() == "p1", timeout_s=30, what="replies come through northtel again")


def test_tcp_says_through_whom_it_came(hand: Lab) -> None:
    """The Internet's responder names the provider on which a connection arrived."""
    script = f"""
import socket
for mark, target, source in {[(1000 + line.number, destination(hand, line), SERVICE[line.version]) for line in LINES]!r}:
    s = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, 36, mark)  # SO_MARK
    s.settimeout(5)
    s.bind((source, 0))
    s.connect((target, 80))
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(s.makefile().read().split()[-1])
"""
    assert hand.run(HOST, "python3", "-c", script).split() == [line.provider for line in LINES]


def test_cut_cable_ends_a_session(hand: Lab) -> None:
    """A pulled cable takes the carrier and with it the provider's sessions; plugged again, both families return."""
    set_link(SWITCH, "swp1", hand.settings, connected=False)
    carrier = "/sys/class/net/swp1/carrier"
    wait_until(
        lambda: hand.run(SWITCH, "cat", carrier).strip() == "0", timeout_s=5, what="the switch's port loses its carrier"
    )
    wait_until(
        lambda: not established(hand, "northtel", "circuit2_4"),
        timeout_s=20,
        what="the provider's session ends with its link",
    )
    set_link(SWITCH, "swp1", hand.settings, connected=True)
    wait_until(
        lambda: established(hand, "northtel", "circuit2_4", "circuit2_6"), timeout_s=120, what="the sessions are there"
    )


def test_pulled_uplink_leaves_the_mirror_alone(hand: Lab) -> None:
    """A host that loses an uplink's carrier keeps its addresses and permanent entries, as on a cut cable."""
    set_link(HOST, UPLINK, hand.settings, connected=False)
    carrier = f"/sys/class/net/{UPLINK}/carrier"
    wait_until(lambda: hand.run(HOST, "cat", carrier).strip() == "0", timeout_s=5, what="the uplink loses its carrier")
    assert "PERMANENT" in hand.run(HOST, "ip", "neigh", "show", LINES[0].neighbor)
    assert FABRIC[6][1] in hand.run(HOST, "ip", "-6", "addr", "show", "dev", UPLINK)
    set_link(HOST, UPLINK, hand.settings, connected=True)
    wait_until(lambda: hand.ping(HOST, FABRIC[4][0]), timeout_s=10, what="the uplink works again")


def test_a_cable_plugged_in_leaves_others_pulled(hand: Lab) -> None:
    """The management cable of one device comes back alone, although all of them end in one machine."""
    carrier = "/sys/class/net/mgmt0/carrier"
    for node in (SWITCH, HOST):
        set_link(node, "mgmt0", hand.settings, connected=False)
    set_link(HOST, "mgmt0", hand.settings, connected=True)
    assert [hand.run(node, "cat", carrier).strip() for node in (SWITCH, HOST)] == ["0", "1"]
    set_link(SWITCH, "mgmt0", hand.settings, connected=True)
    assert hand.run(SWITCH, "cat", carrier).strip() == "1"


def test_a_cable_plugged_in_is_answered_at_once(hand: Lab) -> None:
    """Also who asks while the kernel is about to tell that nobody answered the one before."""
    device = hand.inventory.device(HOST)
    address = str(device.ssh.address)
    set_link(HOST, "mgmt0", hand.settings, connected=False)
    subprocess.run(["ip", "neigh", "flush", "to", address], check=True)
    with socket.socket() as before, socket.socket() as after:
        before.setblocking(False)
        assert before.connect_ex((address, 22)) == errno.EINPROGRESS
        asked = ["ip", "-statistics", "neigh", "show", "to", address]
        wait_until(
            lambda: "probes 6 " in subprocess.run(asked, check=True, capture_output=True, text=True).stdout,
            what="the kernel has asked for the last time",
        )
        set_link(HOST, "mgmt0", hand.settings, connected=True)
        after.settimeout(20)
        after.connect((address, 22))


def test_unplugged_interface_is_named(hand: Lab) -> None:
    """An interface without a cable is answered with those that have one."""
    with pytest.raises(NetorchError, match="no cable in 'eth7'") as caught:
        set_link(HOST, "eth7", hand.settings, connected=False)
    assert caught.value.hint == "one of mgmt0, eth0, eth1"


def test_new_router_has_a_new_mac(hand: Lab) -> None:
    """After a provider swaps its router the switch learns the new address."""
    line, old = LINES[0], neighbour_mac(hand, LINES[0])
    new = Mac("02:00:00:00:00:99")
    set_mac("northtel", "circuit2", new, hand.settings)
    hand.run(SWITCH, "ip", "neigh", "flush", "to", line.neighbor)
    wait_until(lambda: hand.ping(SWITCH, line.neighbor), timeout_s=10, what="the new router answers")
    assert neighbour_mac(hand, line) == new
    set_mac("northtel", "circuit2", old, hand.settings)
    hand.run(SWITCH, "ip", "neigh", "flush", "to", line.neighbor)
    wait_until(lambda: hand.ping(SWITCH, line.neighbor), timeout_s=10, what="the old router answers")


def test_rebooted_switch_keeps_files_and_loses_kernel_state(hand: Lab) -> None:
    """After a restart the switch has its bird.conf and cables, its sessions return, and no learned neighbour is left."""
    hand.run(
        SWITCH, "ip", "neigh", "replace", "10.1.2.77", "lladdr", "02:00:00:00:00:77", "nud", "permanent", "dev", "br0"
    )
    restart_node(SWITCH, hand.settings)
    assert "10.1.2.77" not in hand.run(SWITCH, "ip", "neigh", "show")
    assert FABRIC[4][0] in hand.run(SWITCH, "ip", "-br", "addr", "show", "dev", "br0")
    names = [line.name for line in LINES]
    wait_until(lambda: established(hand, SWITCH, *names, "host4", "host6"), timeout_s=120, what="its sessions return")
