"""How tests are shared out among the sandboxes of ``./dev test``."""

from __future__ import annotations

import pytest

_SHARED = "first_deploy"
"""The fixture that takes longest to make: whoever needs it runs in one sandbox."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays together, since its fixtures are made once for it; so do all files that look at one deployed POP. These are
    the most, and come first."""
    shared = {item.path for item in items if _SHARED in getattr(item, "fixturenames", ())}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_SHARED if item.path in shared else item.path.name))
    items.sort(key=lambda item: item.path not in shared)
