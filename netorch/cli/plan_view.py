"""Plans and results, as text and as documents. Secrets never pass through here unmasked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Callable

import click

from netorch.app.results import CertificateResult, DeployResult
from netorch.cli.output import emit_rows
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan, Operation, Plan
from netorch.plan import summarise
from netorch.plan.compare import FIGURES
from netorch.plan.drift import NOT_RUNNING

Redact = Callable[[str], str]

_SIGNS = {"+": "green", "~": "yellow", "-": "red"}


def print_plan(plan: Plan, redact: Redact, *, diff: bool, title: str = "", err: bool = False) -> None:
    """The plan, device by device; unchanged devices in one line at the end."""
    if title:
        click.secho(title, bold=True, err=err)
    for device in plan.devices:
        if not device.is_empty:
            _print_device(device, redact, diff=diff, err=err)
    for name, note in plan.notes.items():
        click.echo(f"{name}: {note}", err=err)
    unchanged = [device.device for device in plan.devices if device.is_empty]
    if unchanged:
        click.echo(f"unchanged: {', '.join(unchanged)}", err=err)
    for name, steps in plan.later.items():
        more = f", and {len(steps) - 1} more" if steps[1:] else ""
        click.echo(f"later: {name}: {steps[0]}{more}", err=err)


def _print_device(device: DevicePlan, redact: Redact, *, diff: bool, err: bool) -> None:
    click.secho(f"{device.device} (generation {device.generation})", bold=True, err=err)
    for operation in device.operations:
        line = summarise(operation)
        click.secho(f"  {line}", fg=_SIGNS[line[0]], err=err)
        if diff and isinstance(operation.item, FileItem):
            for row in file_diff(operation, redact):
                click.secho(f"    {row}", fg={"+": "green", "-": "red", "@": "cyan"}.get(row[:1]), err=err)
    for reset in device.resets:
        click.secho(f"  session {reset.session} will {reset.effect}: {reset.reason}", fg="magenta", err=err)


def file_diff(operation: Operation, redact: Redact) -> list[str]:
    """A unified diff of a file operation, secrets masked on both sides."""
    assert isinstance(operation.item, FileItem)
    before = operation.before.text if isinstance(operation.before, FileItem) else ""
    after = "" if operation.action == "remove" else operation.item.text
    old, new = redact(before).splitlines(), redact(after).splitlines()
    rows = list(difflib.unified_diff(old, new, "device", "inventory", lineterm="", n=2))
    if not rows and before != after:
        rows = ["(only a secret changes)"]
    if not rows:
        state = "does not run, and is started" if operation.cause == NOT_RUNNING else "runs another one, and loads it"
        rows = [f"(the file is right; the daemon {state})"]
    return rows


def plan_document(plan: Plan, redact: Redact) -> dict[str, Any]:
    """The plan as plain JSON."""
    return {
        "changes_pending": not plan.is_empty,
        "commit": plan.commit or None,
        "devices": [_device_document(device, redact) for device in plan.devices],
        "later": {name: list(steps) for name, steps in plan.later.items()},
        "notes": dict(plan.notes),
    }


def _device_document(device: DevicePlan, redact: Redact) -> dict[str, Any]:
    return {
        "device": device.device,
        "generation": device.generation,
        "changes": [
            {
                "action": operation.action,
                "kind": operation.item.key[0],
                "summary": summarise(operation),
                "risk": operation.risk,
                "cause": operation.cause or None,
                "diff": file_diff(operation, redact) if isinstance(operation.item, FileItem) else None,
            }
            for operation in device.operations
        ],
        "resets": [{"session": r.session, "effect": r.effect, "reason": r.reason} for r in device.resets],
    }


def results_document(result: DeployResult) -> list[dict[str, Any]]:
    """The results as plain JSON."""
    return [
        {
            "device": r.device,
            "outcome": r.outcome,
            "generation": r.generation or None,
            "message": r.message or None,
            "hint": r.hint or None,
        }
        for r in result.results
    ]


def print_results(result: DeployResult) -> None:
    """What the POPs were before and are now, one line per device, its reason below where there is one, and a line that sums
    up."""
    if result.comparison:
        print_comparison(result)
    width = max((len(r.device) for r in result.results), default=0)
    for r in result.results:
        colour = {"changed": "green", "unchanged": None, "reverted": "yellow"}.get(r.outcome, "red")
        generation = f"{'':{9 - len(r.outcome)}}  generation {r.generation}" if r.generation else ""
        click.echo(f"{r.device:<{width}}  {click.style(r.outcome, fg=colour)}{generation}")
        for line in (r.message + (f"\nhint: {r.hint}" if r.hint else "")).splitlines():
            click.echo(f"  {line}")
    print_certificates(result.certificates)
    outcomes = [r.outcome for r in result.results]
    click.echo(", ".join(f"{outcomes.count(o)} {o}" for o in dict.fromkeys(outcomes)) or "no device")


def print_certificates(results: Sequence[CertificateResult]) -> None:
    """A line for each certificate, the authority's own first."""
    for one in results:
        name = f"{one.device}: certificate {one.outcome}" if one.device else "certificates"
        click.echo(f"{click.style(name, fg='red' if one.is_failure else 'green')}: {one.message}", err=one.is_failure)
        if one.hint:
            click.echo(f"  hint: {one.hint}", err=one.is_failure)


def certificates_document(results: Sequence[CertificateResult]) -> list[dict[str, Any]]:
    """What became of certificates, as plain JSON; ``device`` is null for the authority's own."""
    return [
        {
            "device": one.device or None,
            "outcome": one.outcome,
            "message": one.message or None,
            "hint": one.hint or None,
            "expires": one.not_after,
        }
        for one in results
    ]


def print_comparison(result: DeployResult) -> None:
    """A line per device: sessions, prefixes and routes, as they were and as they are where they differ."""
    rows = [
        {"device": row["device"], **{name: _moved(row[f"{name}_before"], row[f"{name}_after"]) for name in FIGURES}}
        for row in result.comparison
    ]
    columns = [name for name in FIGURES if any(row[name] is not None for row in rows)]
    emit_rows(rows, "table", columns=["device", *columns])


def _moved(before: int | None, after: int | None) -> str | None:
    shown = ["-" if value is None else str(value) for value in (before, after)]
    if shown[0] == shown[1]:
        return None if before is None else shown[0]
    return " -> ".join(shown)
