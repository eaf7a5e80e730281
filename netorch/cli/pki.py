"""``netorch pki``: the network's certificate authority, and the certificates that the mirror's agents speak with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netorch.cli.exit_codes import SOME_FAILED, exit_code_of
from netorch.cli.options import (
    audit_option,
    controller_for,
    inventory_folder,
    inventory_option,
    output_option,
    some_targets_argument,
    targets_argument,
)
from netorch.errors import annotated

if TYPE_CHECKING:
    from collections.abc import Callable

    from netorch.app.controller import Controller
    from netorch.app.pki import PkiResult

LIST_COLUMNS = ("device", "state", "expires", "days_left", "key_made_on", "knows_revoked", "serial")


@click.group()
def pki() -> None:
    """The network's certificate authority, and the certificates of its devices. docs/pki.md tells what to do when."""


@pki.command()
@click.option("--anew", is_flag=True, help="Set the present authority aside, as after its key was stolen.")
@audit_option
@inventory_option
@click.pass_context
def init(ctx: click.Context, *, anew: bool) -> None:
    """Make the authority in the folder that the inventory names. The first deploy does this as well."""
    from netorch.app.pki import make_authority

    with controller_for(ctx) as controller:
        done = make_authority(controller, anew=anew)
    for line in done.told:
        click.echo(line)


@pki.command(name="list")
@targets_argument
@output_option
@inventory_option
@click.pass_context
def list_certificates(ctx: click.Context, targets: tuple[str, ...], *, output: str) -> None:
    """What every device's certificate is, as the authority has it on record. Asks no device."""
    from netorch.app.inventory import read_inventory
    from netorch.app.pki import certificate_rows
    from netorch.app.targets import select_devices
    from netorch.cli.output import emit_rows
    from netorch.io.clock import SystemClock

    inventory = read_inventory(inventory_folder(ctx))
    rows = certificate_rows(inventory, SystemClock(), select_devices(inventory, targets))
    columns = [*LIST_COLUMNS, *(name for name in ("revoked_by", "reason") if any(row[name] for row in rows))]
    emit_rows(rows, output, columns=columns)


@pki.command()
@output_option
@inventory_option
@click.pass_context
def show(ctx: click.Context, *, output: str) -> None:
    """The authority: where it is, what it issued and revoked. Asks no device."""
    from netorch.app.inventory import read_inventory
    from netorch.app.pki import describe
    from netorch.cli.output import emit, emit_rows
    from netorch.io.clock import SystemClock

    found = describe(read_inventory(inventory_folder(ctx)), SystemClock())
    if output != "table":
        emit(found, output)
        return
    click.echo(f"folder: {found['folder']}")
    emit_rows(found["authorities"], output, columns=["role", "name", "made", "expires", "fingerprint"])
    click.echo(f"certificates of {found['devices']} devices, each good for {found['life_days']:g} days")
    click.echo(f"list of revoked certificates: number {found['crl_number']}, {len(found['revoked'])} ever revoked")
    if found["revoked"]:
        emit_rows(found["revoked"], output, columns=["serial", "device", "revoked", "author", "reason", "is_listed"])
    if found["next_step"]:
        click.echo(f"next: {found['next_step']}")


@pki.command()
@some_targets_argument
@output_option
@audit_option
@inventory_option
@click.pass_context
def issue(ctx: click.Context, targets: tuple[str, ...], *, output: str) -> int:
    """Certificates for devices that need one; also for one whose certificates were revoked by its name."""
    from netorch.app import pki as use

    return _certify(ctx, targets, use.issue, output=output)


@pki.command()
@some_targets_argument
@output_option
@audit_option
@inventory_option
@click.pass_context
def renew(ctx: click.Context, targets: tuple[str, ...], *, output: str) -> int:
    """New keys and certificates for devices, now; netorch run renews by itself before they expire."""
    from netorch.app import pki as use

    return _certify(ctx, targets, use.renew, output=output)


@pki.command()
@click.argument("what", metavar="DEVICE|SERIAL")
@click.option("--reason", default="", help="Kept on record.")
@output_option
@audit_option
@inventory_option
@click.pass_context
def revoke(ctx: click.Context, what: str, *, reason: str, output: str) -> int:
    """Revoke certificates, and tell every device.

    All of a DEVICE's: it gets no other one until 'netorch pki issue DEVICE'. Or the one with a SERIAL number: its device gets
    another one with the next run.
    """
    from netorch.app import pki as use

    with controller_for(ctx) as controller:
        done = use.revoke(controller, what, reason=reason)
        return _show(done, output, asked=len(controller.inventory.devices))


@pki.command()
@click.option("--force", is_flag=True, help="Go on although some device is not ready for it.")
@output_option
@audit_option
@inventory_option
@click.pass_context
def roll(ctx: click.Context, *, force: bool, output: str) -> int:
    """Put another authority in the present one's place, in three steps: one each time it is typed.

    First both are trusted, then the new one issues, then the former one is trusted no more.
    """
    from netorch.app import pki as use

    with controller_for(ctx) as controller:
        return _show(use.roll(controller, force=force), output, asked=len(controller.inventory.devices))


def _certify(
    ctx: click.Context,
    targets: tuple[str, ...],
    use: Callable[[Controller, tuple[str, ...]], PkiResult],
    *,
    output: str,
) -> int:
    from netorch.app.targets import select_devices

    with controller_for(ctx) as controller:
        names = select_devices(controller.inventory, targets)
        return _show(use(controller, names), output, asked=len(names))


def _show(done: PkiResult, output: str, *, asked: int) -> int:
    from netorch.cli.output import emit
    from netorch.cli.plan_view import certificates_document, print_certificates

    failures = done.failures or {}
    if output == "table":
        for line in done.told:
            click.echo(line)
        print_certificates(done.results)
        for error in failures.values():
            click.echo(annotated(error), err=True)
        if not (done.told or done.results or failures):
            click.echo("nothing to do")
    else:
        missed: list[dict[str, Any]] = [
            {"device": name, "message": error.message, "hint": error.hint or None} for name, error in failures.items()
        ]
        emit({"told": list(done.told), "certificates": certificates_document(done.results), "failures": missed}, output)
    if failures:
        return exit_code_of(failures, asked=asked)
    failed = [result for result in done.results if result.is_failure]
    return (1 if len(failed) == asked else SOME_FAILED) if failed else 0
