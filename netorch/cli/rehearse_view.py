"""A rehearsal, for people."""

from __future__ import annotations

from typing import Any

import click

from netorch.model.text import counted


def print_rehearsal(document: dict[str, Any]) -> None:
    """What the change would do: what a guard refuses, what is worth knowing, where routes and packets went."""
    findings = document["findings"]
    refused = [finding for finding in findings if finding["guard"]]
    if refused:
        click.secho("refused", bold=True, fg="red")
        for finding in refused:
            _print_finding(finding)
    notes = [finding for finding in findings if not finding["guard"]]
    if notes:
        click.secho("worth knowing", bold=True)
        for finding in notes:
            _print_finding(finding)
    _print_routes([row for row in document["routes"] if row["before"] != row["after"] or row["moved"]])
    for when in ("before", "after"):
        if not document[f"settled_{when}"]:
            click.secho(f"the twin did not come to rest {when} the change: what is said may be incomplete", fg="yellow")
    click.echo(_summary(document, len(refused), len(notes)))


def _print_finding(finding: dict[str, Any]) -> None:
    guard = f"  [{finding['guard']}]" if finding["guard"] else ""
    click.echo(f"  {finding['subject']}: {finding['message']}{guard}")
    for example in finding["examples"]:
        click.echo(f"    {example}")


def _print_routes(rows: list[dict[str, Any]]) -> None:
    if rows:
        click.secho("prefixes by provider in the main table", bold=True)
    for row in rows:
        names = sorted({*row["before"], *row["after"]})
        counts = ", ".join(f"{name} {row['before'].get(name, 0)} -> {row['after'].get(name, 0)}" for name in names)
        click.echo(f"  {row['host']} {row['family']}: {counts}")


def _summary(document: dict[str, Any], refused: int, notes: int) -> str:
    probes = [probe for probe in document["probes"] if probe["answered"]]
    sent, lost = sum(probe["sent"] for probe in probes), sum(probe["lost"] for probe in probes)
    changed = counted(len(document["changes"]), "device")
    verdict = f"{refused} refused, {notes} worth knowing" if refused or notes else "nothing to report"
    packets = f"{lost} of {sent} packets lost by {len(probes)} probes"
    return f"{verdict}; {changed} changed, {packets}; {document['duration_s']:.0f} s"
