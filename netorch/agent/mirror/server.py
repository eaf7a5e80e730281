"""The feed's side of the wire: who is connected, and what each is sent.

A change is encoded once for all hosts that may know the same addresses. A host that does not keep up is cut off: it comes back
and gets everything anew.
"""

from __future__ import annotations

import asyncio
import socket

from netorch.agent.clock import now, uptime
from netorch.agent.mirror import wire
from netorch.agent.mirror.pace import Pace
from netorch.agent.mirror.tls import shake_hands
from netorch.agent.mirror.trust import peer_names, refusal_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Dict, FrozenSet, List, Optional, Protocol, Sequence, Set, Tuple

    from netorch.agent.mirror.tls import TlsLine
    from netorch.agent.mirror.wire import Hello, Told
    from netorch.model.types import Mac

    class Desk(Protocol):
        """What subscribers ask of the feed."""

        def addresses_of(self, host: str) -> Optional[FrozenSet[str]]: ...
        def first_news(self, channel: Channel) -> bytes: ...
        def has_macs(self, host: str, macs: FrozenSet[Mac]) -> None: ...
        def refused(self, words: str) -> None: ...
        def touch(self) -> None: ...


QUEUE_BYTES = 4 << 20
"""What may wait for a host that reads slowly: two of the largest messages."""

_SEND_BUFFER_BYTES = 1 << 18
_HELLO_TIMEOUT_S = 5.0
_HANDSHAKES = 64
_HANDSHAKES_OF_ONE = 16
"""From one address: who connects and says nothing must not keep the others out."""

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h


class Channel:
    """The hosts that may know the same addresses; messages are numbered."""

    def __init__(self, addresses: FrozenSet[str]) -> None:
        self.addresses = addresses
        self.sequence = 0
        self.members: Set[Subscriber] = set()

    def tell(self, told: Sequence[Told]) -> int:
        """Send what of ``told`` these hosts may know; how many messages that were."""
        mine = [one for one in told if one.address in self.addresses]
        sent = 0
        for start in range(0, len(mine), wire.DELTA_ENTRIES):
            self.sequence += 1
            sent += self._send(wire.delta(self.sequence, mine[start : start + wire.DELTA_ENTRIES]))
        return sent

    def tell_own(self, macs: FrozenSet[Mac]) -> int:
        """Send the POP's own MACs."""
        self.sequence += 1
        return self._send(wire.own(self.sequence, macs))

    def beat(self) -> int:
        """Send a sign of life."""
        return self._send(wire.beat(self.sequence))

    def _send(self, data: bytes) -> int:
        for member in tuple(self.members):
            member.send(data)
        return len(self.members)


class Subscriber:
    """One connection. Nothing is sent before its hello was found right."""

    def __init__(self, server: Server) -> None:
        self.host = ""
        self.address = ""
        self.since = now()
        self.sent = 0
        self.expires = 0.0
        self.channel: Optional[Channel] = None
        self._server = server
        self._lines = wire.Lines(wire.MAX_FROM_MIRROR)
        self._pace = Pace(1.0, 10.0)
        self.context = server.context
        self._names: FrozenSet[str] = frozenset()
        self._line: Optional[TlsLine] = None
        self._late: Optional[asyncio.TimerHandle] = None

    def connection_made(self, line: TlsLine) -> None:
        """Its certificate has been found good."""
        self._line = line
        self.address = line.peer
        self._names, self.expires = peer_names(line.getpeercert())
        self._late = asyncio.get_running_loop().call_later(_HELLO_TIMEOUT_S, self.refuse, "no hello")

    def data_received(self, data: bytes) -> None:
        """It says something."""
        try:
            for line in self._lines.take(data):
                if not self._pace.allows(uptime()):
                    raise wire.WireError("too many messages")
                self._hello(wire.read_hello(line))
        except wire.WireError as exc:
            self.refuse(str(exc))

    def _hello(self, hello: Hello) -> None:
        if self._late is not None:
            self._late.cancel()
        if hello.host not in self._names:
            self.refuse(f"says that it is {hello.host}, its certificate is that of {', '.join(sorted(self._names))}")
            return
        if self.host and self.host != hello.host:
            self.refuse("says two names")
            return
        self.host = hello.host
        self._server.admit(self, hello)

    def refuse(self, words: str) -> None:
        """End the connection, and say why."""
        if self._line is None or self._line.is_over:
            return
        self._server.desk.refused(f"{self.host or self.address}: {words}")
        self.cut()

    def cut(self) -> None:
        """End the connection at once, whatever waits to be sent."""
        if self._line is not None:
            self._line.abort()
        self.connection_lost(None)

    def send(self, data: bytes) -> None:
        """Send, unless too much waits already: then the host is cut off."""
        assert self._line is not None
        self._line.write(data)
        self.sent += 1
        if self._line.waiting_bytes > QUEUE_BYTES:
            self.refuse("does not read what it is sent")

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """It is over."""
        if self._late is not None:
            self._late.cancel()
        self._server.forget(self)


