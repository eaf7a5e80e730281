"""What the core needs from outside, as Protocols; ``netorch.io`` has the real ones, ``netorch.testing`` the fakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Iterable, Optional, Protocol, Sequence, Union

if TYPE_CHECKING:
    from netorch.model.curve import Curve


@dataclass(frozen=True)
class Reply:
    """The end of a remote command. ``status`` is the exit status; a command that was killed or cut off raises instead."""

    status: int
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """One connection to one device. Not shared between threads."""

    def run(
        self,
        command: str,
        *,
        stdin: Union[bytes, Iterable[bytes]] = b"",
        timeout_s: float,
        doing: str = "",
        on_output: Optional[Callable[[bytes], None]] = None,
    ) -> Reply:
        """Run ``command`` with ``stdin``, drain both streams under one deadline. ``doing`` is what errors call it.

        Where ``stdin`` comes in parts, each is sent when it is there, from another thread, which may wait for the next one when
        the command has ended.

        ``on_output`` is given standard output as it arrives, in the reply's place; what it raises ends the command.

        Raises TimedOut at the deadline and TransportError when the connection ends before the exit status arrived.
        """

    def close(self) -> None:
        """End the connection; never raises."""


class Connector(Protocol):
    """Opens connections to devices by the inventory's name."""

    def connect(self, device: str, *, timeout_s: float) -> Transport:
        """Connect with a strict host key check.

        Raises Unreachable, AuthError (host key unknown or changed, no key accepted) or TimedOut.
        """


class Clock(Protocol):
    """Time. ``now`` is seconds since the epoch (UTC), ``monotonic`` never steps."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``; for poll intervals, never instead of a condition."""


class Secrets(Protocol):
    """Resolves secret references of the inventory."""

    def resolve(self, reference: str) -> str:
        """The secret behind a reference (``SecretRef``); NetorchError, which never holds the value, when there is none."""


class Progress(Protocol):
    """Told what happens while devices are worked on; the terminal and the logs are observers."""

    def step(self, device: str, text: str) -> None:
        """``device`` ("" for the run as a whole) now does ``text``."""

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """``device`` does nothing more for now: so many of the devices that are worked on at the same time have finished."""

    def curves(self, text: str, curves: Sequence[Curve]) -> None:
        """The run as a whole waits for ``text``, and ``curves`` show how that goes."""

    def done(self, device: str, outcome: str, detail: Optional[str] = None) -> None:
        """``device`` is finished: ``changed``, ``unchanged``, ``failed``, ``reverted`` or ``unknown``."""

    def idle(self) -> None:
        """Nothing goes on for now: a question may be asked, results be shown."""
