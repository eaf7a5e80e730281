"""What subscribers of a feed are sent: one encoding for all with equal rights, and no end of patience with none of them."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from netorch.agent.mirror import wire
from netorch.agent.mirror.server import QUEUE_BYTES, Channel, Server, Subscriber
from netorch.agent.mirror.tls import TlsLine
from netorch.agent.mirror.trust import refusal_words
from netorch.agent.mirror.wire import FeedReader, Told
from netorch.model.types import Mac

MAC = Mac("02:aa:00:00:00:01")
ONE, OTHER = "203.0.113.1", "203.0.113.5"


class Line(TlsLine):
    """A connection whose other side reads all, or nothing."""

    def __init__(self, name: str, *, reads: bool = True) -> None:
        self.peer = "10.1.1.11"
        self._name = name
        self._reads = reads
        self.written: list[bytes] = []
        self.waiting = 0
        self.is_cut = False

    def getpeercert(self) -> dict[str, Any]:
        return {"subjectAltName": (("DNS", self._name),), "notAfter": "Jan  1 00:00:00 2100 GMT"}

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.waiting += 0 if self._reads else len(data)

    @property
    def waiting_bytes(self) -> int:
        return self.waiting

    @property
    def is_over(self) -> bool:
        return self.is_cut

    def abort(self) -> None:
        self.is_cut = True

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for data in self.written for line in data.splitlines()]


class Desk:
    """The feed, as far as its server asks."""

    def __init__(self, **hosts: frozenset[str]) -> None:
        self.hosts = hosts
        self.refusals: list[str] = []
        self.macs: dict[str, frozenset[Mac]] = {}

    def addresses_of(self, host: str) -> frozenset[str] | None:
        return self.hosts.get(host)

    def first_news(self, channel: Channel) -> bytes:
        return wire.snapshot(channel.sequence, "sw1.pop1", own=[], told=[])

    def has_macs(self, host: str, macs: frozenset[Mac]) -> None:
        self.macs[host] = macs

    def refused(self, words: str) -> None:
        self.refusals.append(words)

    def touch(self) -> None:
        return


def play(scene: Callable[[Server, Desk], None], desk: Desk) -> None:
    """``scene`` with a server, in an event loop."""

    async def run() -> None:
        server = Server(desk)
        scene(server, desk)
        server.close()

    asyncio.run(run())


def join(server: Server, host: str, *, reads: bool = True, says: str = "") -> Line:
    """A host that has connected and said hello."""
    line = Line(host, reads=reads)
    subscriber = Subscriber(server)
    subscriber.connection_made(line)
    subscriber.data_received(wire.hello(says or host, [MAC]))
    return line


def test_equal_hosts_get_the_very_same_bytes() -> None:
    """A change is encoded once for all that may know the same, and not sent to others."""

    def scene(server: Server, desk: Desk) -> None:
        lines = [join(server, host) for host in ("a", "b", "c")]
        for channel in server.channels.values():
            channel.tell([Told(ONE, MAC, "reachable")])
        assert lines[0].written[-1] is lines[1].written[-1]
        assert [message["type"] for message in lines[2].messages()] == ["snapshot"]

    play(scene, Desk(a=frozenset({ONE}), b=frozenset({ONE}), c=frozenset({OTHER})))


def test_late_comer_fits_in() -> None:
    """Who comes later has its snapshot with the number that is due, and no gap after it."""

    def scene(server: Server, desk: Desk) -> None:
        join(server, "a")
        (channel,) = server.channels.values()
        for _ in range(3):
            channel.tell([Told(ONE, MAC, "reachable")])
        late = join(server, "b")
        channel.beat()
        channel.tell([Told(ONE, None, "failed")])
        reader = FeedReader("sw1.pop1")
        assert [reader.take(line) is None for data in late.written for line in data.splitlines()] == [
            False,
            True,
            False,
        ]

    play(scene, Desk(a=frozenset({ONE}), b=frozenset({ONE})))


def test_large_change_is_cut_into_messages_that_a_mirror_takes() -> None:
    """More entries than one message may have come in several."""

    def scene(server: Server, desk: Desk) -> None:
        line = join(server, "a")
        (channel,) = server.channels.values()
        channel.tell([Told(address, MAC, "reachable") for address in sorted(desk.hosts["a"])])
        reader = FeedReader("sw1.pop1")
        news = [reader.take(part) for data in line.written for part in data.splitlines()]
        assert sum(len(one.told) for one in news if one is not None) == 1200
        assert len(news) == 4

    play(scene, Desk(a=frozenset(f"10.9.{n >> 8}.{n & 255}" for n in range(1200))))


def test_host_that_does_not_read_is_dropped() -> None:
    """What waits for a host is bounded; the others go on."""

    def scene(server: Server, desk: Desk) -> None:
        slow, quick = join(server, "a", reads=False), join(server, "b")
        (channel,) = server.channels.values()
        while not slow.is_cut:
            channel.tell([Told(ONE, MAC, "reachable")])
            assert slow.waiting <= QUEUE_BYTES + 1000
        assert desk.refusals == ["a: does not read what it is sent"]
        assert [one.host for one in server.subscribers] == ["b"]
        assert not quick.is_cut

    play(scene, Desk(a=frozenset({ONE}), b=frozenset({ONE})))


def test_host_that_comes_twice_has_one_connection() -> None:
    """A new connection of a host takes the place of the one that it has lost."""

    def scene(server: Server, desk: Desk) -> None:
        first, second = join(server, "a"), join(server, "a")
        assert (first.is_cut, second.is_cut) == (True, False)
        assert len(server.subscribers) == 1

    play(scene, Desk(a=frozenset({ONE})))


def test_name_must_be_that_of_the_certificate() -> None:
    """A host that says another name is told nothing."""

    def scene(server: Server, desk: Desk) -> None:
        line = join(server, "b", says="a")
        assert (line.is_cut, line.written) == (True, [])
        assert "says that it is a, its certificate is that of b" in desk.refusals[0]

    play(scene, Desk(a=frozenset({ONE}), b=frozenset({ONE})))


def test_second_hello_tells_macs_only() -> None:
    """A host whose interface got another MAC says so without being sent everything again."""

    def scene(server: Server, desk: Desk) -> None:
        line, subscriber = Line("a"), Subscriber(server)
        subscriber.connection_made(line)
        for mac in (MAC, Mac("02:bb:00:00:00:02")):
            subscriber.data_received(wire.hello("a", [mac]))
        assert desk.macs["a"] == {Mac("02:bb:00:00:00:02")}
        assert len(line.written) == 1

    play(scene, Desk(a=frozenset({ONE})))


def test_beat_that_loses_a_channels_last_host_reaches_the_others() -> None:
    """A connection that turns out to be over while the sign of life is sent ends nobody else's."""

    def scene(server: Server, desk: Desk) -> None:
        subscriber = Subscriber(server)

        class Broken(Line):
            def write(self, data: bytes) -> None:
                super().write(data)
                if b'"beat"' in data:
                    subscriber.connection_lost(ConnectionResetError())

        subscriber.connection_made(Broken("a"))
        subscriber.data_received(wire.hello("a", [MAC]))
        line = join(server, "b")
        server.beat()
        assert [message["type"] for message in line.messages()] == ["snapshot", "beat"]
        assert [other.host for other in server.subscribers] == ["b"]

    play(scene, Desk(a=frozenset({ONE}), b=frozenset({OTHER})))


