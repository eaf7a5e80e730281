"""The Internet's TCP service: port 80 of every address says through which provider a connection came in.

``responder.py CONFIG.json``: {interface: provider}. A line that begins with GET gets an HTTP answer; any other is sent back.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from typing import Dict

PORT = 80
IPV6_2292PKTOPTIONS, IPV6_2292PKTINFO = 6, 2  # linux/in6.h
LINE_TIMEOUT_S = 60.0


def arrival_interface(connection: socket.socket) -> str:
    """The interface on which the connection's first packet came in, "" if the kernel does not tell.

    Source: net/ipv4/ip_sockglue.c and net/ipv6/ipv6_sockglue.c, PKTOPTIONS on a stream socket.
    """
    try:
        if connection.family == socket.AF_INET:
            # struct cmsghdr (16 bytes), then struct in_pktinfo, which begins with the index
            data = connection.getsockopt(socket.IPPROTO_IP, 9, 64)
            index = struct.unpack_from("i", data, 16)[0]
        else:
            data = connection.getsockopt(socket.IPPROTO_IPV6, IPV6_2292PKTOPTIONS, 64)
            index = struct.unpack_from("i", data, 16 + 16)[0]
        return socket.if_indextoname(index)
    except (OSError, struct.error):
        return ""


def listener(family: int) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.setsockopt(socket.IPPROTO_IPV6, IPV6_2292PKTINFO, 1)
    else:
        server.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    server.bind(("", PORT))
    return server


class Responder:
    def __init__(self, providers: Dict[str, str]) -> None:
        self.providers = providers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: socket.socket = writer.get_extra_info("socket")._sock
        provider = self.providers.get(arrival_interface(connection), "unknown")
        try:
            while True:
                line = await asyncio.wait_for(reader.readline(), LINE_TIMEOUT_S)
                if line.startswith(b"GET "):
                    text = f"{writer.get_extra_info('sockname')[0]} via {provider}\n"
                    head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
                    writer.write((head + text).encode())
                else:
                    writer.write(line)
                await writer.drain()
                if not line or line.startswith(b"GET "):
                    return
        except (OSError, ValueError, asyncio.TimeoutError):  # noqa: UP041 - another class before Python 3.11
            return
        finally:
            writer.close()


async def main(providers: Dict[str, str]) -> None:
    responder = Responder(providers)
    servers = [await asyncio.start_server(responder.serve, sock=listener(f)) for f in (socket.AF_INET, socket.AF_INET6)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as configuration:
        asyncio.run(main(json.load(configuration)))
