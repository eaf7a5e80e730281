"""Fixtures of the lab tests. ``./dev test`` runs pytest in namespaces of its own; nothing here touches the machine outside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab import deployed_pop
from tests.lab.agent_device import LabDevice, running_device
from tests.lab.deployed_pop import FirstDeploy
from tests.lab.egress_lab import egress_lab
from tests.lab.labs import Lab, booted, example_inventory, lab_settings
from tests.lab.quick_lab import QuickLab


@pytest.fixture(scope="session", autouse=True)
def _sandbox(request: pytest.FixtureRequest) -> None:
    wanted = any(item.get_closest_marker("lab") for item in request.session.items)
    if wanted and os.environ.get("NETORCH_SANDBOX") != "1":  # noqa: TID251 - set by ./dev sandbox
        pytest.exit("lab tests make namespaces and daemons: run them with './dev test tests/lab'", returncode=2)


@pytest.fixture
def device() -> Iterator[LabDevice]:
    """A device of the agent's tests, new for each."""
    with running_device() as made:
        yield made


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The shipped inventory, booted; its project folder is the parent of ``lab.settings.state``."""
    folder = tmp_path_factory.mktemp("project")
    with booted(example_inventory(folder), lab_settings(folder)) as up:
        yield up


@pytest.fixture(scope="session")
def first_deploy(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> FirstDeploy:
    """POP1, deployed while no MAC address of a provider was known, with captures from before that; asserts nothing."""
    return deployed_pop.first_deploy(lab, tmp_path_factory.mktemp("captures"))


@pytest.fixture(scope="module")
def pop(first_deploy: FirstDeploy) -> FirstDeploy:
    """POP1 with nothing pending and every route in place, whatever the module before left."""
    first_deploy.netorch("deploy", "pop1", "--yes")
    deployed_pop.wait_until_complete(first_deploy)
    return first_deploy


@pytest.fixture(scope="session")
def egress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """The lab of explain, steer and exec; each of their tests leaves it as it was."""
    with egress_lab(tmp_path_factory.mktemp("egress")) as up:
        yield up
