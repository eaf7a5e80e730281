"""What the user's own commands need to reach the lab: its key, known_hosts, and the secrets that the inventory names."""

from __future__ import annotations

import os
import secrets as random_secrets
from collections.abc import Iterable
from pathlib import Path

from netorch.errors import NetorchError
from netorch.lab.commands import Tools
from netorch.lab.settings import LabSettings
from netorch.model.inventory import Inventory
from netorch.model.sessions import SecretRef

IDENTITY, KNOWN_HOSTS, SECRETS = "id_ed25519", "known_hosts", "secrets"


def make_identity(settings: LabSettings, tools: Tools) -> str:
    """The public key of the lab's identity, made if there is none."""
    settings.state.mkdir(mode=0o700, exist_ok=True)
    _own(settings, settings.state)
    private = settings.state / IDENTITY
    public = private.with_suffix(".pub")
    if not (private.exists() and public.exists()):
        private.unlink(missing_ok=True)
        tools.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "netorch lab", "-f", str(private)])
    _own(settings, private, public)
    return public.read_text(encoding="ascii").strip()


def write_known_hosts(settings: LabSettings, host_keys: Iterable[tuple[str, str]]) -> None:
    """Write ``known_hosts`` from (address, public key) pairs."""
    lines = sorted(f"{address} {' '.join(key.split()[:2])}\n" for address, key in host_keys)
    _write(settings, settings.state / KNOWN_HOSTS, "".join(lines))


def make_passwords(inventory: Inventory, settings: LabSettings) -> dict[int, str]:
    """The password of every circuit that has one, by circuit id. Those kept below the state folder are made if missing."""
    passwords = {}
    for circuit in inventory.circuits:
        if circuit.keys:
            raise NetorchError(
                "the lab's providers cannot do TCP-AO", where=circuit.name, hint="rehearse it with a password"
            )
        if circuit.password is None:
            continue
        own = _own_secret(inventory, settings, circuit.password)
        if own is not None:
            if not own.exists():
                with (settings.files / SECRETS).open("a", encoding="utf-8") as made:
                    made.write(f"{own.name}\n")
                own.parent.mkdir(mode=0o700, exist_ok=True)
                _own(settings, own.parent)
                _write(settings, own, random_secrets.token_hex(16) + "\n")
            passwords[circuit.id] = own.read_text(encoding="utf-8").strip()
        elif settings.secrets is not None:
            passwords[circuit.id] = settings.secrets.resolve(str(circuit.password))
        else:
            raise NetorchError(
                f"the lab does not make the secret '{circuit.password}'",
                where=circuit.name,
                hint=f"keep it below {settings.state / SECRETS}",
            )
    return passwords


def remove_state(settings: LabSettings) -> None:
    """Remove what this module wrote, and the folders if nothing else is in them. Before ``settings.files`` goes."""
    for name in (IDENTITY, f"{IDENTITY}.pub", KNOWN_HOSTS):
        (settings.state / name).unlink(missing_ok=True)
    folder = settings.state / SECRETS
    made = settings.files / SECRETS
    for name in made.read_text(encoding="utf-8").splitlines() if made.exists() else ():
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.new").unlink(missing_ok=True)
    (settings.state / f"{KNOWN_HOSTS}.new").unlink(missing_ok=True)
    for empty in (folder, settings.state):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


def _own_secret(inventory: Inventory, settings: LabSettings, reference: SecretRef) -> Path | None:
    if reference.scheme != "file":
        return None
    path = Path(os.path.normpath(Path(inventory.folder) / reference.name))
    return path if path.parent == Path(os.path.normpath(settings.state / SECRETS)) else None


def _write(settings: LabSettings, path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    _own(settings, new)
    new.replace(path)


def _own(settings: LabSettings, *paths: Path) -> None:
    if settings.owner is not None:
        for path in paths:
            os.chown(path, *settings.owner)
