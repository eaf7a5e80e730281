"""``netorch``: commands are imported when they are used, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from netorch import __version__
from netorch.errors import Interrupted, NetorchError, annotated

COMMANDS = {
    "check": ("netorch.cli.check:check", "For Nagios: is all well, in one line and an exit code."),
    "confirm": ("netorch.cli.history:confirm", "Make a change stay that waits for its confirmation."),
    "deploy": ("netorch.cli.deploy:deploy", "Bring devices to what the inventory says, as a roll-out."),
    "graph": ("netorch.cli.graph:graph", "A POP as a picture: sessions, states, traffic."),
    "filters": ("netorch.cli.filters:filters", "What registries say that providers may announce."),
    "exec": ("netorch.cli.execute:execute", "Run a program on a host through one provider."),
    "explain": ("netorch.cli.explain:explain", "Why packets to a destination leave a host as they do."),
    "history": ("netorch.cli.history:history", "What was applied to devices, when, by whom and why."),
    "lab": ("netorch.cli.lab:lab", "The inventory as network namespaces on this machine."),
    "parse": ("netorch.cli.state:parse", "Output of birdc or vtysh to JSON."),
    "ping": ("netorch.cli.ping:ping", "Destinations through every provider, side by side."),
    "pki": ("netorch.cli.pki:pki", "Certificates: the authority, and what it issued and revoked."),
    "plan": ("netorch.cli.deploy:plan", "What deploy would do; changes nothing."),
    "plugin": ("netorch.cli.plugin:plugin", "List plugins, write a new one."),
    "rejected": ("netorch.cli.rejected:rejected", "Routes that were refused of a provider, by reason."),
    "rehearse": ("netorch.cli.rehearse:rehearse", "Try a change on the POP's twin, booted on this machine."),
    "render": ("netorch.cli.inventory:render", "Print or write the devices' configuration files."),
    "revert": ("netorch.cli.history:revert", "Undo a change that waits for its confirmation."),
    "rollback": ("netorch.cli.history:rollback", "Go back to what a device was."),
    "run": ("netorch.cli.run:run", "For cron: reconcile; silent when all is well."),
    "schema": ("netorch.cli.inventory:schema", "JSON Schema of the inventory, for editors."),
    "status": ("netorch.cli.state:status", "Devices, sessions, prefixes, traffic, mirror, drift and drains."),
    "lint": ("netorch.cli.inventory:lint", "Look for mistakes of policy that a parser cannot see."),
    "validate": ("netorch.cli.inventory:validate", "Check the inventory, and report every mistake at once."),
}


class Commands(click.Group):
    """The commands of ``COMMANDS`` and the verbs of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, plugins' verbs included, sorted."""
        from netorch.cli.verbs import bundled_verbs

        return sorted({*COMMANDS, *(verb.name.split()[0] for verb in bundled_verbs())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; a name that is not in ``COMMANDS`` may be a verb of an enabled plugin."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            return command
        from netorch.cli.verbs import verb_command

        return verb_command(cmd_name, ctx.obj or ctx.params["inventory"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each, from ``COMMANDS`` and the plugins: nothing heavy is imported for ``--help``."""
        from netorch.cli.verbs import bundled_verbs, sentence

        rows = {name: text for name, (_, text) in COMMANDS.items()}
        for verb in bundled_verbs():
            rows.setdefault(verb.name.split()[0], sentence(verb.help))
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="netorch")
@click.option("--inventory", metavar="DIR", envvar="NETORCH_INVENTORY", default="inventory", help="Folder of the YAML.")
@click.pass_context
def netorch(ctx: click.Context, inventory: str) -> None:
    """Runs points of presence that have no routers.

    Exit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode), 3 some devices failed, 4 none could be
    reached, 5 locked, 6 reverted cleanly, 7 refused by a guard, 64 usage, 130 interrupted.
    """
    ctx.obj = inventory
    if os.environ.get("NO_COLOR"):  # no-color.org: any value but the empty one
        ctx.color = False


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; ``netorch`` and ``python -m netorch`` both end here."""
    try:
        result: Any = netorch.main(args=arguments, standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        error.show()
        return 64
    except click.ClickException as error:
        error.show()
        return 1
    except (click.Abort, KeyboardInterrupt):
        from netorch.app.results import INTERRUPTED

        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except NetorchError as error:
        if isinstance(error, Interrupted):
            click.echo(err=True)  # the terminal has shown ^C
        click.echo(annotated(error), err=True)
        return error.exit_code
    except OSError as error:  # of this machine, and nobody's defect: a full disk below standard output, say
        click.echo(f"{error.filename or 'standard output'}: {error.strerror or error}", err=True)
        return 1
    return result if isinstance(result, int) else 0
