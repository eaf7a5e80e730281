"""examples/own_routes.py asks a service how it is, whatever that answers."""

from __future__ import annotations

import runpy
import socket
from threading import Thread

import pytest

from tests.lab.labs import ROOT


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"", False),
    ],
)
def test_what_is_no_web_server_is_not_well(answer: bytes, well: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program goes on whoever answers: one that stopped would leave a dead service its route."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    is_well = runpy.run_path(str(ROOT / "examples/own_routes.py"))["is_well"]

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        thread = Thread(target=serve)
        thread.start()
        assert is_well(f"http://127.0.0.1:{server.getsockname()[1]}/health") is well
        thread.join(20)
        assert not thread.is_alive()
