"""A secret of whatever scheme is in the configuration, and in nothing that is shown, logged or raised."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netorch.app.audit import Audit
from netorch.app.redaction import secret_redactor
from netorch.cli.plan_view import plan_document, print_plan
from netorch.errors import NetorchError, RenderError, annotated
from netorch.intent import derive_intent
from netorch.inventory import load_inventory
from netorch.io.secrets import InventorySecrets
from netorch.io.template_files import read_templates
from netorch.model.inventory import Inventory
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan, Operation, Plan
from netorch.render import TemplateSource, render_device, seal
from netorch.testing import FakeClock
from tests.secret_keeper import SCHEMES, Keeper, run
from tests.unit.inventory_texts import ROOT, edited, example

VALUE, OTHER = "correct-horse-battery", "staple-of-another"
NAME = "northtel_md5"
POP = "pops/pop1.yml"
FIRST, SECOND = "    description: Meadow private peering\n", "    password: file:../.lab/secrets/southnet\n"
SWITCHES = {"bird": "sw1.pop1", "frr": "sw2.pop1"}
EACH_SCHEME = pytest.mark.parametrize("scheme", SCHEMES)
EACH_DAEMON = pytest.mark.parametrize("daemon", SWITCHES)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """One that keeps VALUE by each scheme, and another secret beside it."""
    found = Keeper(tmp_path / "secrets")
    for scheme in SCHEMES:
        found.keep(scheme, "beside", OTHER)
        found.keep(scheme, NAME, VALUE)
    return found


def pair(reference: str) -> dict[str, str]:
    """The example's first POP, the second switch with FRR, both with a circuit whose password is at ``reference``."""
    files = example()
    del files["pops/pop2.yml"]
    return edited(
        files,
        POP,
        ("  - name: sw2\n", "  - name: sw2\n    daemon: frr\n    version: 8.4.4\n"),
        (FIRST, f"{FIRST}    password: {reference}\n"),
        (SECOND, f"    password: {reference}\n"),
    )


def inventory(keeper: Keeper, scheme: str) -> Inventory:
    """The POP with a BIRD and an FRR switch, whose circuits have the secret as their password."""
    reference = keeper.reference(scheme, NAME)
    return load_inventory(pair(reference), folder=str(keeper.folder))


def told(error: BaseException) -> str:
    """All that anybody can read of an error: message, hint, and the trace with whatever led to it."""
    text = annotated(error) if isinstance(error, NetorchError) else str(error)
    return text + "".join(traceback.format_exception(error)) + repr(error)


def assert_not_told(text: str, *more: str) -> None:
    for secret in (VALUE, OTHER, *more):
        assert secret not in text, secret


# ---- errors ----


@dataclass(frozen=True)
class Trouble:
    """What is done to a secret that is kept, and what is said of it then."""

    scheme: str
    name: str
    harm: Callable[[Keeper, Path], object]
    said: str
    environment: Mapping[str, str] = field(default_factory=dict)


def _write(content: bytes) -> Callable[[Keeper, Path], object]:
    return lambda _, path: path.write_bytes(content)


def _cut(_: Keeper, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _another_key(keeper: Keeper, _: Path) -> None:
    keeper.identity.unlink()
    run("age-keygen", "-o", str(keeper.identity))


def _without_name(keeper: Keeper, path: Path) -> None:
    keeper.forget(NAME)


TROUBLES = (
    Trouble("file", "for everybody", lambda _, path: path.chmod(0o644), "others may use the file (mode 0644)"),
    Trouble("file", "gone", lambda _, path: path.unlink(), "cannot be read"),
    Trouble("file", "no text", _write(VALUE.encode() + b"\xff"), "expected UTF-8 text"),
    Trouble("file", "empty", _write(b"\n"), "found nothing"),
    Trouble("env", "not set", lambda keeper, _: keeper.environment.pop(NAME), "the environment variable is not set"),
    Trouble("env", "empty", lambda keeper, _: keeper.environment.update({NAME: ""}), "found nothing"),
    Trouble("age", "for another key", _another_key, "age cannot decrypt it"),
    Trouble("age", "damaged", _cut, "age cannot decrypt it"),
    Trouble("age", "gone", lambda _, path: path.unlink(), "there is no such file"),
    Trouble("age", "not encrypted", _write(VALUE.encode()), "age cannot decrypt it"),
    Trouble("age", "no program", lambda *_: None, "the program age is not installed", {"PATH": "/nowhere"}),
    Trouble("sops", "for another key", _another_key, "sops cannot decrypt it"),
    Trouble("sops", "damaged", _cut, "sops cannot decrypt it"),
    Trouble("sops", "gone", lambda _, path: path.unlink(), "there is no such file"),
    Trouble("sops", "not encrypted", _write(f"bgp: {{{NAME}: {VALUE}}}".encode()), "sops cannot decrypt it"),
    Trouble("sops", "no such key", _without_name, f"expected the key '{NAME}' in bgp, found none"),
    Trouble("sops", "no program", lambda *_: None, "the program sops is not installed", {"PATH": "/nowhere"}),
    Trouble("credential", "for everybody", lambda _, path: path.chmod(0o444), "others may use the file (mode 0444)"),
    Trouble("credential", "gone", lambda _, path: path.unlink(), "cannot be read"),
    Trouble(
        "credential", "no service", lambda *_: None, "was not started with credentials", {"CREDENTIALS_DIRECTORY": ""}
    ),
)


def test_every_scheme_has_its_troubles() -> None:
    """The table leaves none out."""
    assert {trouble.scheme for trouble in TROUBLES} == set(SCHEMES)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: f"{one.scheme}-{one.name.replace(' ', '-')}")
