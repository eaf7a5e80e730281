"""The shipped inventory as FRR's configuration, as it was last read by a person and as FRR itself reads it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.render import TemplateSource, render_for, seal
from netorch.render.seal import redact, restamp
from tests.golden.write import FRR_FOLDER, rendered
from tests.unit.inventory_texts import example, load

DEVICES = sorted(path.name for path in FRR_FOLDER.glob("*.conf"))
SECRET = "a-secret?!#word"
FIRST_AS = re.compile(r" no neighbor \S+ enforce-first-as\n")


@pytest.fixture(scope="module", params=["8.4.4", "10.3"])
def texts(request: pytest.FixtureRequest) -> dict[str, str]:
    return rendered("frr", request.param)


def sealed(name: str) -> str:
    """A golden file as a device would get it."""
    return seal((FRR_FOLDER / name).read_text(), lambda _: SECRET, daemon="frr")


def test_every_device_has_a_golden_file(texts: dict[str, str]) -> None:
    """There is one golden file per device of the shipped inventory."""
    assert sorted(texts) == DEVICES


@pytest.mark.parametrize("name", DEVICES)
def test_configuration_is_the_golden_one(texts: dict[str, str], name: str) -> None:
    """Rendering gives the golden file for either release, save the lines that 10.3 alone needs to leave a check to the filter;
    `python -m tests.golden.write` writes it anew."""
    assert FIRST_AS.sub("", texts[name]) == (FRR_FOLDER / name).read_text()


@pytest.mark.parametrize("name", DEVICES)
def test_frr_accepts_the_golden_file(tmp_path: Path, name: str) -> None:
    """FRR's own check takes the sealed file without a word."""
    path = tmp_path / name
    path.write_text(sealed(name))
    done = subprocess.run(["vtysh", "-C", "-f", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", DEVICES)
def test_file_reads_well(name: str) -> None:
    """No trailing blanks, no empty lines, no line longer than 130 characters, no line of BGP outside of its section."""
    text = (FRR_FOLDER / name).read_text()
    assert re.findall(r"[ \t]\n|\n\n|.{131,}|^(?:neighbor|network|set|match|on-match) ", text, re.MULTILINE) == []
    assert text.endswith("exit\n")


def test_every_list_that_is_asked_is_there() -> None:
    """FRR lets a name stand for nothing: whatever a configuration refers to, it defines."""
    for name in DEVICES:
        text = (FRR_FOLDER / name).read_text()
        for asked, made in (
            (r"match ipv?6? (?:address|next-hop) prefix-list (\S+)", r"^ipv?6? prefix-list (\S+)"),
            (r"match as-path (\S+)", r"^bgp as-path access-list (\S+)"),
            (r"route-map (\S+) (?:in|out)$|protocol \w+ route-map (\S+)|table-map (\S+)", r"^route-map (\S+) \w+ \d+"),
        ):
            found = {next(filter(None, m.groups())) for m in re.finditer(asked, text, re.MULTILINE)}
            assert found <= set(re.findall(made, text, re.MULTILINE)), name


def test_passwords_are_hidden_where_a_configuration_is_shown() -> None:
    """Neither a password nor a part of one is in what is shown; the reference to it is."""
    text = sealed("sw2.pop1.conf")
    assert SECRET in text
    assert "secret" not in redact(text)
    assert redact(text).count("password (hidden)\n") == 2
    assert "password @secret:" in redact((FRR_FOLDER / "sw2.pop1.conf").read_text())


@pytest.mark.parametrize(
    "line",
    [
        "password hunter2",
        "enable password 8 hunter2",
        "  key-string hunter2",
        " ip ospf message-digest-key 1 md5 hunter2",
        " ip ospf authentication-key hunter2",
        " ipv6 ospf6 authentication key-id 1 hash-algo hmac-sha-256 key hunter2",
        " ip rip authentication string hunter2",
        " isis password clear hunter2",
        " area-password md5 hunter2",
        " neighbor PEERS password hunter2",
        " neigh 203.0.113.1 passw hunter2",
    ],
)
def test_secrets_of_a_file_from_before_netorch_are_hidden(line: str) -> None:
    """Whatever FRR keeps secrets behind: the first plan shows what it takes away."""
    shown = redact(f"frr defaults traditional\n{line}\n!\n")
    assert "hunter2" not in shown
    assert shown.count("(hidden)") == 1


def test_what_is_no_secret_is_shown() -> None:
    """Words about passwords, and a key's number."""
    text = "key chain ours\n key 1\nservice password-encryption\nsession x will restart: changed: password\n"
    assert redact(text) == text


def test_stamp_is_made_anew() -> None:
    """A text that was changed by hand gets a stamp of its own."""
    text = sealed("h1.pop1.conf")
    changed = restamp(text.replace("timers bgp 30 90", "timers bgp 10 30"), "frr")
    stamps = [re.findall(r"netorch_stamp deny 1\n description ([0-9a-f]{16})\n", one) for one in (text, changed)]
    assert len(stamps[0]) == len(stamps[1]) == 1
    assert stamps[0] != stamps[1]


def test_daemons_are_named() -> None:
    """The second file says which of FRR's daemons run: BFD's where sessions use it."""
    can = capabilities_of("frr", "8.4.4")
    assert can is not None
    device = derive_intent(load(example())).device("sw1.pop1")
    _, daemons = render_for(can, device, templates=TemplateSource(read_templates()))
    assert (daemons.path, daemons.daemon) == ("/etc/frr/daemons", "")
    assert {"bgpd=yes", "bfdd=yes", "ospfd=no"} <= set(daemons.text.splitlines())
