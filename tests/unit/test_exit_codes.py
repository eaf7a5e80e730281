"""Exit codes: the same for one device that cannot be talked to as for several."""

from __future__ import annotations

import pytest

from netorch.cli.exit_codes import exit_code_of, one_device
from netorch.errors import AuthError, DeviceError, NetorchError, TimedOut, TransportError, Unreachable


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Unreachable("x"), 4), (AuthError("x"), 4), (TimedOut("x"), 4), (TransportError("x"), 4), (DeviceError("x"), 1)],
    ids=lambda value: type(value).__name__,
)
def test_who_cannot_be_talked_to_is_not_reached(error: NetorchError, expected: int) -> None:
    """It answers nothing, shows another host key, is too slow, or the connection ended; what it refuses itself is an error."""
    with pytest.raises(type(error)) as raised, one_device():
        raise error
    assert raised.value.exit_code == expected
    assert exit_code_of({"h1.pop1": error}, asked=1) == expected
