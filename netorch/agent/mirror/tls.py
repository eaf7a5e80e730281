"""TLS connections for an event loop, on the interpreter's own TLS sockets.

asyncio's own transport moves every message through two more buffers: a change would take half as long again to reach ten hosts.
It also closes a connection that it refuses before the other side has been told why.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Protocol

    class Talk(Protocol):
        """Who speaks over a connection."""

        def connection_made(self, line: TlsLine) -> None: ...
        def data_received(self, data: bytes) -> None: ...
        def connection_lost(self, exc: Optional[Exception]) -> None: ...


_RECEIVE_BYTES = 1 << 16
_LAST_WORDS_S = 0.5
_USER_TIMEOUT_MS = 5000
_TCP_USER_TIMEOUT = 18  # linux/tcp.h


async def shake_hands(
    made: socket.socket, context: ssl.SSLContext, talk: Talk, *, server_name: Optional[str] = None, timeout_s: float
) -> None:
    """Begin TLS on a connected socket that does not block: as a client of ``server_name`` or, without one, as the server.

    ``talk`` has it then. Raises OSError, ssl.SSLError among them, and asyncio.TimeoutError; the socket is closed then.
    """
    line = made
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        line = context.wrap_socket(
            made, server_side=server_name is None, server_hostname=server_name, do_handshake_on_connect=False
        )
        await asyncio.wait_for(_handshake(line), timeout_s)
        TlsLine(line, talk).begin()
    except ssl.SSLError:
        if server_name is None:  # closed at once, what the client has sent already would cut short what it is told
            await asyncio.sleep(_LAST_WORDS_S)
        line.close()
        raise
    except BaseException:
        line.close()
        raise


async def _handshake(line: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            line.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(line, loop.add_reader, loop.remove_reader)
        except ssl.SSLWantWriteError:
            await _ready(line, loop.add_writer, loop.remove_writer)
        else:
            return


async def _ready(line: ssl.SSLSocket, add: Callable[..., object], remove: Callable[..., object]) -> None:
    ready = asyncio.get_running_loop().create_future()
    add(line, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(line)


class TlsLine:
    """A connection after its handshake. What cannot be sent at once waits; its owner looks at how much that is."""

    def __init__(self, line: ssl.SSLSocket, talk: Talk) -> None:
        self.peer = str(line.getpeername()[0])
        self._line = line
        self._talk = talk
        self._waiting = bytearray()
        self._is_writing = False
        self._is_over = False
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Let it be used; what came with the handshake is read as well."""
        self._loop.add_reader(self._line, self._read)
        self._talk.connection_made(self)
        self._loop.call_soon(self._read)

    def getpeercert(self) -> Any:
        """The certificate that the other side has shown."""
        return self._line.getpeercert()

    @property
    def waiting_bytes(self) -> int:
        """What has not been sent yet."""
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        return self._is_over

    def write(self, data: bytes) -> None:
        """Send it, now or as soon as the other side takes it."""
        if self._is_over:
            return
        if self._waiting:
            self._waiting += data
            return
        try:
            sent = self._line.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError as exc:
            self._end(exc)
            return
        if sent < len(data):
            self._waiting += data[sent:]
            self._is_writing = True
            self._loop.add_writer(self._line, self._write)

    def abort(self) -> None:
        """End it at once; nobody is called back."""
        if not self._is_over:
            self._close()

    def _write(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: self._line.send(self._waiting[:_RECEIVE_BYTES])]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError as exc:
            self._end(exc)
            return
        self._is_writing = False
        self._loop.remove_writer(self._line)

    def _read(self) -> None:
        """Everything that is there: TLS may hold what the socket does not show any more."""
        if self._is_over:
            return
        while True:
            try:
                data = self._line.recv(_RECEIVE_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as exc:
                self._end(exc)
                return
            if not data:
                self._end(None)
                return
            self._talk.data_received(data)
            if self.is_over or not self._line.pending():
                return  # the loop tells when there is more

    def _end(self, exc: Optional[Exception]) -> None:
        self._close()
        self._talk.connection_lost(exc)

    def _close(self) -> None:
        self._is_over = True
        self._loop.remove_reader(self._line)
        if self._is_writing:
            self._loop.remove_writer(self._line)
        with suppress(OSError):
            self._line.close()