def test_handshake_of_before_a_revocation_is_not_admitted() -> None:
    """Who connects while lists are loaded has shown its certificate to the former ones: it must come anew."""

    def scene(server: Server, desk: Desk) -> None:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        line, subscriber = Line("a"), Subscriber(server)
        subscriber.connection_made(line)
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.cut_all()
        subscriber.data_received(wire.hello("a", [MAC]))
        assert line.is_cut
        assert line.written == []
        assert desk.macs == {}

    play(scene, Desk(a=frozenset({ONE})))


def test_address_that_is_taken_does_not_keep_the_others_from_listening() -> None:
    """Each address is tried; the ones that failed are named."""

    def scene(server: Server, desk: Desk) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert server.listen(("127.0.0.1", "127.0.0.2"), port) == (
                f"cannot listen on 127.0.0.1 port {port}: Address already in use"
            )
            socket.create_connection(("127.0.0.2", port), timeout=5).close()

    play(scene, Desk())


def test_silent_connections_of_one_address_do_not_keep_others_out() -> None:
    """One address may have a few handshakes under way; the next of them is closed at once, another address's is not."""

    async def run() -> None:
        desk = Desk()
        server = Server(desk)
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert server.listen(("127.0.0.1",), port) == ""
        with ExitStack() as stack:
            one, other = "127.0.0.1", "127.0.0.9"
            made = [stack.enter_context(await connected(source, port)) for source in (*([one] * 17), other)]
            loop = asyncio.get_running_loop()
            assert await asyncio.wait_for(loop.sock_recv(made[16], 100), 5) == b""
            await loop.sock_sendall(made[17], b"no TLS at all")
            with suppress(ConnectionResetError):
                await asyncio.wait_for(loop.sock_recv(made[17], 100), 5)
            assert [words.partition(": ")[0] for words in desk.refusals] == [other]  # it got as far as speaking TLS
        server.close()

    asyncio.run(run())


async def connected(source: str, port: int) -> socket.socket:
    """A connection to 127.0.0.1 from another of this machine's own addresses."""
    made = socket.socket()
    made.setblocking(False)
    made.bind((source, 0))
    try:
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


def test_refused_connection_is_told_in_the_kernels_words() -> None:
    """Not in asyncio's, which name the address and no reason."""

    async def run() -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        try:
            await connected("127.0.0.1", port)
        except OSError as exc:
            return refusal_words(exc)
        return ""

    assert asyncio.run(run()) == "Connection refused"
