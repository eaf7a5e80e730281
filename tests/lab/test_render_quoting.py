"""Hostile strings in a configuration that a real BIRD runs: none of them changes the set of protocols."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netorch.errors import RenderError
from netorch.intent import derive_intent
from netorch.intent.symbols import session_symbol
from netorch.io.template_files import read_templates
from netorch.model.intent import DeviceIntent, Session
from netorch.model.types import Family
from netorch.render import TemplateSource, render_device, seal
from netorch.render.bird.quoting import bird_text
from tests.lab.ssh_server import wait_until
from tests.unit.inventory_texts import example, load

pytestmark = pytest.mark.lab

COUNT = 100
NODE = "quoting"
OWN_PROTOCOLS = {"device1", "bfd1", "kernel_ipv4", "kernel_ipv6"}

_INJECTION = "protocol static evil { ipv4; route 0.0.0.0/0 blackhole; }"
HOSTILE = (
    f'x"; }} {_INJECTION}',
    f"x'; }} {_INJECTION}",
    f'\\"; }} {_INJECTION}',
    f'"\n}}\n{_INJECTION}\n#',
    f"\n{_INJECTION}\n",
    f"\r{_INJECTION}\r",
    f"\u2028{_INJECTION}\u2029{_INJECTION}\x85{_INJECTION}",
    f"*/ {_INJECTION} /*",
    f"# {_INJECTION}",
    f"/* {_INJECTION}",
    f"}}\x00 {_INJECTION}",
    "\x00\x01\x1b[2J\x7f",
    '"' * 300,
    "x" * 4095,
    "x" * 4096,
    "ü" * 4096,
    "'" * 4096 + '"',
    "\\",
    "\\\\\\",
    '\\"',
    "{{ device }}",
    "{% include 'bird/switch.conf.j2' %}",
    "@stamp@",
    "@secret:env:HOME@",
    "@secret:file:/etc/shadow@",
    '@sec@stamp@ret:env:HOME@"',
    'include "/etc/passwd";',
    "$(reboot)`reboot`${IFS}",
    "\ud800 half a character",
    "\u202eright to left",
    "-empty-",
    "disabled off;",
    ";;;;",
    "}" * 200,
    "",
    " ",
    "\t",
)


@dataclass
class Daemon:
    """A BIRD in a namespace of its own."""

    folder: Path

    def birdc(self, command: str) -> str:
        done = subprocess.run(
            ["birdc", "-s", str(self.folder / "bird.ctl"), *command.split()],
            capture_output=True,
            timeout=30,
            check=False,
        )
        return done.stdout.decode(errors="replace")

    def load(self, text: str) -> None:
        """Check ``text`` in a process of its own, then run it."""
        path = self.folder / "bird.conf"
        path.write_text(text)
        checked = subprocess.run(["bird", "-p", "-c", str(path)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
        answer = self.birdc("configure")
        assert "Reconfigur" in answer, answer

    def descriptions(self) -> dict[str, str]:
        """The description of every protocol, "" where it has none."""
        blocks = re.split(r"\n\n", self.birdc("show protocols all"))
        found = {}
        for block in blocks:
            head = re.search(r"^(\S+) +(?:BGP|Device|BFD|Kernel|Static) ", block, re.MULTILINE)
            text = re.search(r"^  Description:    (.*)$", block, re.MULTILINE)
            if head:
                found[head.group(1)] = text.group(1) if text else ""
        return found


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("quoting")
    (folder / "bird.conf").write_text("log stderr all;\nrouter id 10.0.0.1;\nprotocol device { }\n")
    subprocess.run(["ip", "netns", "add", NODE], check=True)
    command = ["bird", "-f", "-c", f"{folder}/bird.conf", "-s", f"{folder}/bird.ctl", "-P", f"{folder}/bird.pid"]
    process = subprocess.Popen(["ip", "netns", "exec", NODE, *command], stderr=subprocess.DEVNULL)
    try:
        wait_until((folder / "bird.ctl").exists, what="BIRD listens")
        yield Daemon(folder)
    finally:
        process.kill()
        process.wait(10)
        subprocess.run(["ip", "netns", "del", NODE], check=True)


def hostile_switch(strings: list[str]) -> DeviceIntent:
    """A switch with a provider session per string, which is in its name, its description and its shutdown message."""
    switch = derive_intent(load(example())).device("sw1.pop1")
    pattern = {session.family: session for session in switch.sessions if session.kind == "provider"}
    sessions: list[Session] = []
    for number, text in enumerate(strings):
        family = list(Family)[number % 2]
        neighbor = "203.0.113." if family is Family.IPV4 else "2001:db8:c::"
        session = replace(
            pattern[family],
            name=session_symbol(f"{text}_{number}", family),
            description=text,
            shutdown_message=text,
            enabled=number % 3 != 0,
            neighbor=ip_address(f"{neighbor}{number + 10}"),
        )
        sessions.append(session)
    fabric = (session for session in switch.sessions if session.kind == "host")
    return replace(switch, name=strings[0], pop=strings[1], sessions=(*sessions, *fabric))


def check(daemon: Daemon, strings: list[str], templates: TemplateSource) -> None:
    device = hostile_switch(strings)
    (file,) = render_device(device, templates)
    daemon.load(seal(file.text, lambda reference: pytest.fail(f"asked for {reference}"), daemon="bird"))
    found = daemon.descriptions()
    assert set(found) == OWN_PROTOCOLS | {session.name for session in device.sessions}
    for session in device.sessions:
        assert found[session.name] == (bird_text(session.description)[1:-1] if session.description else "")


def test_known_attacks_come_out_as_text(daemon: Daemon) -> None:
    """A hundred hostile names, descriptions and messages: the protocols are the intended ones, with them as text."""
    strings = [f"{text}{number}" if number >= len(HOSTILE) else text for number, text in enumerate(HOSTILE * 3)][:COUNT]
    assert len(strings) == COUNT
    check(daemon, strings, TemplateSource(read_templates()))


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(strings=st.lists(st.text(max_size=400), min_size=COUNT, max_size=COUNT))
def test_any_text_comes_out_as_text(daemon: Daemon, strings: list[str]) -> None:
    """A hundred arbitrary strings at a time do no more than the known ones."""
    check(daemon, strings, TemplateSource(read_templates()))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_interface_is_exact_or_refused(daemon: Daemon, text: str) -> None:
    """Where a string must be exact, what cannot be written is refused; the rest adds no protocol."""
    device = derive_intent(load(example())).device("h1.pop1")
    sessions = tuple(replace(session, interface=text) for session in device.sessions)
    templates = TemplateSource(read_templates())
    try:
        (file,) = render_device(replace(device, sessions=sessions), templates)
    except RenderError:
        return
    daemon.load(seal(file.text, str, daemon="bird"))
    (plain,) = render_device(device, templates)
    expected = set(re.findall(r"^protocol \w+ (\w+) \{", plain.text, re.MULTILINE)) - {"device", "bfd"}
    names = {line.split()[0] for line in daemon.birdc("show protocols").splitlines()[2:] if line}
    assert names == expected | {"device1", "bfd1"}
