"""What netorch must know of a routing daemon in order to write its configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ConfigurationFile:
    """A file of a daemon. ``template`` is the name of its template, in which ``{role}`` stands for the device's role;
    ``is_main`` is true of the one that carries the stamp and is loaded by the transaction."""

    path: str
    template: str
    mode: int
    group: str
    is_main: bool = True


@dataclass(frozen=True)
class Dialect:
    """How one daemon's configuration is written.

    ``filters`` are the Jinja2 filters that every value passes, each named after the daemon (``bird_string``).
    ``password`` finds a password in a configuration, ``stamp`` the stamp; both have groups for what is around it.
    ``expected_secret(secret)`` says what a secret must be like, in words, where this one cannot be written; else "".
    """

    files: tuple[ConfigurationFile, ...]
    filters: Mapping[str, Callable[..., object]]
    password: re.Pattern[str]
    stamp: re.Pattern[str]
    expected_secret: Callable[[str], str]
