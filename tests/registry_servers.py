"""Registries for tests, on the loopback: a whois server that speaks IRRd's language, and PeeringDB's API."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

WELL, SILENT, CUT, EMPTY, REFUSED = "well", "silent", "cut", "empty", "refused"


@dataclass
class Registry:
    """What an IRR knows, and how it behaves. ``sets`` maps an AS-SET to its members, ``routes`` an AS number to its prefixes.

    SILENT: it takes questions and never answers; CUT: it hangs up in the middle of the first answer that has data; EMPTY: it has
    nothing of whatever it is asked; REFUSED: it has an error in place of every list of IPv4 prefixes.
    """

    sets: dict[str, list[str]]
    routes: dict[int, list[str]]
    manner: str = WELL
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0
    together: int = 1
    barrier: threading.Condition = field(default_factory=threading.Condition)

    def members(self, name: str, seen: set[str] | None = None) -> list[int]:
        """The AS numbers of a set, those of sets inside of it too."""
        seen = seen or {name}
        found: list[int] = []
        for member in self.sets.get(name, []):
            if member in self.sets:
                found += [] if member in seen else self.members(member, {*seen, member})
            else:
                found.append(int(member.removeprefix("AS")))
        return found

    def prefixes(self, asns: list[int], family: str) -> str:
        """The prefixes of one family (``4``, ``6``) that ``asns`` register."""
        found = [text for asn in asns for text in self.routes.get(asn, []) if (":" in text) == (family == "6")]
        return " ".join(found)

    def answer(self, question: str) -> str | None:
        """The data of an answer; None for a question that has none."""
        if self.manner == EMPTY and question != "!s-lc":
            return None
        if question == "!s-lc":
            return "LAB"
        if question.startswith("!i"):
            return " ".join(f"AS{asn}" for asn in self.members(question[2:].partition(",")[0]))
        if question.startswith("!a"):
            return self.prefixes(self.members(question[3:]), question[2])
        if question.lower().startswith("!gas"):
            return self.prefixes([int(question[4:])], "4")
        if question.lower().startswith("!6as"):
            return self.prefixes([int(question[4:])], "6")
        return None


class _Whois(socketserver.StreamRequestHandler):
    server: _WhoisServer

    def handle(self) -> None:
        registry = self.server.registry
        with registry.barrier:
            registry.at_once += 1
            registry.most_at_once = max(registry.most_at_once, registry.at_once)
            registry.barrier.notify_all()
            # Whoever must be here at the same time is waited for; those who come alone are let through in the end.
            registry.barrier.wait_for(lambda: registry.most_at_once >= registry.together, timeout=10)
        try:
            self.talk(registry)
        except OSError:
            pass  # bgpq4 was ended while it waited
        finally:
            with registry.barrier:
                registry.at_once -= 1

    def talk(self, registry: Registry) -> None:
        for line in self.rfile:
            question = line.decode().strip()
            registry.asked.append(question)
            if question == "!q":
                return
            if question == "!!":
                continue
            if registry.manner == SILENT:
                registry.released.wait()
                return
            if question == "!a":
                self.wfile.write(b"F Missing required set name for A query\n")
                continue
            if registry.manner == REFUSED and question.lower()[:3] in ("!a4", "!ga"):
                self.wfile.write(b"F the database timed out\n")
                continue
            data = registry.answer(question)
            if question[:2] in ("!n", "!s") and data is None:
                self.wfile.write(b"C\n")
            elif not data:
                self.wfile.write(b"D\n")
            else:
                body = f"{data}\n".encode()
                whole = b"A%d\n%sC\n" % (len(body), body)
                if registry.manner == CUT and question != "!s-lc":
                    self.wfile.write(whole[: len(whole) // 2])
                    return
                self.wfile.write(whole)


class _WhoisServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, registry: Registry, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Whois)
        self.registry = registry


@contextmanager
def whois(registry: Registry, port: int = 0) -> Iterator[int]:
    """``registry`` on a port of the loopback, any that is free unless one is named."""
    with _WhoisServer(registry, port) as server:
        with _serving(server):
            yield server.server_address[1]
        registry.released.set()


@dataclass
class Database:
    """What PeeringDB says: by AS number the network's row. ``manner`` as of a Registry; ``status`` that of its answers."""

    networks: dict[int, Mapping[str, Any]]
    manner: str = WELL
    status: int = 200
    released: threading.Event = field(default_factory=threading.Event)


class _Api(BaseHTTPRequestHandler):
    server: _ApiServer

    def do_GET(self) -> None:
        database = self.server.database
        parts = urlsplit(self.path)
        asn = int(parse_qs(parts.query)["asn"][0])
        row = database.networks.get(asn) if parts.path == "/api/net" and database.manner != EMPTY else None
        body = json.dumps({"data": [] if row is None else [{"asn": asn, **row}], "meta": {}}).encode()
        self.send_response(database.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if database.manner == SILENT:
            self.wfile.write(body[:1])
            self.wfile.flush()
            database.released.wait()
        elif database.manner == CUT:
            self.wfile.write(body[: len(body) // 2])
        else:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal of the tests."""


class _ApiServer(ThreadingHTTPServer):
    def __init__(self, database: Database) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.database = database


@contextmanager
def peeringdb(database: Database) -> Iterator[str]:
    """``database`` on a port of the loopback; the address of its API."""
    with _ApiServer(database) as server:
        with _serving(server):
            yield f"http://127.0.0.1:{server.server_address[1]}/api"
        database.released.set()


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
