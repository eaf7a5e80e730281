"""Fixtures of the lab tests. ``./dev test`` runs pytest in namespaces of its own; nothing here touches the machine outside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab.labs import Lab, booted, example_inventory, lab_settings


@pytest.fixture(scope="session", autouse=True)
def _sandbox(request: pytest.FixtureRequest) -> None:
    wanted = any(item.get_closest_marker("lab") for item in request.session.items)
    if wanted and os.environ.get("NETORCH_SANDBOX") != "1":  # noqa: TID251 - set by ./dev sandbox
        pytest.exit("lab tests make namespaces and daemons: run them with './dev test tests/lab'", returncode=2)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The shipped inventory, booted; its project folder is the parent of ``lab.settings.state``."""
    folder = tmp_path_factory.mktemp("project")
    with booted(example_inventory(folder), lab_settings(folder)) as up:
        yield up
