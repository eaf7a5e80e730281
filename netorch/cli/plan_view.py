"""Plans and results, as text and as documents. Secrets never pass through here unmasked."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Callable

import click

from netorch.app.results import CertificateResult, DeployResult, DeviceResult
from netorch.cli.many import Block, Line, merge, shorten
from netorch.cli.output import emit_rows
from netorch.model.facts import LineChange
from netorch.model.frr_lines import change_rows
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan, Operation, Plan
from netorch.model.text import counted, utc_text
from netorch.plan import summarise
from netorch.plan.compare import FIGURES
from netorch.plan.daemons import language_of
from netorch.plan.drift import NOT_RUNNING

Redact = Callable[[str], str]

_SIGNS = {"+": "green", "~": "yellow", "-": "red"}
_OUTCOMES = {"changed": "green", "unchanged": None, "reverted": "yellow"}
OUTCOME_WIDTH = 11
COMPARED = 20
"""Devices of a comparison from which on those that are as they were are counted only."""

_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def print_plan(plan: Plan, redact: Redact, *, diff: bool, title: str = "", err: bool = False) -> None:
    """The plan, device by device; unchanged devices in one line at the end."""
    if title:
        click.secho(title, bold=True, err=err)
    blocks = tuple(_block(device, redact, diff=diff) for device in plan.devices if not device.is_empty)
    is_cut = False
    if _is_for_people(err=err):
        blocks, is_cut = shorten(merge(blocks)) if not diff else (blocks, False)
    for block in blocks:
        click.secho(f"{block.names} ({block.generation})", bold=True, err=err)
        for line in block.lines:
            click.secho(f"  {line.text}", fg=line.colour, err=err)
    if is_cut:
        click.secho(
            "(cut short: netorch plan DEVICE shows one whole, a pipe or -o json all of them)", dim=True, err=err
        )
    for name, note in plan.notes.items():
        click.echo(f"{name}: {note}", err=err)
    unchanged = [device.device for device in plan.devices if device.is_empty]
    if unchanged:
        names = Block(tuple(unchanged)).names if _is_for_people(err=err) else ", ".join(unchanged)
        click.echo(f"unchanged: {names}", err=err)
    for name, steps in plan.later.items():
        more = f", and {len(steps) - 1} more" if steps[1:] else ""
        click.echo(f"later: {name}: {steps[0]}{more}", err=err)


def _is_for_people(*, err: bool) -> bool:
    return (sys.stderr if err else sys.stdout).isatty()


def _block(device: DevicePlan, redact: Redact, *, diff: bool) -> Block:
    lines: list[Line] = []
    for operation in device.operations:
        text = summarise(operation)
        lines.append(Line(text, _SIGNS[text[0]]))
        if diff and isinstance(operation.item, FileItem):
            lines += [Line(f"  {row}", _DIFF_COLOURS.get(row[:1])) for row in file_diff(operation, redact, device)]
    for reset in device.resets:
        lines.append(Line(f"session {reset.session} will {reset.effect}: {reset.reason}", "magenta"))
    effects = Counter(reset.effect for reset in device.resets)
    sessions = "".join(f", sessions that {effect}: {count}" for effect, count in effects.items())
    short = f"{counted(len(device.operations), 'change')}{sessions}"
    return Block((device.device,), tuple(lines), short=short, generations=(device.generation,))


def file_diff(operation: Operation, redact: Redact, device: DevicePlan) -> list[str]:
    """A unified diff of a file operation of ``device``'s plan, secrets masked on both sides; then what its daemon runs otherwise
    than in its file."""
    item = operation.item
    assert isinstance(item, FileItem)
    before = operation.before.text if isinstance(operation.before, FileItem) else ""
    after = "" if operation.action == "remove" else item.text
    rows = _text_diff(item.daemon, redact(before), redact(after))
    typed = live_rows(device.live_lines, redact) if item.daemon else []
    if typed:
        return [*rows, f"--- what {item.daemon} runs", f"+++ {item.path}", *typed]
    if not rows and before != after:
        rows = ["(only a secret changes)"]
    was = operation.before.mode if isinstance(operation.before, FileItem) else item.mode
    if not rows and was != item.mode:
        rows = [f"(its mode is {was:04o}, expected {item.mode:04o})"]
    if not rows:
        state = "does not run, and is started" if operation.cause == NOT_RUNNING else "runs another one, and loads it"
        rows = [f"(the file is right; the daemon {state})"]
    return rows


def _text_diff(daemon: str, old: str, new: str) -> list[str]:
    rows = language_of(daemon).differing_lines(old, new) if daemon else None
    if rows is None:
        return list(difflib.unified_diff(old.splitlines(), new.splitlines(), "device", "inventory", lineterm="", n=2))
    if not rows:
        return [f"({daemon} has written it anew: the same lines in a form of its own)"]
    return [f"--- device, as {daemon} has written it", "+++ inventory", *rows]


def live_rows(lines: Sequence[LineChange], redact: Redact) -> list[str]:
    """What somebody typed into the running daemon, and took away there, under the lines that it stands in."""
    return [redact(row) for row in change_rows((change.sign, change.line) for change in lines)]


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
                "diff": file_diff(operation, redact, device) if isinstance(operation.item, FileItem) else None,
            }
            for operation in device.operations
        ],
        "resets": [{"session": r.session, "effect": r.effect, "reason": r.reason} for r in device.resets],
        "obstacle": None
        if device.obstacle is None
        else {"message": device.obstacle.message, "hint": device.obstacle.hint or None},
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
    blocks = tuple(map(_result_block, result.results))
    if _is_for_people(err=False):
        blocks = merge(blocks)
    width = max((len(block.names) for block in blocks), default=0)
    for block in blocks:
        word = click.style(block.word, fg=_OUTCOMES.get(block.word, "red"))
        space = " " * max(0, OUTCOME_WIDTH - len(block.word)) if block.generation else ""
        click.echo(f"{block.names:<{width}}  {word}{space}{block.generation}")
        for line in block.lines:
            click.echo(f"  {line.text}")
    print_certificates(result.certificates)
    outcomes = [r.outcome for r in result.results]
    click.echo(", ".join(f"{outcomes.count(o)} {o}" for o in dict.fromkeys(outcomes)) or "no device")
    if result.is_interrupted:
        click.echo("interrupted: the same command goes on from here", err=True)


def _result_block(result: DeviceResult) -> Block:
    text = result.message + (f"\nhint: {result.hint}" if result.hint else "")
    generations = (result.generation,) if result.generation else ()
    return Block((result.device,), tuple(map(Line, text.splitlines())), word=result.outcome, generations=generations)


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
            "expires": None if one.not_after is None else utc_text(one.not_after),
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
    moved = [row for row in rows if any("->" in str(row[name]) for name in columns)]
    shown = moved if len(rows) > COMPARED and _is_for_people(err=False) else rows
    if shown:
        emit_rows(shown, "table", columns=["device", *columns])
    if len(shown) < len(rows):
        click.echo(f"as before: {len(rows) - len(shown)} devices")


def _moved(before: int | None, after: int | None) -> str | None:
    shown = ["-" if value is None else str(value) for value in (before, after)]
    if shown[0] == shown[1]:
        return None if before is None else shown[0]
    return " -> ".join(shown)
