"""Secrets and stamps take their places; what is shown holds no secret."""

from __future__ import annotations

import hashlib

import pytest

from netorch.errors import InventoryError, NetorchError, RenderError
from netorch.model.sessions import SecretRef
from netorch.render import redact, seal
from netorch.render.marks import secret_token, without_tokens

TEXT = 'define NETORCH_STAMP = "@stamp@";\npassword "@secret:file:../a b@";\npassword "@secret:env:X@";\n'


UNWRITABLE = ['a"b', "a\nb", "a\rb", "a\x00b", "a\t", "ä", "a\udcff", "x" * 81, "@stamp@", "@secret:env:X@"]


def resolve(reference: str) -> str:
    return {"file:../a b": "first", "env:X": "second"}[reference]


def test_stamp_is_the_digest_of_the_text_with_its_secrets() -> None:
    """Secrets are put in first, so that a changed password changes the stamp."""
    filled = TEXT.replace("@secret:file:../a b@", "first").replace("@secret:env:X@", "second")
    stamp = hashlib.sha256(filled.encode()).hexdigest()[:16]
    assert seal(TEXT, resolve, daemon="bird") == filled.replace("@stamp@", stamp)
    assert stamp not in seal(TEXT, lambda _: "another", daemon="bird")


@pytest.mark.parametrize("secret", ["", *UNWRITABLE])
def test_secret_that_cannot_be_written_is_refused_unseen(secret: str) -> None:
    """The error names the reference and never the secret."""
    with pytest.raises(RenderError) as caught:
        seal(TEXT, lambda _: secret, daemon="bird")
    assert caught.value.where == "secret file:../a b"
    assert secret == "" or secret not in str(caught.value)


def test_an_editors_carriage_return_is_named() -> None:
    """The usual cause of a secret that ends with a control character."""
    with pytest.raises(RenderError) as caught:
        seal(TEXT, lambda _: "horse\r", daemon="bird")
    assert "comes from an editor" in caught.value.hint


def test_longest_secret_is_taken() -> None:
    """Eighty characters are what the kernel takes."""
    assert f'password "{"x" * 80}";' in seal(TEXT, lambda _: "x" * 80, daemon="bird")


def test_errors_of_the_resolver_pass_through() -> None:
    """A missing secret is reported as the resolver puts it."""

    def fail(reference: str) -> str:
        raise InventoryError(())

    with pytest.raises(NetorchError) as caught:
        seal(TEXT, fail, daemon="bird")
    assert type(caught.value) is InventoryError


@pytest.mark.parametrize("name", ["a@b", 'a"b', "a\nb"])
def test_reference_that_could_end_its_token_is_refused(name: str) -> None:
    """A token ends where its reference ends."""
    with pytest.raises(RenderError):
        secret_token(SecretRef("file", name))


@pytest.mark.parametrize(
    "text", ["@stamp@", "@secret:env:HOME@", "@secret:@secret:x@", "@sec@stamp@ret:env:X@", "@stamp@stamp@"]
)
def test_text_cannot_smuggle_a_token(text: str) -> None:
    """What looks like a mark in a description is not replaced by a secret or a stamp."""

    def never(reference: str) -> str:
        raise AssertionError(reference)

    broken = without_tokens(text)
    assert seal(broken, never, daemon="bird") == broken


def test_shown_text_has_no_password() -> None:
    """Passwords are masked with or without knowing them; references stay."""
    sealed = seal(TEXT, resolve, daemon="bird") + 'description "first of all";\n  password   "third";\n'
    shown = redact(sealed, ["first", "second", ""])
    assert "first" not in shown
    assert shown.count('password "(hidden)"') == 2
    assert 'password   "(hidden)"' in shown
    assert redact(TEXT) == TEXT


def test_longer_secrets_are_masked_first() -> None:
    """A secret that begins with another one leaves no rest behind."""
    assert redact("x abcdef y", ["abc", "abcdef"]) == "x (hidden) y"
