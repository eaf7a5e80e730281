"""Exit codes that follow from what became of several devices; a single error's class owns its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from netorch.errors import NetorchError, TransportError

PENDING = 2
SOME_FAILED = 3
NONE_REACHED = 4


def exit_code_of(failures: Mapping[str, NetorchError], *, asked: int) -> int:
    """Of a command that asked ``asked`` devices: 0 all is done, 3 some failed, 4 none could be reached, else 1."""
    if not failures:
        return 0
    if len(failures) < asked:
        return SOME_FAILED
    return NONE_REACHED if all(isinstance(error, TransportError) for error in failures.values()) else 1


@contextmanager
def one_device() -> Iterator[None]:
    """Of a command that asks a single device: as ``exit_code_of`` has it, where that one cannot be talked to."""
    try:
        yield
    except TransportError as error:
        error.exit_code = NONE_REACHED
        raise
