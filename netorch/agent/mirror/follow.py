"""A host's connection to one switch's feed: made, kept, and made anew whenever it is lost or not as it should be."""

from __future__ import annotations

import asyncio
import random
import socket

from netorch.agent.clock import now, uptime
from netorch.agent.mirror import wire
from netorch.agent.mirror.pace import BackOff, Pace
from netorch.agent.mirror.tls import shake_hands
from netorch.agent.mirror.trust import peer_names, refusal_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, Dict, Optional, Protocol

    from netorch.agent.mirror.settings import FollowedFeed
    from netorch.agent.mirror.tls import TlsLine
    from netorch.agent.mirror.wire import News

    class Follower(Protocol):
        """Who follows: the host's agent."""

        context: Optional[ssl.SSLContext]

        def greeting(self) -> bytes: ...
        def hear(self, link: FeedLink, news: News) -> None: ...
        def lost(self, link: FeedLink) -> None: ...
        def count(self, name: str, by: int = 1) -> None: ...
        def say(self, text: str) -> None: ...
        def touch(self) -> None: ...


_CONNECT_TIMEOUT_S = 3.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0
_PROVEN_S = 5.0
_GREETINGS_PER_S, _GREETINGS_AT_ONCE = 0.5, 4.0
"""Less than a feed bears: interfaces of containers come and go in dozens."""

_MESSAGES_PER_S, _MESSAGES_AT_ONCE = 2000.0, 4000.0


class FeedLink:
    """One feed. ``is_up`` from its snapshot on; ``since`` (of the epoch) is when that last changed."""

    def __init__(self, feed: FollowedFeed, follower: Follower) -> None:
        self.feed = feed
        self.follower = follower
        self.is_up = False
        self.since = now()
        self.address: Optional[str] = None
        self.error = "not connected yet"
        self.messages = 0
        self.resyncs = 0
        self.rejected = 0
        self._connection: Optional[_Connection] = None
        self._attempts = 0
        self._said: Dict[str, str] = {}
        self._is_stopped = False
        self._hurry = asyncio.Event()
        self._task: Optional[asyncio.Task[None]] = None

    def start(self) -> None:
        """Begin, and go on until ``stop``."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """It goes on for as long as the agent lives: what ended it otherwise is told, and it begins anew."""
        if not task.cancelled() and not self._is_stopped:
            self._down(f"{type(task.exception()).__name__}: {task.exception()}: please report it")
            asyncio.get_running_loop().call_later(_LONGEST_WAIT_S, self.start)

    def stop(self) -> None:
        """End it."""
        self._is_stopped = True  # a task may miss that it is cancelled
        if self._task is not None:
            self._task.cancel()
        self.cut("the agent ends")

    def cut(self, words: str) -> None:
        """End the connection that there is; another one is made."""
        if self._connection is not None:
            self._connection.end(words)

    def hurry(self) -> None:
        """What kept it from connecting may be over: the next attempt is now."""
        if self._connection is None or self._connection.lost.is_set():
            self._hurry.set()

    def greet_again(self) -> None:
        """The host's own MACs may have changed."""
        if self._connection is not None:
            self._connection.greet()

    def check(self) -> None:
        """Once a second: a feed that is silent is dead."""
        if self._connection is None:
            return
        if uptime() - self._connection.heard > wire.SILENCE_S + 0.5:
            self._connection.end(f"silent for {wire.SILENCE_S:g} s")
        elif self._connection.expires < now():
            self._connection.end("its certificate has expired")
        else:
            self._connection.greet()

    def as_json(self) -> Dict[str, Any]:
        """For the status file."""
        return {
            "switch": self.feed.switch,
            "interface": self.feed.interface,
            "up": self.is_up,
            "since": self.since,
            "address": self.address,
            "error": "" if self.is_up else self.error,
            "messages": self.messages,
            "resyncs": self.resyncs,
            "rejected": self.rejected,
        }

    async def _run(self) -> None:
        back_off = BackOff(_FIRST_WAIT_S, _LONGEST_WAIT_S, random=random.random)
        while not self._is_stopped:
            begun = uptime()
            connection = await self._connect()
            if connection is not None:
                await connection.lost.wait()
                self._down(connection.words)
                if uptime() - begun > _PROVEN_S:
                    back_off.reset()
            try:
                await asyncio.wait_for(self._hurry.wait(), back_off.next_s())
            except asyncio.TimeoutError:
                continue
            self._hurry.clear()
            back_off.reset()

    async def _connect(self) -> Optional[_Connection]:
        address = self.feed.addresses[self._attempts % len(self.feed.addresses)]
        self._attempts += 1
        context = self.follower.context
        if context is None:
            self._fail("no certificate to show yet")
            return None
        connection = _Connection(self)
        try:
            made = await _connected(address, self.feed.port)
            await shake_hands(made, context, connection, server_name=self.feed.switch, timeout_s=_CONNECT_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError) as exc:
            connection.end("")
            timed_out = isinstance(exc, asyncio.TimeoutError)
            self._fail("no answer" if timed_out else refusal_words(exc), address)
            return None
        if context is not self.follower.context:
            connection.end("connected while certificates changed")
        return connection

    def opened(self, connection: _Connection, address: str) -> None:
        """The switch has shown its certificate."""
        self._connection, self.address = connection, address

    def _fail(self, words: str, address: str = "") -> None:
        text = f"{address}: {words}" if address else words
        if text != self.error:
            self.error = text
            self.follower.touch()
        if self._said.get(address) != words:  # a switch that is away for days is said once for each of its addresses
            self._said[address] = words
            self.follower.say(f"{self.feed.switch}: {text}")

    def came_up(self) -> None:
        """Its snapshot has been taken over."""
        self.is_up, self.since, self.error = True, now(), ""
        self.resyncs += 1
        self._said.clear()
        self.follower.count("resyncs")
        self.follower.say(f"{self.feed.switch}: follows {self.address}")
        self.follower.touch()

    def _down(self, words: str) -> None:
        self._connection, self.address = None, None
        self._fail(words)
        if self.is_up:
            self.is_up, self.since = False, now()
            self.follower.lost(self)
            self.follower.touch()

    def reject(self) -> None:
        """Count something that was not believed."""
        self.rejected += 1
        self.follower.count("rejected")


