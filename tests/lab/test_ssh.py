"""SSH against real sshd processes."""

from __future__ import annotations

import pytest

from tests.lab.ssh_server import SshLab, ssh_lab

__all__ = ["ssh_lab"]

pytestmark = pytest.mark.lab


def test_a_command_gives_its_status_and_both_streams(ssh_lab: SshLab) -> None:
    """Exit status, standard output and standard error come back apart."""
    transport = ssh_lab.connector(sw1=ssh_lab.server("sw1")).connect("sw1")
    reply = transport.run("cat; echo problem >&2; exit 3", stdin=b"input", timeout_s=10)
    transport.close()
    assert (reply.status, reply.stdout, reply.stderr) == (3, b"input", b"problem\n")
