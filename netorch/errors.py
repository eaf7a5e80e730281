"""The one error tree of netorch. Each class owns its exit code; every error may carry a hint that names the fix."""

from __future__ import annotations

from typing import Optional, Sequence


class NetorchError(Exception):
    """Anything that netorch reports to its user instead of a traceback.

    ``where`` names the place (``inventory/pops/pop1.yml:14:9``, ``sw1.pop1``), the message says what was found and what
    was expected, ``hint`` how to fix it.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InventoryError(NetorchError):
    """The inventory is wrong: ``problems`` holds every finding, in file order."""

    def __init__(self, problems: Sequence[InventoryProblem]) -> None:
        super().__init__("\n".join(annotated(problem) for problem in problems))
        self.problems = tuple(problems)


class InventoryProblem(NetorchError):
    """One finding in the inventory; ``where`` is ``file:line:column: path.to.key``, less what is not known.

    ``line`` and ``column`` count from 1; ``line`` 0 means the file as a whole. ``rule`` and ``level`` (``error``, ``warning``,
    ``note``) are those of ``netorch lint``; what makes an inventory invalid is an error of the rule ``inventory``.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str,
        line: int = 0,
        column: int = 0,
        key: str = "",
        hint: str = "",
        rule: str = "inventory",
        level: str = "error",
    ) -> None:
        position = f"{file}:{line}:{column}" if line else file
        super().__init__(message, where=f"{position}: {key}" if key else position, hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.rule = rule
        self.level = level


class RenderError(NetorchError):
    """A template failed, or a value cannot be written in the daemon's language."""


class ParseError(NetorchError):
    """A daemon's output has a line that no rule matches, or ends before it is complete."""


class TransportError(NetorchError):
    """A device could not be talked to."""


class Unreachable(TransportError):
    """No connection could be made: the device answered nothing, or refused."""


class AuthError(TransportError):
    """The host key is unknown or changed, or no key was accepted."""


class TimedOut(TransportError):
    """A wait reached its deadline; what the device did meanwhile is unknown."""


class DeviceError(NetorchError):
    """A device refused or failed a request; the message is the device's own where it has one."""


class Outdated(DeviceError):
    """A device was changed by somebody else since the plan for it was made. Nothing has been changed: plan again."""


class Interrupted(NetorchError):
    """Whoever gave the command interrupted it; the message says what it had done, the hint what to type."""

    exit_code = 130  # as shells have it: 128 and the signal's number


class Locked(NetorchError):
    """Someone else is at work; the message says who, and since when."""

    exit_code = 5


class Reverted(DeviceError):
    """A change was applied, failed its checks and has been undone."""

    exit_code = 6


class GuardRefused(NetorchError):
    """A guard refused a plan; the hint names the flag that overrides it."""

    exit_code = 7


class PluginError(NetorchError):
    """A plugin is missing, has the wrong shape, or failed; ``where`` is its name."""


class UsageError(NetorchError):
    """The command line names something that does not exist or contradicts itself."""

    exit_code = 64


class InternalError(NetorchError):
    """A defect of netorch itself."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(
            message, where=where, hint="this is a defect of netorch: please report it with the output above"
        )


def annotated(error: NetorchError) -> str:
    """The text that a user sees: the message, and the hint indented below it."""
    return f"{error}\n  hint: {error.hint}" if error.hint else str(error)


def first_line(text: Optional[str]) -> str:
    """The first non-empty line of ``text``, for one-line summaries; "" if there is none."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")
