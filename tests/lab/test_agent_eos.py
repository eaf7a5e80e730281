"""A device whose interfaces' labels are EOS's too: the agent asks a stand-in of EOS's CLI, which notes down what it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netorch.errors import NetorchError
from netorch.model.items import AliasItem
from netorch.model.plan import Operation
from netorch.model.request import DecideRequest
from tests.lab.agent_device import LabDevice, install_program, systemd_device

pytestmark = pytest.mark.lab

ASKED = "/run/asked"
STAND_IN = f"""#!/bin/sh
printf '%s\\n' "$@" >> {ASKED}
case "$4" in *refuse*) echo '% Invalid input';; esac
"""


@pytest.fixture
def device() -> Iterator[LabDevice]:
    with systemd_device() as lab:
        install_program(lab, "FastCli", STAND_IN)
        lab.namespace.run("ip", "link", "add", "et3_1", "type", "bridge")
        yield lab


def asked(device: LabDevice) -> list[str]:
    """The last command of each call, which says what the label is to be."""
    lines = device.namespace.path(ASKED).read_text().splitlines()
    assert lines[3::6] == ["configure"] * (len(lines) // 6)
    assert set(lines[4::6]) == {"interface Ethernet3/1"}
    return lines[5::6]


def alias(device: LabDevice) -> str:
    """The kernel's."""
    (link,) = json.loads(device.namespace.run("ip", "-j", "link", "show", "et3_1"))
    return str(link.get("ifalias", ""))


def test_a_label_is_told_to_both(device: LabDevice) -> None:
    """Kernel and EOS get it; undone, both go back to the one before."""
    label = Operation("add", AliasItem("et3_1", "northtel: circuit 1"))
    request = device.change(label)
    device.client.apply(request)
    assert (alias(device), asked(device)) == ("northtel: circuit 1", ["description northtel: circuit 1"])
    device.client.revert(DecideRequest(request.id, "alice@control"))
    assert (alias(device), asked(device)) == ("", ["description northtel: circuit 1", "no description"])


def test_a_label_that_eos_refuses_is_undone(device: LabDevice) -> None:
    """The error has EOS's words, and nothing stays."""
    with pytest.raises(NetorchError, match="EOS's CLI: % Invalid input"):
        device.client.apply(device.change(Operation("add", AliasItem("et3_1", "refuse this"))))
    assert alias(device) == ""
