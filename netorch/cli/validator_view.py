"""Validators in ``netorch status``: a line for each that a switch asks, and what is wrong below."""

from __future__ import annotations

from typing import Any

import click

from netorch.cli.output import emit_rows

LESS_OF_VALIDATORS = ("expires_s", "age_s")


def print_validators(document: dict[str, Any]) -> None:
    """The table, where there are validators."""
    rows = [
        {
            "device": device["device"],
            **{key: row[key] for key in ("validator", "state", "ipv4_entries", "ipv6_entries", "age_s", "expires_s")},
        }
        for device in document["devices"]
        for row in device["validators"]
    ]
    if rows:
        click.echo()
        emit_rows(rows, "table", optional=LESS_OF_VALIDATORS)


def print_validator_problems(device: dict[str, Any]) -> None:
    """What is wrong with the validators of a device, and with our own prefixes by what they say."""
    for row in device["validators"]:
        if row["problem"]:
            click.secho(f"validator: {device['device']}: {row['validator']} {row['problem']}", fg="yellow")
    if device["validators"] and not any(row["ipv4_entries"] or row["ipv6_entries"] for row in device["validators"]):
        click.secho(f"validator: {device['device']}: no list at all: nothing counts as invalid", fg="red")
    for row in device["own_origins"]:
        if row["state"] == "invalid":
            text = f"{row['prefix']} from AS{row['asn']}, our own, is invalid by RPKI: others refuse it"
            click.secho(f"validator: {device['device']}: {text}", fg="yellow")
