"""Who is believed: forged feeds, foreign hosts, certificates that are revoked or over, messages that break the rules."""

from __future__ import annotations

import json
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from netorch.agent.mirror import wire
from netorch.agent.mirror.wire import Told
from netorch.model.types import Mac
from tests.lab.mirror_bed import MAC_A, MAC_B, PORT, STATE, SWITCH, V4, Bed, running_bed
from tests.lab.mirror_certificates import NOW, Leaf, TestAuthority, replace
from tests.lab.mirror_impostor import context_of, in_place_of_the_feed
from tests.lab.namespaces import inside
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
PKI = f"{STATE}/pki"


@pytest.fixture(scope="module")
def running() -> Iterator[Bed]:
    with running_bed(hosts=1) as made:
        yield made


@pytest.fixture
def bed(running: Bed) -> Bed:
    """One host that follows its switch and has MAC_A; everybody has a good certificate."""
    for node in running.nodes:
        running.authority.install(node.path(PKI), running.leaves[node.name])
        node.path(f"{PKI}/revoked.pem").unlink(missing_ok=True)
        node.send_signal(signal.SIGHUP)
    running.learn(MAC_A)
    wait_until(lambda: running.is_up() and running.host.has(MAC_A), what="the host follows")
    return running


def snapshot(sequence: int = 0, mac: str = MAC_A, switch: str = SWITCH) -> bytes:
    return wire.snapshot(sequence, switch, own=[], told=[Told(V4, Mac(mac), "reachable")])


def delta(sequence: int, mac: str) -> bytes:
    return wire.delta(sequence, [Told(V4, Mac(mac), "reachable")])


def say_lie(connection: socket.socket) -> None:
    connection.sendall(snapshot(mac=MAC_B))
    connection.recv(1000)
    connection.recv(1000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda bed, other: other.leaf(SWITCH), "unable to get local issuer certificate"),
        (lambda bed, other: bed.authority.leaf("sw2.pop1"), "Hostname mismatch"),
        (lambda bed, other: bed.authority.leaf(SWITCH, until=NOW - timedelta(hours=1)), "certificate has expired"),
        (lambda bed, other: bed.authority.leaf(SWITCH, since=NOW + timedelta(days=1)), "certificate is not yet valid"),
    ],
    ids=["foreign authority", "another switch", "expired", "not yet valid"],
)
def test_forged_feed_is_not_followed(
    bed: Bed, tmp_path: Path, make: Callable[[Bed, TestAuthority], Leaf], words: str
) -> None:
    """A server whose certificate is not that switch's own, from the POP's authority and good today, is not listened to."""
    context = context_of(tmp_path, make(bed, TestAuthority("other")), bed.authority, is_server=True)
    start = len(bed.host.log())
    with in_place_of_the_feed(bed, context, say_lie):
        wait_until(lambda: words in bed.host.log()[start:], what=f"the host says {words!r}")
        assert bed.host.has(MAC_A)
        assert not bed.is_up()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([snapshot(), delta(1, MAC_A), delta(1, MAC_B)], "message number 1, expected 2"),
        ([snapshot(), delta(2, MAC_B)], "message number 2, expected 1"),
        ([snapshot(), delta(1, MAC_B)[:40] + b"\n"], "not JSON"),
        ([delta(1, MAC_B)], "snapshot first"),
        ([snapshot(switch="sw2.pop1")], "another switch"),
        ([b"\0\xff garbage\n"], "not JSON"),
        ([b"x" * (wire.MAX_FROM_FEED + 1000)], "more than"),
    ],
    ids=["replayed", "gap", "truncated", "no snapshot", "another switch", "garbage", "oversized"],
)
def test_feed_that_breaks_the_rules_is_left(bed: Bed, tmp_path: Path, lines: list[bytes], words: str) -> None:
    """Even with the right certificate: a message out of order, cut short or too long ends the connection, and what it says
    is not believed."""

    def speak(connection: socket.socket) -> None:
        for line in lines:
            connection.sendall(line)
        connection.recv(1000)
        connection.recv(1000)

    context = context_of(tmp_path, bed.leaves[SWITCH], bed.authority, is_server=True)
    start = len(bed.host.log())
    with in_place_of_the_feed(bed, context, speak):
        wait_until(lambda: words in bed.host.log()[start:], what=f"the host says {words!r}")
        assert bed.host.has(MAC_A)
        wait_until(lambda: bed.host.status()["feeds"][0]["rejected"] > 0, what="it is counted")


