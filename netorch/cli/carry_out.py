"""Shows a plan, lets guards and the operator refuse it, executes it, and shows what became of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netorch.cli.exit_codes import exit_code_of
from netorch.cli.folder_locks import rolling_out
from netorch.errors import GuardRefused, NetorchError, UsageError, annotated

if TYPE_CHECKING:
    from netorch.app.controller import Controller
    from netorch.app.gather import World
    from netorch.app.results import DeployResult
    from netorch.app.transaction import Options
    from netorch.model.plan import Plan
    from netorch.plan.guards import Allowances, Refusal

SHOWN_SESSIONS = 6
_EFFECTS = ("restart", "close", "start")


@dataclass(frozen=True)
class Wish:
    """What the command line wants of a plan: only to see it (``check``), with ``diff``; ``yes``: nobody is asked."""

    check: bool
    diff: bool
    yes: bool
    output: str
    allowed: Allowances
    options: Options


def carry_out(
    controller: Controller, world: World, plan: Plan, *, failures: dict[str, NetorchError], wish: Wish
) -> int:
    """Execute ``plan`` as ``wish`` says; the exit code."""
    from netorch.app.deploying import deploy
    from netorch.app.planning import refusals, without_obstacles
    from netorch.cli.plan_view import plan_document, print_plan
    from netorch.plan.guards import relaxed

    redact = controller.redact
    refused = refusals(controller, world, plan, wish.allowed)
    if wish.check:
        show_plan(controller, plan, failures, refused=refused, diff=wish.diff, output=wish.output)
        asked = len(plan.devices) + len(failures)
        _, failures = without_obstacles(plan, failures)
        return GuardRefused.exit_code if refused else exit_code_of(failures, asked=asked)
    documents = [plan_document(plan, redact)]
    if wish.output == "table" and not plan.is_empty:
        print_plan(plan, redact, diff=wish.diff)
    if refused:
        return _refuse(controller, documents, refused, wish)
    plan, failures = without_obstacles(plan, failures)
    if not plan.is_empty and not wish.yes:
        for error in failures.values():
            click.echo(annotated(error), err=True)
        _ask(world, plan, wish.options)

    def show(later: Plan) -> None:
        documents.append(plan_document(later, redact))
        if wish.output == "table":
            print_plan(later, redact, diff=wish.diff, title="the step that had to wait:")

    relaxed_plan = relaxed(plan, wish.allowed)
    with rolling_out(Path(controller.inventory.folder)):
        result = deploy(controller, world, relaxed_plan, failures=failures, options=wish.options, show=show)
    _show_result(result, documents, wish.output)
    return result.exit_code


def show_plan(
    controller: Controller,
    plan: Plan,
    failures: dict[str, NetorchError],
    *,
    refused: Sequence[Refusal],
    diff: bool,
    output: str,
) -> None:
    """The plan, what could not be planned, and what the guards would say."""
    from netorch.cli.output import emit
    from netorch.cli.plan_view import plan_document, print_plan

    redact = controller.redact
    if output == "table":
        print_plan(plan, redact, diff=diff)
        if plan.is_empty and not failures:
            click.echo("nothing to do")
        for error in (*failures.values(), *(refusal.error() for refusal in refused)):
            click.echo(annotated(error), err=True)
        return
    document = plan_document(plan, redact)
    document["failures"] = [
        {"device": name, "where": error.where or None, "message": error.message, "hint": error.hint or None}
        for name, error in failures.items()
    ]
    document["refused"] = [_refusal_document(refusal) for refusal in refused]
    emit(document, output)


def _refuse(controller: Controller, documents: list[Any], refused: Sequence[Refusal], wish: Wish) -> int:
    from netorch.cli.output import emit

    for refusal in refused:
        click.echo(annotated(refusal.error()), err=True)
        if controller.audit is not None:
            reason = wish.options.reason
            message = f"{refusal.guard}: {refusal.finding}"
            controller.audit.record(
                wish.options.action, refusal.where, result="refused", reason=reason, message=message
            )
    if wish.output != "table":
        found = [_refusal_document(refusal) for refusal in refused]
        document = {"plans": documents, "results": [], "comparison": [], "refused": found, "interrupted": False}
        emit({**document, "exit_code": GuardRefused.exit_code}, wish.output)
    return GuardRefused.exit_code


def _refusal_document(refusal: Refusal) -> dict[str, Any]:
    return {"guard": refusal.guard, "where": refusal.where, "finding": refusal.finding, "hint": refusal.hint}


def _show_result(result: DeployResult, documents: list[Any], output: str) -> None:
    from netorch.cli.output import emit
    from netorch.cli.plan_view import certificates_document, print_results, results_document

    if output == "table":
        print_results(result)
        return
    document = {
        "plans": documents,
        "results": results_document(result),
        "comparison": [dict(row) for row in result.comparison],
        "certificates": certificates_document(result.certificates),
        "refused": [],
        "interrupted": result.is_interrupted,
        "exit_code": result.exit_code,
    }
    emit(document, output)


def _ask(world: World, plan: Plan, options: Options) -> None:
    _refuse_nobody()
    for line in summary(world, plan):
        click.secho(line, fg="magenta")
    agree_or_raise(question(world, plan, options))


def agree_or_raise(text: str) -> None:
    """Ask whoever is at the terminal. UsageError where nobody is, NetorchError where they do not agree."""
    _refuse_nobody()
    try:
        agrees = click.confirm(text)
    except click.Abort:
        raise KeyboardInterrupt from None  # as at any other moment: a verb says what it has done so far
    if not agrees:
        raise NetorchError("nothing was changed")


def _refuse_nobody() -> None:
    if not sys.stdin.isatty():
        raise UsageError("this would change devices, and nobody is at the terminal to agree", hint="add --yes")


def summary(world: World, plan: Plan) -> list[str]:
    """Which Established sessions are cut, a line for each way; those with providers first."""
    fabric = {(d.name, s.name) for d in world.intent.devices for s in d.sessions if s.kind != "provider"}
    lines: list[str] = []
    for effect in ("restart", "close"):
        cut = [
            (device.device, reset.session)
            for device in plan.devices
            for reset in device.resets
            if reset.effect == effect and _is_up(world, device.device, reset.session)
        ]
        names = [f"{session} on {device}" for device, session in sorted(cut, key=fabric.__contains__)]
        more = f" and {len(names) - SHOWN_SESSIONS} more" if len(names) > SHOWN_SESSIONS else ""
        if names:
            lines.append(f"Established sessions that {effect}: {', '.join(names[:SHOWN_SESSIONS])}{more}")
    return lines


def question(world: World, plan: Plan, options: Options) -> str:
    """``Change 5 devices of pop1 in 4 batches; sessions: 2 restart, 20 start?``"""
    from netorch.model.text import counted
    from netorch.plan import batches

    changed = [device.device for device in plan.devices if not device.is_empty]
    pops = list(dict.fromkeys(world.intent.device(name).pop for name in changed))
    where = pops[0] if len(pops) == 1 else f"{len(pops)} POPs"
    count = len(batches(world.intent, changed, sizes=options.sizes))
    effects = Counter(reset.effect for device in plan.devices for reset in device.resets)
    words = ", ".join(f"{effects[effect]} {effect}" for effect in _EFFECTS if effects[effect])
    steps = f" in {count} batches" if count > 1 else " at once" if len(changed) > 1 else ""
    return f"Change {counted(len(changed), 'device')} of {where}{steps}; sessions: {words or 'none resets'}?"


def _is_up(world: World, device: str, session: str) -> bool:
    facts = world.facts.get(device)
    from netorch.model.checks import is_up

    return facts is not None and is_up(facts.protocol(session))