async def _connected(address: str, port: int) -> socket.socket:
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, (address, port)), _CONNECT_TIMEOUT_S)
    except BaseException:
        made.close()
        raise
    return made


class _Connection:
    """One connection, from its hello on."""

    def __init__(self, link: FeedLink) -> None:
        self.lost = asyncio.Event()
        self.words = "the feed refused this host: its log says why"
        self.heard = uptime()
        self.expires = 0.0
        self._link = link
        self._reader = wire.FeedReader(link.feed.switch)
        self._lines = wire.Lines(wire.MAX_FROM_FEED)
        self._pace = Pace(_MESSAGES_PER_S, _MESSAGES_AT_ONCE)
        self._greetings = Pace(_GREETINGS_PER_S, _GREETINGS_AT_ONCE)
        self._greeted = b""
        self._line: Optional[TlsLine] = None

    def connection_made(self, line: TlsLine) -> None:
        """The switch has shown its certificate."""
        self._line = line
        _, self.expires = peer_names(line.getpeercert())
        self.heard = uptime()
        self._link.opened(self, line.peer)
        self.greet()

    def greet(self) -> None:
        """Say hello, where it is not the one that was said last. One that is too soon is said by a later call."""
        greeting = self._link.follower.greeting()
        if self._line is not None and greeting != self._greeted and self._greetings.allows(uptime()):
            self._greeted = greeting
            self._line.write(greeting)

    def data_received(self, data: bytes) -> None:
        """The feed says something."""
        if self.lost.is_set():
            return
        self.heard = now_s = uptime()
        try:
            for line in self._lines.take(data):
                if not self._pace.allows(now_s):
                    raise wire.WireError(f"more than {_MESSAGES_PER_S:g} messages a second")
                self._take(line)
        except wire.WireError as exc:
            self._link.reject()
            self.end(str(exc))

    def _take(self, line: bytes) -> None:
        news = self._reader.take(line)
        self._link.messages += 1
        if news is None:
            return
        self._link.follower.hear(self._link, news)
        if news.is_whole:
            self.words = "the feed ended the connection"
            self._link.came_up()

    def end(self, words: str) -> None:
        """End it at once."""
        if not self.lost.is_set():
            self.words = words
            self.lost.set()
        if self._line is not None:
            self._line.abort()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """It is over."""
        if exc is not None and not self.lost.is_set():
            self.words = refusal_words(exc)
        self.lost.set()
