"""Secrets in files of age and sops, opened by the real programs, and in systemd's credentials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from netorch.errors import NetorchError, annotated
from netorch.io.secrets import InventorySecrets

VALUE = "correct horse battery"
PROGRAMS = f"{Path(sys.executable).parent}:{os.defpath}"
"""sops stands beside the tests' own Python."""


def run(*command: str, text: str = "", environment: dict[str, str] | None = None) -> str:
    """What a program prints, given ``text``."""
    env = {"PATH": PROGRAMS, **(environment or {})}
    return subprocess.run(command, input=text, env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key of age, in a file as age-keygen writes it."""
    path = tmp_path_factory.mktemp("identity") / "keys.txt"
    run("age-keygen", "-o", str(path))
    return path


@pytest.fixture
def environment(identity: Path, tmp_path: Path) -> dict[str, str]:
    """What a shell that may decrypt has set."""
    return {"PATH": PROGRAMS, "HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(identity)}


def public_key(identity: Path) -> str:
    """Whom to encrypt for."""
    return run("age-keygen", "-y", str(identity)).strip()


def with_age(path: Path, identity: Path, text: str) -> None:
    """Encrypts ``text`` into ``path``."""
    run("age", "-r", public_key(identity), "-o", str(path), text=text)


def with_sops(path: Path, identity: Path, values: object) -> None:
    """Encrypts a tree of values into ``path``."""
    plain = path.with_suffix(".plain.yml")
    plain.write_text(json.dumps(values), encoding="utf-8")
    path.write_text(run("sops", "encrypt", "--age", public_key(identity), str(plain)), encoding="utf-8")


def refusal(folder: Path, environment: dict[str, str], reference: str) -> str:
    """What the user reads, after checking that no part of the error shows the value."""
    with pytest.raises(NetorchError) as caught:
        InventorySecrets(str(folder), environment).resolve(reference)
    assert "horse" not in "".join(traceback.format_exception(caught.value))
    return annotated(caught.value)


def test_age(tmp_path: Path, identity: Path, environment: dict[str, str]) -> None:
    """A file that age wrote holds one secret; its path is relative to the inventory."""
    with_age(tmp_path / "southnet.age", identity, VALUE + "\n")
    assert InventorySecrets(str(tmp_path), environment).resolve("age:southnet.age") == VALUE


def test_the_identity_is_where_sops_keeps_it(tmp_path: Path, identity: Path, environment: dict[str, str]) -> None:
    """Without the variable, the key is in the user's settings: one place for both programs."""
    del environment["SOPS_AGE_KEY_FILE"]
    keys = tmp_path / ".config" / "sops" / "age" / "keys.txt"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(identity.read_bytes())
    with_age(tmp_path / "a.age", identity, VALUE)
    with_sops(tmp_path / "a.yml", identity, {"southnet": VALUE})
    secrets = InventorySecrets(str(tmp_path), environment)
    assert secrets.resolve("age:a.age") == secrets.resolve("sops:a.yml#southnet") == VALUE


def test_sops(tmp_path: Path, identity: Path, environment: dict[str, str]) -> None:
    """Keys lead to a value; a number is text as it stands there. What sops wrote shows no value."""
    with_sops(tmp_path / "secrets.yml", identity, {"bgp": {"southnet": VALUE, "northtel": 31337}})
    secrets = InventorySecrets(str(tmp_path), environment)
    assert secrets.resolve("sops:secrets.yml#bgp/southnet") == VALUE
    assert secrets.resolve("sops:secrets.yml#bgp/northtel") == "31337"
    assert "horse" not in (tmp_path / "secrets.yml").read_text(encoding="utf-8")


def test_sops_opens_a_file_once(tmp_path: Path, identity: Path, environment: dict[str, str]) -> None:
    """All values of a file come of one decryption: a network of hundreds of circuits does not ask its key service for each."""
    path = tmp_path / "secrets.yml"
    with_sops(path, identity, {"one": VALUE, "two": VALUE})
    secrets = InventorySecrets(str(tmp_path), environment)
    assert secrets.resolve("sops:secrets.yml#one") == VALUE
    path.write_text("damaged", encoding="utf-8")
    assert secrets.resolve("sops:secrets.yml#two") == VALUE


def test_another_program_called_sops_gives_nothing_away(tmp_path: Path, environment: dict[str, str]) -> None:
    """What it prints instead of JSON may be the secret."""
    program = tmp_path / "sops"
    program.write_text(f"#!/bin/sh\necho {VALUE}\n", encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "secrets.yml").write_text("", encoding="utf-8")
    secrets = InventorySecrets(str(tmp_path), {**environment, "PATH": f"{tmp_path}:{environment['PATH']}"})
    with pytest.raises(NetorchError, match="sops gave something else than JSON") as caught:
        secrets.resolve("sops:secrets.yml#southnet")
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("sops:secrets.yml#bgp/westnet", "expected the key 'westnet' in bgp, found none"),
        ("sops:secrets.yml#west/net", "expected the key 'west' in the file, found none"),
        ("sops:secrets.yml#bgp/southnet/more", "expected the key 'more' in bgp/southnet, found none"),
        ("sops:secrets.yml#bgp", "expected text behind bgp, found something else"),
    ],
)
def test_keys_that_lead_nowhere(
    tmp_path: Path, identity: Path, environment: dict[str, str], reference: str, said: str
) -> None:
    """The error says which key, and where it was looked for; not what stands beside it."""
    with_sops(tmp_path / "secrets.yml", identity, {"bgp": {"southnet": VALUE}})
    assert refusal(tmp_path, environment, reference).startswith(f"secret {reference}: {said}\n")