@contextmanager
def client(bed: Bed, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A connection to the feed from the host's namespace."""
    context.check_hostname = True
    plain = inside(bed.host.space.pid, lambda: socket.create_connection(("10.1.1.1", PORT), timeout=5))
    with context.wrap_socket(plain, server_hostname=SWITCH) as connection:
        yield connection


def answer(bed: Bed, context: ssl.SSLContext, *messages: bytes) -> bytes:
    """What the feed sends to a client with this certificate, up to the first line; b"" where it hangs up."""
    try:
        with client(bed, context) as connection:
            for message in messages:
                connection.sendall(message)
            return connection.recv(1 << 16)
    except (ssl.SSLError, ConnectionError):
        return b""


@pytest.mark.parametrize(
    "make",
    [
        lambda bed, other: other.leaf("h1.pop1"),
        lambda bed, other: bed.authority.leaf("h9.pop1"),
        lambda bed, other: bed.authority.leaf("h1.pop1", until=NOW - timedelta(hours=1)),
        lambda bed, other: bed.authority.leaf("h2.pop1"),
    ],
    ids=["foreign authority", "host of no uplink", "expired", "another host's name"],
)
def test_stranger_is_told_nothing(bed: Bed, tmp_path: Path, make: Callable[[Bed, TestAuthority], Leaf]) -> None:
    """The feed tells nothing to a client that is not one of its hosts, whatever name it says."""
    before = bed.switch.status()["counters"]["refused_connections"]
    context = context_of(tmp_path, make(bed, TestAuthority("other")), bed.authority, is_server=False)
    assert answer(bed, context, wire.hello("h1.pop1", [])) == b""
    wait_until(lambda: bed.switch.status()["counters"]["refused_connections"] > before, what="it is counted")
    assert bed.is_up()


def test_host_is_answered_with_its_snapshot(bed: Bed, tmp_path: Path) -> None:
    """The client of these tests is answered when its certificate is right: the refusals above are not by accident."""
    context = context_of(tmp_path, bed.leaves["h1.pop1"], bed.authority, is_server=False)
    said = json.loads(answer(bed, context, wire.hello("h1.pop1", [])).splitlines()[0])
    assert (said["type"], said["switch"]) == ("snapshot", SWITCH)
    assert V4 in [entry[0] for entry in said["entries"]]


def test_tls_below_1_3_is_refused(bed: Bed, tmp_path: Path) -> None:
    """A client that knows TLS 1.2 only gets no connection."""
    context = context_of(tmp_path, bed.leaves["h1.pop1"], bed.authority, is_server=False)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert answer(bed, context, wire.hello("h1.pop1", [])) == b""


@pytest.mark.parametrize(
    "messages",
    [
        [b"GET / HTTP/1.0\r\n\r\n"],
        [b"x" * (wire.MAX_FROM_MIRROR + 1000)],
        [wire.hello("h1.pop1", [MAC_A]) for _ in range(50)],
    ],
    ids=["no hello", "oversized", "too many"],
)
def test_client_that_breaks_the_rules_is_cut_off(bed: Bed, tmp_path: Path, messages: list[bytes]) -> None:
    """A host with the right certificate that talks nonsense, or too much, is cut off; the feed goes on."""
    context = context_of(tmp_path, bed.leaves["h1.pop1"], bed.authority, is_server=False)
    before = bed.switch.status()["counters"]["refused_connections"]
    answer(bed, context, *messages)
    wait_until(lambda: bed.switch.status()["counters"]["refused_connections"] > before, what="it is counted")
    wait_until(bed.is_up, what="the host follows again")


def revoke(bed: Bed, *names: str) -> None:
    """Give every device a revocation list with these devices' certificates."""
    data = bed.authority.revoked(*(bed.leaves[name] for name in names))
    for node in bed.nodes:
        replace(node.path(f"{PKI}/revoked.pem"), data)


def test_revoked_host_is_cut_off(bed: Bed) -> None:
    """A certificate that is revoked while its connection is open ends that connection, and makes no other."""
    revoke(bed, "h1.pop1")
    wait_until(lambda: not bed.switch.status()["subscribers"], what="the feed has cut the host off")
    wait_until(lambda: "revoked" in bed.host.status()["feeds"][0]["error"], what="the host says why")
    wait_until(lambda: "certificate revoked" in bed.switch.log(), what="the feed says why")
    bed.learn(MAC_B)
    wait_until(lambda: bed.switch.entry()["mac"] == MAC_B, what="the feed has seen MAC_B")
    assert bed.host.has(MAC_A)


def test_revoked_switch_is_left(bed: Bed) -> None:
    """A host leaves a feed whose certificate has been revoked."""
    revoke(bed, SWITCH)
    wait_until(lambda: "certificate revoked" in bed.host.status()["feeds"][0]["error"], what="the host says why")
    assert bed.host.has(MAC_A)


def test_list_without_them_disturbs_nobody_for_long(bed: Bed) -> None:
    """A new revocation list that names others: everybody shows a certificate anew and goes on."""
    resyncs = bed.host.status()["counters"]["resyncs"]
    data = bed.authority.revoked(bed.authority.leaf("h7.pop1"))
    for node in bed.nodes:
        replace(node.path(f"{PKI}/revoked.pem"), data)
    wait_until(lambda: bed.host.status()["counters"]["resyncs"] > resyncs and bed.is_up(), what="followed anew")


def _is_up_before(bed: Bed, end: datetime) -> bool:
    def is_over() -> bool:
        return datetime.now(NOW.tzinfo) >= end  # noqa: TID251 - certificates hold for real time

    wait_until(lambda: bed.is_up() or is_over(), what="the host follows, or its certificate is over")
    return not is_over()


def test_certificate_that_expires_ends_the_connection(bed: Bed) -> None:
    """An open connection ends when the certificate behind it is over."""
    start = len(bed.switch.log())
    for seconds in (4, 8, 16):  # a busy machine may be too late for a short one
        soon = datetime.now(NOW.tzinfo) + timedelta(seconds=seconds)  # noqa: TID251 - certificates hold for real time
        bed.authority.install(bed.host.path(PKI), bed.authority.leaf("h1.pop1", until=soon))
        bed.host.stop()
        bed.host.start()
        if _is_up_before(bed, soon):
            break
    else:
        pytest.fail("the host never followed with its short certificate")
    wait_until(lambda: "h1.pop1: its certificate has expired" in bed.switch.log()[start:], what="the feed ends it")
    wait_until(lambda: not bed.is_up(), what="the host has lost the feed")
    assert bed.host.has(MAC_A)


def test_renewed_certificate_is_shown_from_then_on(bed: Bed) -> None:
    """A new certificate of the feed's is used by the next connection, without a restart and without ending others."""
    resyncs = bed.host.status()["counters"]["resyncs"]
    renewed = bed.authority.leaf(SWITCH)
    bed.authority.install(bed.switch.path(PKI), renewed)

    def shown() -> bytes | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=bed.authority.certificate.public_bytes(Encoding.PEM).decode())
        with client(bed, context) as connection:
            return connection.getpeercert(binary_form=True)

    wait_until(lambda: shown() == renewed.certificate.public_bytes(Encoding.DER), what="the new certificate is shown")
    assert bed.host.status()["counters"]["resyncs"] == resyncs


