"""What became of the devices of a deploy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netorch.errors import GuardRefused, Locked, NetorchError, Reverted, TransportError

INTERRUPTED = 130  # as shells have it: 128 and the signal's number
FAILURES = ("failed", "unknown", "reverted", "degraded", "refused", "skipped")


@dataclass(frozen=True)
class DeviceResult:
    """What became of one device:

    ``changed``    confirmed, and well as far as it can be seen
    ``unchanged``  there was nothing to do
    ``reverted``   the change was applied and has been undone
    ``failed``     nothing was changed, or it could not be reached
    ``unknown``    the connection ended half-way: the device decides alone, and the next run finds out
    ``degraded``   a change was confirmed and stays, but its POP lost something over it, or the step after it did not succeed
    ``refused``    a guard was against it, and nothing was changed
    ``skipped``    its turn did not come
    """

    device: str
    outcome: str
    generation: int = 0
    message: str = ""
    hint: str = ""
    error: NetorchError | None = None


@dataclass(frozen=True)
class CertificateResult:
    """What became of a device's certificate. ``outcome``: ``issued`` (it had none), ``renewed``, ``updated`` (what it trusts),
    ``failed``, or ``created`` (the authority itself; ``device`` is "")."""

    device: str
    outcome: str
    message: str = ""
    hint: str = ""
    not_after: float | None = None
    error: NetorchError | None = None

    @property
    def is_failure(self) -> bool:
        """Whether someone has to look at it."""
        return self.outcome == "failed"


@dataclass(frozen=True)
class DeployResult:
    """The results of a deploy in the order of the devices. ``comparison`` has a row for each device of the POPs that were
    compared before and after; keys as in ``plan.compare``. ``certificates`` are those that were issued or failed, and devices
    that were told whom to trust."""

    results: tuple[DeviceResult, ...]
    comparison: tuple[Mapping[str, Any], ...] = ()
    certificates: tuple[CertificateResult, ...] = ()
    is_interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0 done; 6 every failure was reverted cleanly; 5 every failure met a lock; 7 every failure was refused by a guard; 4
        no device could be reached; 3 some devices failed and the rest is done, or nothing but certificates failed; 130
        interrupted; 1 otherwise.
        """
        if self.is_interrupted:
            return INTERRUPTED
        failed = [result for result in self.results if result.outcome in FAILURES]
        causes = [result for result in failed if result.outcome != "skipped"]
        if not failed:
            return 3 if any(certificate.is_failure for certificate in self.certificates) else 0
        if causes and all(result.outcome == "reverted" for result in causes):
            return Reverted.exit_code
        for kind in (Locked, GuardRefused):
            if causes and all(isinstance(result.error, kind) for result in causes):
                return kind.exit_code
        if len(failed) < len(self.results):
            return 3
        return 4 if causes and all(r.outcome == "failed" and isinstance(r.error, TransportError) for r in causes) else 1


def failed_result(name: str, error: NetorchError, *, outcome: str = "") -> DeviceResult:
    """The result of a device that ``error`` stopped: by default ``reverted`` where it says so, else ``failed``."""
    # The result names the device; a place beyond it, such as a template's line, belongs to the message.
    message = str(error).removeprefix(f"{name}: ")
    outcome = outcome or ("reverted" if isinstance(error, Reverted) else "failed")
    return DeviceResult(name, outcome, message=message, hint=error.hint, error=error)


_NOT_DONE = {"reverted": "was taken back", "unknown": "ended half-way"}


def after(former: DeviceResult | None, result: DeviceResult) -> DeviceResult:
    """``result`` of a step, on a device for which one before ended as ``former``: what was confirmed then stays, whatever became
    of this one, and nobody may read that the device is as it was."""
    if former is None or result.outcome not in FAILURES:
        return result
    generation = result.generation or former.generation
    if former.outcome not in ("changed", "degraded"):
        return replace(result, generation=generation)
    became = _NOT_DONE.get(result.outcome, "was not done")
    message = f"generation {former.generation} stays; the step that had to wait {became}: {result.message}"
    outcome = "unknown" if result.outcome == "unknown" else "degraded"
    hint = result.hint or f"netorch plan {result.device} shows what is missing"
    return replace(result, outcome=outcome, generation=generation, message=message, hint=hint)
