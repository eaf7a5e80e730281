"""What the SSH connector costs before it is used."""

from __future__ import annotations

import pickle
import subprocess
import sys

from netorch.io.ssh import SshConnector, SshEnvironment
from netorch.model.inventory import Ssh


def test_paramiko_is_imported_only_to_connect() -> None:
    """Importing and making a connector leaves paramiko and cryptography alone: --help must stay fast."""
    code = (
        "import sys; from netorch.io.ssh import SshConnector, SshEnvironment; "
        "SshConnector({}, SshEnvironment('/', 'root')); "
        "assert not {'paramiko', 'cryptography'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_connecting_imports_no_event_loop() -> None:
    """paramiko comes without invoke and asyncio, which nobody here uses; afterwards they can be imported as ever."""
    code = "import sys, netorch.io.ssh_hop; assert not {'invoke', 'asyncio'} & set(sys.modules); import invoke"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_connector_travels_to_another_process() -> None:
    """Executors that run elsewhere pickle it: the settings arrive."""
    connector = SshConnector({"sw1": Ssh("198.18.1.1")}, SshEnvironment("/home/ada", "ada", config_files=()))
    assert pickle.loads(pickle.dumps(connector)).endpoint("sw1") == connector.endpoint("sw1")