@pytest.mark.parametrize("name", ["key.pem", "certificate.pem", "authority.pem", "revoked.pem"])
def test_broken_files_change_nothing(bed: Bed, name: str) -> None:
    """Files that cannot be read leave the agent with those it had, and are told."""
    replace(bed.switch.path(f"{PKI}/{name}"), b"nonsense")
    wait_until(lambda: name.partition(".")[0] in bed.switch.status()["problem"], what="the status tells the file")
    bed.learn(MAC_B)
    wait_until(lambda: bed.host.has(MAC_B), what="the host is still told")


def test_feed_waits_for_its_certificate() -> None:
    """Agents that start before their certificates are there begin to work once they are."""
    bed = Bed(1)
    try:
        for node in bed.nodes:
            for path in node.path(PKI).iterdir():
                path.unlink()
            node.start()
        wait_until(lambda: "cannot be read" in bed.switch.status()["problem"], what="the feed says what is missing")
        wait_until(lambda: bed.host.status()["feeds"][0]["error"] != "", what="the host says that it is not connected")
        for node in bed.nodes:
            bed.authority.install(node.path(PKI), bed.leaves[node.name])
        bed.learn(MAC_A)
        wait_until(lambda: bed.host.has(MAC_A), what="the host is told")
    finally:
        bed.close()
