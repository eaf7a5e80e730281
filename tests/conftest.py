"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Ctrl-C works. A shell that starts tests in the background has it ignored, and every child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
