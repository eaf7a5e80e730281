"""What the process that plays the twin is told; JSON on its standard input, since devices' files hold secrets."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from netorch.errors import NetorchError
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Inventory
from netorch.ports import Secrets
from netorch.rehearsal.base import Base


@dataclass(frozen=True)
class Brief:
    """A rehearsal. ``inventory`` is the candidate's folder, ``base`` the present one, None without one. ``facts`` are those of
    the real devices that were asked; the others are played as ``base`` says. Announced are ``prefixes`` of each family.
    """

    inventory: str
    targets: Tuple[str, ...]
    author: str
    base: Optional[Base] = None
    facts: Mapping[str, DeviceFacts] = field(default_factory=dict)
    prefixes: int = 200


@dataclass(frozen=True)
class GivenSecrets:
    """``ports.Secrets`` that were resolved before, by their references."""

    values: Mapping[str, str] = field(repr=False)

    def resolve(self, reference: str) -> str:
        """The secret behind ``reference``; NetorchError when it could not be resolved."""
        if reference not in self.values:
            raise NetorchError("could not be resolved on this machine", where=f"secret {reference}")
        return self.values[reference]


def resolved(inventory: Inventory, secrets: Secrets) -> GivenSecrets:
    """Every secret of ``inventory`` that can be resolved; whoever needs another one says so then."""
    found = {}
    for reference in {str(reference) for circuit in inventory.circuits for reference in circuit.secrets}:
        with suppress(NetorchError):
            found[reference] = secrets.resolve(reference)
    return GivenSecrets(found)
