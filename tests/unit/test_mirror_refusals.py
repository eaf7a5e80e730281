"""How the mirror's agents say why a connection was not made: in words for an operator, and not over and over."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from netorch.agent.mirror.feed import Feed
from netorch.agent.mirror.trust import TrustError, client_context, refusal_words
from tests.lab.mirror_certificates import TestAuthority
from tests.lab.mirror_impostor import context_of


def said_by_client(client: ssl.SSLContext, server: ssl.SSLContext | None) -> str:
    """What a client says of a server that does not want it; None for one that hangs up at once."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(back, there, server_hostname="sw1.pop1")
    far = server.wrap_bio(there, back, server_side=True) if server is not None else None
    if far is None:
        back.write_eof()
    try:
        for _ in range(5):
            for side in filter(None, (near, far)):
                with suppress(ssl.SSLWantReadError) if side is near else suppress(ssl.SSLError):
                    side.do_handshake()
        near.read(1)
    except ssl.SSLError as exc:
        return refusal_words(exc)
    return ""


def test_what_the_other_side_says_is_told_as_its_word(tmp_path: Path) -> None:
    """An alert has its own name only, not that of an old version of TLS."""
    ours, others = TestAuthority("ours"), TestAuthority("others")
    server = context_of(tmp_path, ours.leaf("sw1.pop1"), ours, is_server=True)
    server.verify_mode = ssl.CERT_REQUIRED
    stranger = context_of(tmp_path, others.leaf("h1.pop1"), ours, is_server=False)
    assert said_by_client(stranger, server) == "TLS: the other side says: unknown ca"


def test_one_that_hangs_up_is_told_in_words(tmp_path: Path) -> None:
    """No place in the interpreter's source."""
    ours = TestAuthority("ours")
    client = context_of(tmp_path, ours.leaf("h1.pop1"), ours, is_server=False)
    assert said_by_client(client, None) == "TLS: the other side ended the connection"


def test_damaged_key_is_told_without_the_interpreters_source(tmp_path: Path) -> None:
    """Which files, and that they do not do."""
    ours = TestAuthority("ours")
    ours.install(tmp_path, ours.leaf("h1.pop1"))
    (tmp_path / "key.pem").write_text("damaged")
    with pytest.raises(TrustError, match=r"certificate\.pem with key\.pem cannot be used") as raised:
        client_context(str(tmp_path))
    assert "_ssl.c" not in str(raised.value)


def test_host_that_is_refused_over_and_over_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is counted; the log has a line for each host and reason."""
    feed, lines = Feed(), list[str]()
    monkeypatch.setattr(feed, "say", lines.append)
    for _ in range(3):
        feed.refused("h3.pop1: is not among the hosts of this switch")
    feed.refused("h4.pop1: is not among the hosts of this switch")
    assert feed.counters["refused_connections"] == 4
    assert lines == [f"refused {host}: is not among the hosts of this switch" for host in ("h3.pop1", "h4.pop1")]
