"""Files for node_exporter's textfile collector, and the figures of a run in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.errors import NetorchError
from netorch.model.sources import STANDBY, UP, ValidatorFacts

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

REVERTED = "netorch_reverted_total"
LAST_SUCCESS = "netorch_run_last_success_timestamp_seconds"


@dataclass(frozen=True)
class RunMetrics:
    """What one run found and did. ``finished`` is seconds since the epoch; ``drift`` counts the operations that each device
    needed when the run began, ``outcomes`` the devices by what became of them. ``expiries`` are seconds since the epoch
    by device, ``validators`` what a device says of one, by both names, ``certificates`` how many of those were issued,
    renewed, and so on."""

    finished: float
    duration_s: float
    exit_code: int
    drift: Mapping[str, int]
    outcomes: Mapping[str, int]
    drains: int
    reverted: int
    expiries: Mapping[str, float] = field(default_factory=dict)
    certificates: Mapping[str, int] = field(default_factory=dict)
    validators: Mapping[tuple[str, str], ValidatorFacts] = field(default_factory=dict)


def write_metrics(path: Path, run: RunMetrics) -> None:
    """Replace the file at ``path``, whole or not at all. What the former one counted goes on: changes that were reverted, and
    when a run last succeeded.

    Raises NetorchError where it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

    # Without the time of this process's start, which tells nothing of a counter that goes on.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    former = _former(path)
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    succeeded = run.finished if run.exit_code == 0 else former.get(LAST_SUCCESS, 0.0)
    gauge(LAST_SUCCESS, "When a run last ended with exit code 0; 0 for never.", succeeded)
    gauge("netorch_run_timestamp_seconds", "When the last run ended.", run.finished)
    gauge("netorch_run_duration_seconds", "How long the last run took.", run.duration_s)
    gauge("netorch_run_exit_code", "The exit code of the last run.", run.exit_code)
    gauge("netorch_drains", "Drains that are in force.", run.drains)
    drift = Gauge("netorch_drift_operations", "Operations that the last run planned.", ["device"], registry=registry)
    for device, count in run.drift.items():
        drift.labels(device).set(count)
    devices = Gauge("netorch_run_devices", "Devices of the last run by outcome.", ["outcome"], registry=registry)
    for outcome, count in run.outcomes.items():
        devices.labels(outcome).set(count)
    reverted = Counter(REVERTED.removesuffix("_total"), "Changes that runs had to revert.", registry=registry)
    reverted.inc(former.get(REVERTED, 0.0) + run.reverted)
    expiry = "netorch_certificate_expiry_seconds"
    expiries = Gauge(expiry, "When a device's certificate expires, since the epoch.", ["device"], registry=registry)
    for device, seconds in run.expiries.items():
        expiries.labels(device).set(seconds)
    text = "Certificates that the last run issued, renewed, or failed to, by outcome."
    certificates = Gauge("netorch_run_certificates", text, ["outcome"], registry=registry)
    for outcome, count in run.certificates.items():
        certificates.labels(outcome).set(count)
    _add_validators(registry, run.validators)
    write_registry(path, registry)


def _add_validators(registry: CollectorRegistry, validators: Mapping[tuple[str, str], ValidatorFacts]) -> None:
    from prometheus_client import Gauge

    labels = ["device", "validator"]
    name, text = "netorch_validator_up", "Whether a validator answers, or stands by for one that does."
    up = Gauge(name, text, labels, registry=registry)
    name, text = "netorch_validator_entries", "Entries of a validator's list."
    entries = Gauge(name, text, [*labels, "family"], registry=registry)
    name, text = "netorch_validator_answer_age_seconds", "Age of its last answer; not of daemons that do not tell."
    age = Gauge(name, text, labels, registry=registry)
    for names, held in validators.items():
        up.labels(*names).set(held.state in (UP, STANDBY))
        entries.labels(*names, "ipv4").set(held.ipv4 or 0)
        entries.labels(*names, "ipv6").set(held.ipv6 or 0)
        if held.age_s is not None:
            age.labels(*names).set(held.age_s)


def write_registry(path: Path, registry: CollectorRegistry) -> None:
    """Replace the file at ``path`` by what ``registry`` holds, whole or not at all. Raises NetorchError where it cannot be
    written."""
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), registry)
    except OSError as exc:
        hint = "the folder of node_exporter's --collector.textfile.directory, writable for this user"
        raise NetorchError(f"metrics cannot be written: {exc.strerror}", where=str(path), hint=hint) from exc


def _former(path: Path) -> dict[str, float]:
    """The figures without labels of the file that is there; {} where there is none, or none that can be read."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        text = path.read_text(encoding="utf-8")
        families = list(text_string_to_metric_families(text))
    except (OSError, ValueError):
        return {}
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