@pytest.mark.parametrize("reference", ["age:x", "sops:x#key"])
def test_encrypted_for_somebody_else(
    tmp_path: Path, identity: Path, environment: dict[str, str], reference: str
) -> None:
    """A key that does not fit: what the program says, and where the right key belongs."""
    other = tmp_path / "other.txt"
    run("age-keygen", "-o", str(other))
    if reference.startswith("age"):
        with_age(tmp_path / "x", other, VALUE)
    else:
        with_sops(tmp_path / "x", other, {"key": VALUE})
    text = refusal(tmp_path, environment, reference)
    assert "cannot decrypt it: " in text
    assert "SOPS_AGE_KEY_FILE" in text


@pytest.mark.parametrize("reference", ["age:x", "sops:x#key"])
def test_a_program_that_is_not_there(tmp_path: Path, environment: dict[str, str], reference: str) -> None:
    """Which program, and how to get it."""
    (tmp_path / "x").touch()
    program = reference.partition(":")[0]
    text = refusal(tmp_path, {**environment, "PATH": str(tmp_path)}, reference)
    assert text.startswith(f"secret {reference}: the program {program} is not installed\n  hint: ")


@pytest.mark.parametrize("reference", ["age:x", "sops:x#key"])
def test_a_file_that_is_not_there(tmp_path: Path, environment: dict[str, str], reference: str) -> None:
    """The full path stands in the hint."""
    assert refusal(tmp_path, environment, reference) == (
        f"secret {reference}: cannot be read: there is no such file\n  hint: expected {tmp_path}/x"
    )


def test_credential(tmp_path: Path) -> None:
    """credential:NAME is the file that systemd made for the service."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "southnet").write_text(VALUE + "\n", encoding="utf-8")
    (folder / "southnet").chmod(0o400)
    secrets = InventorySecrets("/nowhere", {"CREDENTIALS_DIRECTORY": str(folder)})
    assert secrets.resolve("credential:southnet") == VALUE


def test_credential_outside_of_a_service(tmp_path: Path) -> None:
    """Run by hand there are none: the error names the line that the unit needs."""
    assert refusal(tmp_path, {}, "credential:southnet") == (
        "secret credential:southnet: netorch was not started with credentials (CREDENTIALS_DIRECTORY is not set)\n"
        "  hint: LoadCredential=southnet:PATH in the systemd unit that runs netorch"
    )