class Server:
    """Listens, and keeps the channels."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.context: Optional[ssl.SSLContext] = None
        self.channels: Dict[FrozenSet[str], Channel] = {}
        self._listeners: Dict[Tuple[str, int], socket.socket] = {}
        self._handshakes: Dict[asyncio.Task[None], str] = {}

    @property
    def subscribers(self) -> List[Subscriber]:
        return [member for channel in self.channels.values() for member in channel.members]

    def listen(self, addresses: Sequence[str], port: int) -> str:
        """Listen on these and on no others; where that failed and why, "" if it did not."""
        failures: List[str] = []
        loop = asyncio.get_running_loop()
        wanted = {(address, port) for address in addresses}
        for key in set(self._listeners) - wanted:
            listener = self._listeners.pop(key)
            loop.remove_reader(listener)
            listener.close()
        for key in sorted(wanted - set(self._listeners)):
            try:
                listener = _listen(*key)
            except OSError as exc:
                failures.append(f"cannot listen on {key[0]} port {key[1]}: {exc.strerror}")
                continue
            self._listeners[key] = listener
            loop.add_reader(listener, self._accept, listener)
        return ", ".join(failures)

    def close(self) -> None:
        """End everything."""
        self.listen((), 0)
        self.cut_all()

    def cut_all(self) -> None:
        """Every host is to come anew."""
        for subscriber in self.subscribers:
            subscriber.cut()

    def beat(self) -> int:
        """Send everybody a sign of life; how many messages that were."""
        return sum(channel.beat() for channel in tuple(self.channels.values()))  # one that loses its last host goes

    def admit(self, subscriber: Subscriber, hello: Hello) -> None:
        """Give a host what it may know; a second hello only tells its MACs anew."""
        addresses = self.desk.addresses_of(hello.host)
        if addresses is None:
            subscriber.refuse("is not among the hosts of this switch")
            return
        if subscriber.channel is None and subscriber.context is not self.context:
            # Its certificate was looked at before the lists of today were loaded, and nobody looks at it again.
            subscriber.refuse("connected while certificates changed")
            return
        self.desk.has_macs(hello.host, hello.macs)
        if subscriber.channel is not None:
            return
        for other in self.subscribers:
            if other.host == hello.host:
                other.cut()
        channel = self.channels.setdefault(addresses, Channel(addresses))
        subscriber.channel = channel
        subscriber.send(self.desk.first_news(channel))
        channel.members.add(subscriber)
        self.desk.touch()

    def forget(self, subscriber: Subscriber) -> None:
        """It has gone."""
        channel = subscriber.channel
        if channel is not None and subscriber in channel.members:
            channel.members.discard(subscriber)
            if not channel.members:
                self.channels.pop(channel.addresses, None)
            self.desk.touch()

    def _accept(self, listener: socket.socket) -> None:
        try:
            made, peer = listener.accept()
        except OSError:
            return
        address, others = str(peer[0]), list(self._handshakes.values())
        if self.context is None or len(others) >= _HANDSHAKES or others.count(address) >= _HANDSHAKES_OF_ONE:
            made.close()
            return
        task = asyncio.get_running_loop().create_task(self._shake_hands(made, address))
        self._handshakes[task] = address
        task.add_done_callback(lambda task: self._handshakes.pop(task, None))

    async def _shake_hands(self, made: socket.socket, address: str) -> None:
        assert self.context is not None
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            await shake_hands(made, self.context, Subscriber(self), timeout_s=_HELLO_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError) as exc:
            self.desk.refused(f"{address}: {refusal_words(exc)}")


def _listen(address: str, port: int) -> socket.socket:
    """On an address that may come later: interfaces may be slower than this agent."""
    is_ipv6 = ":" in address
    listener = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listener.bind((address, port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener
