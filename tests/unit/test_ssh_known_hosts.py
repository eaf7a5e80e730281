"""Which host keys are trusted, and what is said of others."""

from __future__ import annotations

import base64

import pytest

from netorch.errors import AuthError
from netorch.io.ssh_known_hosts import Expected, HostKey, parse_known_hosts

ED = HostKey("ssh-ed25519", b"ed25519 key")
RSA = HostKey("ssh-rsa", b"rsa key")
OTHER = HostKey("ssh-ed25519", b"another key")
# ssh-keygen -H of the name sw1.pop1.
HASHED = "|1|9i/3SOew1aju0TcYk3f0Avif5mQ=|ULpqgQsaLe0IuLW1MYvRxwNTPo0="


def _line(names: str, key: HostKey, marker: str = "") -> str:
    return f"{marker} {names} {key.algorithm} {base64.b64encode(key.blob).decode()} comment\n".lstrip()


def _expected(text: str, host: str = "sw1.pop1", *, port: int = 22, alias: str | None = None) -> Expected:
    return Expected.of(parse_known_hosts(text, "kh"), host=host, port=port, alias=alias, files=["kh"])


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("sw1.pop1", "sw1.pop1", 22),
        ("SW1.pop1", "sw1.POP1", 22),
        ("a,sw1.pop1,b", "sw1.pop1", 22),
        ("*.pop1", "sw1.pop1", 22),
        ("sw?.pop1", "sw1.pop1", 22),
        ("[sw1.pop1]:2222", "sw1.pop1", 2222),
        ("sw1.pop1", "sw1.pop1", 2222),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222),
        ("2001:db8::1", "2001:db8::1", 22),
    ],
)
def test_names_that_match(names: str, host: str, port: int) -> None:
    """Names, patterns, ports and lists, as ssh reads them."""
    _expected(_line(names, ED), host, port=port).check(ED, where="sw1", at="x")


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("sw2.pop1", "sw1.pop1", 22),
        ("sw1.pop1", "sw1.pop10", 22),
        ("[sw1.pop1]:2222", "sw1.pop1", 22),
        ("[sw1.pop1]:2222", "sw1.pop1", 2223),
        ("*.pop1,!sw1.pop1", "sw1.pop1", 22),
        ("sw[1].pop1", "sw1.pop1", 22),
    ],
)
def test_names_that_do_not_match(names: str, host: str, port: int) -> None:
    """Another host, another port, a negated pattern: the key is unknown."""
    with pytest.raises(AuthError, match="is unknown"):
        _expected(_line(names, ED), host, port=port).check(ED, where="sw1", at="x")


def test_a_key_for_the_port_hides_the_one_without() -> None:
    """The name without its port counts only while the one with the port is unknown."""
    text = _line("[sw1.pop1]:2222", OTHER) + _line("sw1.pop1", ED)
    with pytest.raises(AuthError, match="has changed"):
        _expected(text, port=2222).check(ED, where="sw1", at="x")


def test_an_alias_replaces_name_and_port() -> None:
    """HostKeyAlias is looked up alone."""
    _expected(_line("alias", ED), port=2222, alias="alias").check(ED, where="sw1", at="x")
    with pytest.raises(AuthError, match="expected a key for alias in kh"):
        _expected(_line("sw1.pop1", ED), alias="alias").check(ED, where="sw1", at="x")


def test_a_revoked_key_is_refused_even_if_another_line_trusts_it() -> None:
    """@revoked wins."""
    text = _line("sw1.pop1", ED) + _line("*", ED, "@revoked")
    with pytest.raises(AuthError, match=r"is revoked: .* which kh:2 forbids"):
        _expected(text).check(ED, where="sw1", at="x")


def test_a_certificate_authority_is_no_host_key() -> None:
    """@cert-authority lines trust nothing here, and the message says so."""
    with pytest.raises(
        AuthError, match=r"is unknown.*kh:1 names a certificate authority; netorch checks plain keys only"
    ):
        _expected(_line("*.pop1", ED, "@cert-authority")).check(ED, where="sw1", at="x")


def test_a_changed_key_names_the_line_of_its_type() -> None:
    """Of several known keys the expected one is that of the same type."""
    with pytest.raises(AuthError) as caught:
        _expected(_line("sw1.pop1", RSA) + _line("sw1.pop1", ED)).check(OTHER, where="sw1", at="sw1.pop1 port 22")
    assert str(caught.value) == (
        f"sw1: the host key of sw1.pop1 port 22 has changed: found {OTHER}, expected {ED} (kh:2); nothing was sent"
    )


def test_known_types_are_preferred_in_the_files_order() -> None:
    """Devices are asked for a type whose key is known."""
    assert _expected(_line("sw1.pop1", RSA) + _line("sw1.pop1", ED)).algorithms == ("ssh-rsa", "ssh-ed25519")


def test_unusable_lines_are_passed_over() -> None:
    """Comments, blank lines, cut lines, bad base64 and unknown markers do not hide the good line."""
    text = (
        f"# sw1.pop1\n\nsw1.pop1\nsw1.pop1 ssh-ed25519 ???\n@what sw1.pop1 ssh-rsa AAAA\n|1|x\n{_line('sw1.pop1', ED)}"
    )
    assert [line.line for line in parse_known_hosts(text, "kh")] == [7]


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    """SHA256 in base64 without padding."""
    blob = base64.b64decode("AAAAC3NzaC1lZDI1NTE5AAAAIFQ0CCnGVqMyMSPdDrIOqFiBJ0qlbpBFvIW3d7SGh4Pu")
    assert HostKey("ssh-ed25519", blob).fingerprint == "SHA256:bd6v4s8+6WEFdb1ja5w7SNkNU+R5ItnzEaolUrWOzRA"


def test_hashed_names_are_found() -> None:
    """A name hashed by ssh-keygen -H is recognised, another is not."""
    _expected(_line(HASHED, ED)).check(ED, where="sw1", at="x")
    with pytest.raises(AuthError):
        _expected(_line(HASHED, ED), "sw2.pop1").check(ED, where="sw1", at="x")
