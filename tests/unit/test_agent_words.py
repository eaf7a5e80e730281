"""How the agent reads and writes BIRD's words, and the names of sysctls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.agent.bird import BirdRefused, quoted_name, quoted_text, stamp_of
from netorch.agent.bird_daemon import complaint
from netorch.agent.files import sysctl_path
from netorch.agent.outcome import Refused


@given(st.text())
def test_any_message_stays_one_string(text: str) -> None:
    """Whatever a message holds, BIRD gets one string of at most 255 bytes on one line."""
    quoted = quoted_text(text)
    inside = quoted[1:-1]
    assert quoted == f'"{inside}"'
    assert '"' not in inside
    assert inside.isprintable()
    assert len(inside.encode()) <= 255


def test_message_is_cut_between_characters() -> None:
    """A message of more than 255 bytes loses whole characters."""
    assert quoted_text("é" * 200) == '"' + "é" * 127 + '"'


@pytest.mark.parametrize("name", ["", "a b", "a'b", 'a"b', "a;b", "a\n", "*", "x" * 64])
def test_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    """A session's name never ends its quotes, and is no pattern."""
    with pytest.raises(BirdRefused, match="cannot be the name of a session"):
        quoted_name(name)


def test_stamp_is_found_on_its_line_only() -> None:
    """A stamp counts where it is defined, not where a description mentions it."""
    text = '# define NETORCH_STAMP = "no";\ndefine NETORCH_STAMP = "yes";\n'
    assert stamp_of(text) == "yes"
    assert stamp_of(text.splitlines()[0]) is None


def test_complaint_shows_the_line_with_a_caret() -> None:
    """BIRD's position becomes a caret below the source line, under the name of the final file; tabs count one column."""
    said = "bird: /etc/bird/.bird.conf.netorch:2:7 syntax error, unexpected CF_SYM_UNDEFINED"
    assert complaint(said, path="/etc/bird/bird.conf", text="one;\n\tlog bogus;\n") == (
        "BIRD refuses /etc/bird/bird.conf:2:7 syntax error, unexpected CF_SYM_UNDEFINED\n"
        "  2 |  log bogus;\n"
        "    |       ^"
    )


@pytest.mark.parametrize("line", ['password "s3cret" x', 'pass word "s3cret";', '"a" "s3cret', 'passwordx"s3cret"'])
def test_complaint_hides_every_string(line: str) -> None:
    """A password stays hidden whatever a template's mistake has made of the words around it; the caret stays in place."""
    shown = complaint("/a:1:3 syntax error", path="/a", text=line).splitlines()
    assert "s3cret" not in shown[1]
    assert len(shown[1]) == len(f"  1 | {line}")
    assert shown[2].index("^") == shown[1].index(line[0]) + 2


def test_complaint_without_a_place_is_passed_on() -> None:
    """A message that names no line is shown as it is."""
    assert complaint("bird: Unable to open configuration file", path="/a", text="") == (
        "BIRD refuses /a: bird: Unable to open configuration file"
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.conf.all.rp_filter", "/proc/sys/net/ipv4/conf/all/rp_filter"),
        ("net.ipv4.conf.eth0.100.rp_filter", "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"),
        ("net.ipv6.neigh.a.b.c.gc_stale_time", "/proc/sys/net/ipv6/neigh/a.b.c/gc_stale_time"),
        ("net.ipv4.fib_multipath_hash_policy", "/proc/sys/net/ipv4/fib_multipath_hash_policy"),
        ("net/ipv4/conf/eth0.1/rp_filter", "/proc/sys/net/ipv4/conf/eth0.1/rp_filter"),
    ],
)
def test_sysctl_of_an_interface_with_dots_is_found(name: str, path: str) -> None:
    """Dots in an interface's name are not taken for separators."""
    assert sysctl_path(name) == path


@pytest.mark.parametrize("name", ["", "net..x", "../etc/passwd", "/etc/passwd", "net/../../etc/passwd", "a\0b"])
def test_sysctl_that_leads_elsewhere_is_refused(name: str) -> None:
    """A name cannot leave /proc/sys."""
    with pytest.raises(Refused, match="is not the name of a sysctl"):
        sysctl_path(name)
