"""BGP speakers that misbehave: ADDRESS ASN HOW triples; ``silent`` says nothing, ``open`` no more than OPEN, ``expire`` no
more than one KEEPALIVE after it."""

from __future__ import annotations

import socket
import struct
import sys
import threading

HOLD_TIME_S = {"open": 240, "expire": 3}


def message(kind: int, body: bytes = b"") -> bytes:
    """Source: RFC 4271 section 4.1."""
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def serve(address: str, asn: int, how: str) -> None:
    listener = socket.create_server((address, 179))
    kept = []
    while True:
        connection, _ = listener.accept()
        kept.append(connection)
        if how != "silent":
            body = struct.pack("!BHH4sB", 4, asn, HOLD_TIME_S[how], socket.inet_aton(address), 0)
            connection.sendall(message(1, body))
        if how == "expire":
            connection.sendall(message(4))


def main() -> None:
    words = sys.argv[1:]
    for address, asn, how in zip(words[::3], words[1::3], words[2::3], strict=True):
        threading.Thread(target=serve, args=(address, int(asn), how)).start()


if __name__ == "__main__":
    main()
