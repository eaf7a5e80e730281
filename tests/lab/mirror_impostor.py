"""Who speaks in a feed's place, or between it and its hosts, for tests of the mirror's agents."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from tests.lab.mirror_bed import PORT, Bed
from tests.lab.mirror_certificates import Leaf, TestAuthority, pem_of_key
from tests.lab.namespaces import inside

_TLS_HEADER_BYTES = 5  # RFC 8446 section 5.1


def context_of(folder: Path, leaf: Leaf, authority: TestAuthority, *, is_server: bool) -> ssl.SSLContext:
    """TLS as a stranger would set it up, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    (folder / "key.pem").write_bytes(pem_of_key(leaf.key))
    (folder / "certificate.pem").write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context.load_verify_locations(cadata=authority.certificate.public_bytes(Encoding.PEM).decode())
    return context


@contextmanager
def in_place_of_the_feed(
    bed: Bed, context: ssl.SSLContext | None, speak: Callable[[socket.socket], None]
) -> Iterator[None]:
    """A server of the switch's address that says to everybody what ``speak`` sends; without a context, in the clear."""
    bed.switch.stop()

    def serve(made: socket.socket) -> None:
        if context is None:
            speak(made)
            return
        with context.wrap_socket(made, server_side=True) as connection:
            connection.settimeout(5)
            speak(connection)

    try:
        with _serving(bed, serve):
            yield
    finally:
        bed.switch.start()


@contextmanager
def _serving(bed: Bed, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """``serve`` each connection to the feed's address and port, one after the other."""
    listener = inside(bed.switch.space.pid, lambda: socket.create_server(("10.1.1.1", PORT)))

    def work() -> None:
        while True:
            try:
                made, _ = listener.accept()
            except OSError:
                return
            with made:
                made.settimeout(5)
                try:
                    serve(made)
                except OSError:
                    continue

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


Damage = Callable[[bytes], bytes]


class Middleman:
    """Sits between a feed and its hosts, passes bytes on, and changes what the feed says once ``damage`` is set.

    ``damage`` takes one TLS record and gives what is to arrive in its place; it is used once, ``is_done`` tells that it was.
    """

    def __init__(self, bed: Bed, feed_port: int) -> None:
        self.damage: Damage | None = None
        self.is_done = False
        self._bed = bed
        self._feed_port = feed_port

    @contextmanager
    def at_work(self) -> Iterator[Middleman]:
        """While the block runs, hosts reach the feed through it only."""
        with _serving(self._bed, self._relay):
            yield self

    def _relay(self, made: socket.socket) -> None:
        feed = inside(
            self._bed.switch.space.pid, lambda: socket.create_connection(("10.1.1.1", self._feed_port), timeout=5)
        )
        with feed:
            back = threading.Thread(target=self._forward, args=(made, feed))
            back.start()
            with suppress(OSError):
                while True:
                    made.sendall(self._damaged(_record(feed)))
            for one in (made, feed):
                _shut(one)
            back.join(10)

    def _damaged(self, record: bytes) -> bytes:
        damage, self.damage = self.damage, None
        if damage is None:
            return record
        self.is_done = True
        return damage(record)

    @staticmethod
    def _forward(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        _shut(target)


def _record(source: socket.socket) -> bytes:
    """One TLS record; OSError at the end."""
    header = _exactly(source, _TLS_HEADER_BYTES)
    return header + _exactly(source, int.from_bytes(header[3:5], "big"))


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
