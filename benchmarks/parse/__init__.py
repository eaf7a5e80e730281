"""Parsing the daemon's own report of its sessions. ``run`` measures, ``table`` shows."""

from benchmarks.parse.bench import run, table

__all__ = ["run", "table"]
