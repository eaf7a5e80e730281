"""What the process that plays the twin is told; JSON on its standard input, since it holds secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from netorch.errors import NetorchError
from netorch.model.facts import DeviceFacts


@dataclass(frozen=True)
class Brief:
    """A rehearsal. ``inventory`` is the candidate's folder, ``base`` that of the present one, None without one. ``facts`` are
    those of the real devices that were asked; the others are played as ``base`` says. ``secrets`` and ``base_secrets`` hold
    every secret that could be resolved, by its reference.
    """

    inventory: str
    targets: Tuple[str, ...]
    author: str
    base: Optional[str] = None
    facts: Mapping[str, DeviceFacts] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    base_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    prefixes: int = 200


class GivenSecrets:
    """``ports.Secrets`` from a mapping."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def resolve(self, reference: str) -> str:
        """The secret behind ``reference``; NetorchError when it was not given."""
        if reference not in self._values:
            raise NetorchError("could not be resolved on this machine", where=f"secret {reference}")
        return self._values[reference]
