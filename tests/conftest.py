"""What holds for every test."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

DEPLOYED_POP = ("tests/lab/test_pop_*.py", "tests/lab/test_mirror_pop.py")
"""Files that share the one lab with whole tables that takes longest to boot and to deploy."""

EGRESS = ("tests/lab/test_egress_*.py",)
"""Files that share the lab of explain, steer and exec."""


def pytest_configure() -> None:
    """Ctrl-C works. A shell that starts tests in the background has it ignored, and every child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that nobody waits for it at the end: the deployed POP, other labs, the rest."""
    tests = Counter(_file_of(item.nodeid) for item in items)

    def rank(item: pytest.Item) -> tuple[int, int]:
        file = _file_of(item.nodeid)
        if _is_of(DEPLOYED_POP, file):
            return (0, -tests[file])  # what looks at the first deploy is the biggest
        return (1 if file.startswith("tests/lab/") else 2, 0)

    items.sort(key=rank)


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _is_of(group: tuple[str, ...], file: str) -> bool:
    return any(PurePosixPath(file).match(pattern) for pattern in group)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Tests of one file run in one sandbox, and so do those that share a lab: it is booted once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((group[0] for group in (DEPLOYED_POP, EGRESS) if _is_of(group, file)), file)

    config.option.loadscopereorder = False  # it would put files with few tests last, which are the long ones
    return Scheduling(config, log)
