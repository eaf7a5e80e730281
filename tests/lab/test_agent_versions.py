"""The agent on every BIRD and every Python of the lab: facts, a confirmed change, a change that fails and is taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from netorch.errors import Reverted
from netorch.io.device import Device
from netorch.lab import exec_in
from netorch.model.items import FileItem
from netorch.model.plan import Check, Operation
from netorch.model.request import ApplyRequest, DecideRequest, FactsRequest
from netorch.ports import Reply
from tests.lab.labs import Lab, booted, example_inventory, lab_settings, own_network
from tests.lab.test_lab_versions import VERSIONS, mixed

pytestmark = pytest.mark.lab

PATH = "/etc/bird/bird.conf"
PYTHON = {"h1.pop1": "3.11", "h2.pop1": "3.13", "h3.pop1": "3.13"}
CONFIGURATION = """\
define NETORCH_STAMP = "@STAMP@";
log syslog all;
router id 10.0.0.1;
protocol device { }
protocol static own4 { ipv4; route 192.0.2.0/24 blackhole; }
protocol bgp absent_v4 {
  local 10.1.1.11 as 64500;
  neighbor 10.1.1.9 as 64497;
  ipv4 { import all; export none; };
}
"""


class LabTransport:
    """A Connector and Transport in one, which runs commands in a node instead of over SSH."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._node = ""

    def connect(self, device: str, *, timeout_s: float) -> LabTransport:
        self._node = device
        return self

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float, doing: str = "") -> Reply:
        done = exec_in(self._node, ("sh", "-c", command), self._lab.settings, stdin=stdin, timeout_s=timeout_s)
        return Reply(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        return


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("agent-versions")
    with own_network(), booted(mixed(example_inventory(folder)), lab_settings(folder, "-agents")) as up:
        yield up


@pytest.fixture(params=sorted(PYTHON))
def device(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Device]:
    with Device(request.param, LabTransport(lab)) as client:
        yield client


def asked(device: Device, *wants: str) -> FactsRequest:
    return FactsRequest(device.name, "bird", files=(PATH,), wants=wants)


def change(device: Device, stamp: str, **check: object) -> ApplyRequest:
    """A request that loads the configuration above with this stamp."""
    facts = device.facts(asked(device))
    before = FileItem(PATH, facts.files[0].text or "", group="bird", daemon="bird")
    after = replace(before, text=CONFIGURATION.replace("@STAMP@", stamp))
    return ApplyRequest(
        id=f"change-{stamp}",
        facts=asked(device),
        base=facts.base,
        generation=facts.generation,
        operations=(Operation("change", after, before),),
        sha256=(hashlib.sha256(after.text.encode()).hexdigest(),),
        check=Check(**check),  # type: ignore[arg-type]
        confirm_timeout_s=20.0,
        author="alice@control",
    )


def test_facts_are_gathered(lab: Lab, device: Device) -> None:
    """Version, protocols in full, links and routes, with the Python that the device has."""
    assert lab.run(device.name, "python3", "--version").startswith(f"Python {PYTHON[device.name]}.")
    facts = device.facts(asked(device, "neighbours", "links", "route_counts", "protocols"))
    assert facts.daemon.running
    assert f"BIRD version {facts.daemon.version}".startswith(VERSIONS[device.name][2])
    assert {protocol.name for protocol in facts.daemon.protocols} >= {"device1", "kernel1", "kernel2", "static1"}
    assert {link.name for link in facts.links or ()} >= {"eth0", "mgmt0"}


def test_change_is_applied_and_confirmed(lab: Lab, device: Device) -> None:
    """A configuration is loaded, confirmed, and is what runs and what is on disk."""
    request = change(device, "first")
    device.apply(request)
    device.confirm(DecideRequest(request.id, "alice@control"))
    facts = device.facts(asked(device, "protocols"))
    assert (facts.daemon.live_stamp, facts.daemon.disk_stamp) == ("first", "first")
    assert facts.protocol("absent_v4").bgp_state in ("Connect", "Active", "Idle")
    assert "first" in lab.run(device.name, "cat", PATH)


def test_change_whose_check_fails_is_taken_back(device: Device) -> None:
    """A session that does not come up takes the change back: what ran before runs again."""
    before = device.facts(asked(device)).daemon.live_stamp
    with pytest.raises(Reverted):
        device.apply(change(device, "second", up=("absent_v4",), timeout_s=2.0))
    facts = device.facts(asked(device))
    assert (facts.daemon.live_stamp, facts.daemon.disk_stamp) == (before, before)