def test_error_tells_the_reference_and_no_secret(keeper: Keeper, trouble: Trouble) -> None:
    """Neither the one that is asked for nor the one beside it; the audit log and the redactor go on without it."""
    reference = keeper.reference(trouble.scheme, NAME)
    path = keeper.place(trouble.scheme, NAME) if trouble.scheme != "env" else keeper.folder
    trouble.harm(keeper, path)
    secrets = InventorySecrets(str(keeper.folder), {**keeper.environment, **trouble.environment})
    with pytest.raises(NetorchError) as caught:
        secrets.resolve(reference)
    assert trouble.said in caught.value.message
    assert_not_told(told(caught.value))
    assert caught.value.where == f"secret {reference}" or "found nothing" in trouble.said
    assert secret_redactor(inventory(keeper, trouble.scheme), secrets)("nothing to hide") == "nothing to hide"


@EACH_DAEMON
@EACH_SCHEME
@pytest.mark.parametrize("unusable", ['"', "\x07", "x" * 80], ids=["quote", "bell", "long"])
def test_secret_that_a_daemon_cannot_have_is_refused_unseen(
    keeper: Keeper, scheme: str, daemon: str, unusable: str
) -> None:
    """The error names the reference, and what was expected of it."""
    keeper.keep(scheme, NAME, VALUE + unusable)
    with pytest.raises(RenderError) as caught:
        sealed(keeper, scheme, daemon)
    assert caught.value.where == f"secret {keeper.reference(scheme, NAME)}"
    assert_not_told(told(caught.value))


@EACH_DAEMON
@EACH_SCHEME
def test_template_that_fails_at_the_password_has_no_secret_to_tell(keeper: Keeper, scheme: str, daemon: str) -> None:
    """A template sees the reference alone."""
    name = {"bird": "bird/provider_session.conf.j2", "frr": "frr/session.conf.j2"}[daemon]
    templates = dict(read_templates())
    assert f"|{daemon}_secret" in templates[name]
    templates[name] = templates[name].replace(f"|{daemon}_secret", ".nowhere.at_all")
    device = derive_intent(inventory(keeper, scheme)).device(SWITCHES[daemon])
    with pytest.raises(RenderError) as caught:
        render_device(device, TemplateSource(templates))
    assert name in annotated(caught.value)
    assert_not_told(told(caught.value))


# ---- what is shown ----


def sealed(keeper: Keeper, scheme: str, daemon: str) -> FileItem:
    """The configuration with its secrets, as a deploy sends it."""
    found = inventory(keeper, scheme)
    main = render_device(derive_intent(found).device(SWITCHES[daemon]), TemplateSource(read_templates()))[0]
    secrets = InventorySecrets(str(keeper.folder), keeper.environment)
    text = seal(main.text, secrets.resolve, daemon=daemon)
    return FileItem(main.path, text, mode=main.mode, group=main.group, daemon=daemon)


@EACH_DAEMON
@EACH_SCHEME
def test_plan_that_changes_a_secret_shows_neither(
    keeper: Keeper, scheme: str, daemon: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file has the one before and the other one after; ``--diff``, JSON, reprs and the audit log have none of them, not even
    where a template of the operator's own, or somebody at the device, has written it into a description."""
    before = sealed(keeper, scheme, daemon)
    keeper.keep(scheme, NAME, "a-new-one")
    after = sealed(keeper, scheme, daemon)
    assert VALUE in before.text and "a-new-one" in after.text  # noqa: PT018 - it is there, so that it could be told
    stray = FileItem(after.path, f"{after.text}# description: a-new-one\n", after.mode, after.group, after.daemon)
    redact = secret_redactor(inventory(keeper, scheme), InventorySecrets(str(keeper.folder), keeper.environment))
    for item in (after, stray):
        plan = Plan((DevicePlan(SWITCHES[daemon], "base", 1, (Operation("change", item, before),)),))
        print_plan(plan, redact, diff=True)
        shown = capsys.readouterr().out + json.dumps(plan_document(plan, redact)) + repr(plan)
        assert item.path in shown
        assert_not_told(shown, "a-new-one")
    written: list[str] = []
    log = Audit(written.append, FakeClock(), redact, "ann", "198.51.100.7", "/srv/inventory", "")
    log.record(
        "deploy", SWITCHES[daemon], result="failed", message="bird: syntax error near a-new-one", reason="a-new-one"
    )
    assert "(hidden)" in written[0]
    assert_not_told(written[0], "a-new-one")


COMMANDS = (
    "validate",
    "validate --format json",
    "lint",
    "lint --strict",
    "render sw1.pop1",
    "render sw2.pop1 --out out",
)
"""Of those without any device; tests/lab/test_secret_schemes.py has the others."""


@EACH_SCHEME
def test_commands_show_the_reference_in_its_place(keeper: Keeper, scheme: str, tmp_path: Path) -> None:
    """All that is printed, and what ``render`` writes."""
    for file, text in pair(keeper.reference(scheme, NAME)).items():
        (tmp_path / "inventory" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "inventory" / file).write_text(text)
    shown = ""
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "netorch", *command.split()],
            cwd=tmp_path,
            env={**keeper.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 1), f"{command}: {done.stderr}"
        shown += done.stdout + done.stderr
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert f"@secret:{keeper.reference(scheme, NAME)}@" in shown
    assert f"@secret:{keeper.reference(scheme, NAME)}@" in written
    assert_not_told(shown + written)
