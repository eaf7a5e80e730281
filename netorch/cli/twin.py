"""The process that plays a POP's twin; ``netorch rehearse`` starts it. Not for people.

A Brief as JSON on standard input; the rehearsal as JSON on standard output, progress and errors on standard error.
"""

from __future__ import annotations

import json
import os
import sys

import click

from netorch.cli.progress import terminal_progress
from netorch.errors import NetorchError, annotated


def main() -> int:
    """Play it once; the exit status is 0 whatever the rehearsal found."""
    from netorch.model.codec import from_json
    from netorch.rehearsal.brief import Brief
    from netorch.rehearsal.rehearse import rehearse

    try:
        brief = from_json(Brief, json.load(sys.stdin))
        with terminal_progress() as progress:
            found = rehearse(brief, os.environ, progress)
    except NetorchError as error:
        click.echo(annotated(error), err=True)
        return error.exit_code
    print(json.dumps(found.document()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
