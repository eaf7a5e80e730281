"""Plugins' verbs as click commands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

import click

from netorch.api import InputFile, Option, Plugin, Report, Verb
from netorch.cli.durations import Duration
from netorch.cli.exit_codes import exit_code_of
from netorch.cli.options import (
    audit_option,
    command_line,
    controller_for,
    inventory_folder,
    inventory_option,
    output_option,
)
from netorch.errors import NetorchError, UsageError, annotated

if TYPE_CHECKING:
    from netorch.app.controller import Controller

MAX_FILE_BYTES = 4 << 20


class TextFile(click.ParamType):  # type: ignore[type-arg]
    """A file of text, or ``-`` for standard input: what stands in it."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> InputFile:
        """The whole file; fails where it cannot be read, is no text, or is longer than ``MAX_FILE_BYTES``."""
        if isinstance(value, InputFile):
            return value
        name = "standard input" if value == "-" else str(value)
        try:
            with click.open_file(str(value), "rb") as file:
                content: bytes = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            self.fail(f"{name}: {error.strerror or error}", param, ctx)
        if len(content) > MAX_FILE_BYTES:
            self.fail(f"{name}: expected at most {MAX_FILE_BYTES} bytes", param, ctx)
        try:
            return InputFile(name, content.decode())
        except UnicodeDecodeError as error:
            self.fail(f"{name}: expected text in UTF-8, found something else at byte {error.start}", param, ctx)


def sentence(text: str) -> str:
    """A plugin's help in the form of netorch's own."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def bundled_verbs() -> tuple[Verb, ...]:
    """The verbs of the plugins that come with netorch; what ``--help`` lists without reading an inventory."""
    from netorch.loader import bundled_plugins

    return tuple(verb for plugin in bundled_plugins() for verb in plugin.verbs)


def verb_command(name: str, folder: str) -> click.Command | None:
    """The command ``netorch NAME``: a verb, or a group of the verbs whose first word it is; None if no plugin has it."""
    from netorch.loader import bundled_plugins

    command = _command_of(name, bundled_plugins())
    if command is None:
        command = _command_of(name, _enabled_plugins(folder))
    return command


def _enabled_plugins(folder: str) -> tuple[Plugin, ...]:
    from pathlib import Path

    from netorch.app.inventory import read_inventory
    from netorch.loader import load_plugins

    try:
        return load_plugins(read_inventory(Path(folder)).plugins)
    except NetorchError:
        return ()  # the unknown command is the better message


def _command_of(name: str, plugins: Iterable[Plugin]) -> click.Command | None:
    found = [(plugin, verb) for plugin in plugins for verb in plugin.verbs if verb.name.split()[0] == name]
    if not found:
        return None
    if len(found) == 1 and " " not in found[0][1].name:
        return _build(found[0][0], found[0][1], name)
    group = click.Group(name, help=" ".join(sentence(verb.help) for _, verb in found))
    for plugin, verb in found:
        group.add_command(_build(plugin, verb, verb.name.split()[1]))
    return group


def _build(plugin: Plugin, verb: Verb, name: str) -> click.Command:
    def callback(ctx: click.Context, **parameters: Any) -> int:
        return _run(ctx, plugin, verb, parameters)

    command: Callable[..., Any] = click.pass_context(callback)
    for decorate in (output_option, audit_option, inventory_option):
        command = decorate(command)
    command = click.option("--check", is_flag=True, help="Show what would be done.")(command)
    for option in reversed(verb.options):
        command = _click_option(option)(command)
    for argument in reversed(verb.arguments):
        command = click.argument(argument.name, nargs=-1 if argument.many else 1, required=argument.required)(command)
    return click.command(name, help=_help(verb))(command)


def _help(verb: Verb) -> str:
    lines = [f"{argument.name.upper()}: {argument.help}" for argument in verb.arguments if argument.help]
    # \b: click is to leave the lines as they are.
    examples = ["\n".join(["\b", "Examples:", *(f"  {line}" for line in verb.examples)])] if verb.examples else []
    return "\n\n".join([sentence(verb.help), *lines, *examples])


def _click_option(option: Option) -> Callable[..., Any]:
    flag = f"--{option.name}"
    if option.kind == "flag":
        return click.option(flag, is_flag=True, help=option.help)
    kinds: dict[str, Any] = {"text": str, "int": int, "duration": Duration(), "file": TextFile()}
    return click.option(flag, type=kinds[option.kind], default=option.default, multiple=option.many, help=option.help)


def _devices(controller: Controller, chosen: Any) -> tuple[str, ...]:
    from netorch.app.targets import select_devices

    names = [chosen] if isinstance(chosen, str) else list(chosen or ())
    return select_devices(controller.inventory, names)


@contextmanager
def _emitted(documents: list[dict[str, Any]], output: str) -> Iterator[None]:
    """``documents`` as one, at the end of the block; where it ends with an error, that is the last of them, beside what main
    tells on standard error."""
    from netorch.cli.output import emit

    try:
        yield
    except UsageError:
        raise
    except NetorchError as error:
        found = {"where": error.where or None, "message": error.message, "hint": error.hint or None}
        if output != "table":
            emit([*documents, {"text": None, "rows": [], "error": found}], output)
        raise
    if output != "table":
        emit(documents, output)


def _print_report(step: Report, *, err: bool = False) -> None:
    from netorch.cli.output import fit_rows, print_table, terminal_width

    if step.text:
        click.echo(step.text, err=err)
    if step.rows:
        rows = [dict(row) for row in step.rows]
        print_table(fit_rows(rows, terminal_width(), columns=step.columns, optional=step.optional), err=err)


def _run(ctx: click.Context, plugin: Plugin, verb: Verb, parameters: dict[str, Any]) -> int:
    from netorch.app.verbs import VerbRun
    from netorch.cli.carry_out import agree_or_raise
    from netorch.cli.plan_view import print_plan

    output, is_check = parameters.pop("output"), parameters.pop("check")
    documents: list[dict[str, Any]] = []
    unseen: list[Report] = []
    inventory_folder(ctx)
    with controller_for(ctx) as controller:
        if plugin.name not in {enabled.name for enabled in controller.plugins}:
            hint = f"add {plugin.name} to plugins: in network.yml"  # what it decides would be in force nowhere
            raise UsageError(f"netorch {verb.name} is of the plugin {plugin.name}, which is not enabled", hint=hint)
        for argument in verb.arguments:
            if argument.kind == "targets":
                parameters[argument.name] = _devices(controller, parameters[argument.name])
        redact = controller.redact

        def show(plan: Any) -> None:
            if not plan.is_empty:
                print_plan(plan, redact, diff=False, err=output != "table")

        def report(step: Report) -> None:
            documents.append({"text": step.text or None, "rows": [dict(row) for row in step.rows]})
            if output == "table":
                _print_report(step)
            else:
                unseen.append(step)

        def ask(question: str) -> None:
            while unseen:  # documents come at the end: who is asked sees first what there is to agree to
                _print_report(unseen.pop(0), err=True)
            agree_or_raise(question)

        def tell(error: NetorchError) -> None:
            controller.progress.idle()
            click.echo(annotated(error), err=True)

        run = VerbRun(controller, show, report, tell, ask=ask, is_check=is_check, command=command_line())
        with _emitted(documents, output):
            failures, asked = run.run(plugin, verb, parameters)
    return exit_code_of(failures, asked=asked)
