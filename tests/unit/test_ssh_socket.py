"""How long a machine that answers nothing is waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from netorch.errors import Unreachable
from netorch.io.clock import Deadline, SystemClock
from netorch.io.ssh_endpoint import Endpoint
from netorch.io.ssh_socket import open_stream


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue is full: whoever connects gets no answer at all."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port: int = server.getsockname()[1]
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


def test_a_machine_that_answers_nothing_costs_half_the_time_of_a_login(silent_port: int) -> None:
    """The rest is for one that answers, slowly; and the message says how long was waited."""
    clock = SystemClock()
    deadline = Deadline.after(clock, 2.0)
    silent = Endpoint(
        "h1",
        "127.0.0.1",
        silent_port,
        "root",
        (),
        (),
        identities_chosen=False,
        only_identities=False,
        agent_socket=None,
    )
    with pytest.raises(Unreachable, match=r"nothing answers at .* \(waited 1 s\)"):
        open_stream(silent, deadline, where="h1.pop1")
    assert deadline.left_s() > 0
