"""Generated hostile strings wherever the inventory and its operators may write free text: rendered by the real templates,
accepted by BIRD, loaded, and read back from BIRD and from the kernel."""

from __future__ import annotations

import json
import random
import re
import subprocess
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from netorch.app.audit import Audit
from netorch.errors import InventoryError, NetorchError
from netorch.intent import derive_intent
from netorch.io.audit_log import AuditLog
from netorch.io.clock import SystemClock
from netorch.io.netlink.links import read_links, set_alias
from netorch.io.netlink.route_socket import RouteSocket
from netorch.io.secrets import InventorySecrets
from netorch.io.template_files import read_templates
from netorch.loader import load_plugins
from netorch.model.intent import DeviceIntent, Session
from netorch.model.inventory import Inventory
from netorch.model.overlay import Overlay, OverlayEntry
from netorch.model.sessions import SecretRef
from netorch.render import TemplateSource, render_device, seal
from tests.lab.faults.play import Ending
from tests.lab.hostile_texts import cut, generate, read_back, scalar, unmarked, visible
from tests.lab.lone_bird import LoneBird, lone_bird
from tests.unit.inventory_texts import load

NAME = "strings"
EXPECTED = "text wherever it is shown, or refused; no statement more or less"
BATCH = 500
"""Sessions of one configuration: each string is the description of one, the reason why one is closed, and its password."""

SWITCH, _FILE = "sw1.pop1", "pops/pop1.yml"
_PORT = "alias0"
_MESSAGE_BYTES = 128
_NETWORK = """\
name: strings
asn: 64500
own_prefixes: [192.0.2.0/24]
plugins: [drain, describe]
"""
_POP = """\
name: pop1
description: {text}
switches:
  - name: sw1
    ssh: {{address: 198.18.1.1}}
    fabric: {{interface: br0, ipv4: 10.1.1.1/24, ipv6: "fd00:1:1::1/64"}}
    ports:
{ports}
circuits:
{circuits}
"""
_CIRCUIT = (
    "  - {{id: {id}, name: line-{id}, provider: northtel, switch: sw1, port: p{id}, description: {text}, "
    "password: env:P{id},\n     ipv4: {{local: 10.{high}.{low}.2/30, neighbor: 10.{high}.{low}.1}}}}"
)
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|/\*.*?\*/|[^\s"#/]+|/', re.DOTALL)
"""A BIRD string, the two kinds of comment, and words."""


@dataclass
class Tally:
    """What became of the strings; ``wrong`` where one was more than text."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note it where they differ."""
        if found != wanted:
            self.wrong.append(f"{what}: found {found!r:.600}, expected {wanted!r:.600}")


def play_strings(seed: int, *, each: int) -> Ending:
    """One seed: ``each`` new strings."""
    strings = generate(random.Random(f"{NAME}/{seed}"), each)
    tally, templates = Tally(), TemplateSource(read_templates())
    with tempfile.TemporaryDirectory() as folder, lone_bird(Path(folder)) as bird:
        subprocess.run(["ip", "link", "add", _PORT, "type", "bridge"], check=True)
        for begin in range(0, len(strings), BATCH):
            _play_batch(bird, strings[begin : begin + BATCH], templates, tally=tally)
    events = ", ".join(f"{count} {what}" for what, count in sorted(tally.counts.items()))
    state = "text, or refused" if not tally.wrong else "escaped"
    return Ending(NAME, seed, state, "-", "; ".join(tally.wrong), None, (events,))


def _play_batch(bird: LoneBird, strings: Sequence[str], templates: TemplateSource, *, tally: Tally) -> None:
    inventory, refused = inventory_of(strings)
    passwords = passwords_of(strings, inventory, tally)
    device = hostile_device(inventory, strings, refused=refused, passwords=passwords)
    tally.counts["strings"] += len(strings)
    tally.counts["refused by the inventory, so put into the intent as they are"] += len(refused)
    tally.counts["passwords"] += len(passwords)
    (file,) = render_device(device, templates)
    text = seal(file.text, passwords.__getitem__, daemon="bird")
    (plain,) = render_device(harmless_device(device), templates)
    harmless = seal(plain.text, lambda reference: "x", daemon="bird")
    tally.expect("statements", _skeleton(text), _skeleton(harmless))
    _expect_passwords(text, device, passwords=passwords, tally=tally)
    bird.load(harmless)
    symbols, names = bird.symbols(), set(bird.protocols())
    bird.load(text)
    tally.expect("symbols", bird.symbols(), symbols)
    shown = bird.protocols()
    tally.expect("protocols", set(shown), names)
    for number, session in enumerate(device.sessions):
        tally.expect("description", shown[session.name].description or "", _bird_text(session.description))
        if number not in refused:
            tally.expect("label", session.description, _label(number, strings[number]))
    _close_by_hand(bird, device, strings, tally=tally)
    _write_aliases(device, tally)
    _record(bird.folder / "audit.log", strings, tally)


# --- from strings to an intent


def _texts(strings: Sequence[str], refused: frozenset[int], defaults: str) -> dict[str, str]:
    """An inventory with a circuit for each string; those that are ``refused`` are left out."""
    texts = [scalar("" if number in refused else text) for number, text in enumerate(strings)]
    circuits = "\n".join(
        _CIRCUIT.format(id=number + 1, text=text, high=64 + number // 256, low=number % 256)
        for number, text in enumerate(texts)
    )
    ports = "\n".join(f"      - {{name: p{number + 1}, description: {text}}}" for number, text in enumerate(texts))
    provider = f"{{name: northtel, id: 1, asn: 64496, relation: transit, description: {texts[0]}}}"
    return {
        "network.yml": _NETWORK + defaults,
        "providers.yml": f"providers:\n  - {provider}\n",
        _FILE: _POP.format(text=texts[-1], ports=ports, circuits=circuits),
    }


def inventory_of(strings: Sequence[str], *, defaults: str = "") -> tuple[Inventory, frozenset[int]]:
    """The inventory of what it takes of ``strings``, and the numbers of those that it names as no descriptions. ``defaults`` is a
    line of its network's file."""
    try:
        return load(_texts(strings, frozenset(), defaults)), frozenset()
    except InventoryError as error:
        places = [re.match(r"circuits\[(\d+)\]\.description$", problem.key or "") for problem in error.problems]
        refused = frozenset(int(place[1]) for place in places if place)
    return load(_texts(strings, refused, defaults)), refused


def passwords_of(strings: Sequence[str], inventory: Inventory, tally: Tally, *, daemon: str = "bird") -> dict[str, str]:
    """By reference, those of ``strings`` that can be passwords. An error must not tell the others."""
    environment = {f"P{number + 1}": text for number, text in enumerate(strings)}
    secrets, found = InventorySecrets("/", environment), {}
    for circuit in inventory.circuits:
        reference = str(circuit.password)
        text = environment[reference.removeprefix("env:")]
        try:
            seal(f'password "@secret:{reference}@";', secrets.resolve, daemon=daemon)
            found[reference] = secrets.resolve(reference)
        except NetorchError as error:
            if len(text) > 12 and text.strip() and text in f"{error}{error.hint}":
                tally.wrong.append(f"an error tells the secret {text!r}")
    return found


def hostile_device(
    inventory: Inventory, strings: Sequence[str], *, refused: frozenset[int], passwords: Mapping[str, str]
) -> DeviceIntent:
    """The switch with every string in its session: every second one is drained until it is closed, for that reason."""
    entries = (
        OverlayEntry(
            id=f"drain/circuit/line-{number + 1}@pop1",
            version=1,
            plugin="drain",
            devices=(SWITCH,),
            author=text,
            created=0.0,
            reason=text,
            data={"kind": "circuit", "name": f"line-{number + 1}", "pop": "pop1", "stage": "closed"},
        )
        for number, text in enumerate(strings)
        if number % 2
    )
    intent, overlay = derive_intent(inventory), Overlay(tuple(entries))
    for plugin in load_plugins(inventory.plugins):
        assert plugin.amend is not None
        intent = plugin.amend(intent, overlay)
    device = intent.device(SWITCH)

    def hostile(number: int, session: Session) -> Session:
        known = session.password if str(session.password) in passwords else None
        description = strings[number] if number in refused else session.description
        return replace(session, password=known, description=description)

    return replace(device, sessions=tuple(hostile(number, session) for number, session in enumerate(device.sessions)))


def harmless_device(device: DeviceIntent) -> DeviceIntent:
    """The same with nothing hostile in it."""
    sessions = (
        replace(
            session,
            description="x" if session.description else "",
            shutdown_message="x" if session.shutdown_message else "",
            password=session.password and SecretRef("env", "X"),
        )
        for session in device.sessions
    )
    return replace(device, sessions=tuple(sessions))


# --- what must come of it


def _label(number: int, text: str) -> str:
    what = f"{text}, " if text else ""
    return cut(visible(f"northtel: {what}circuit {number + 1} (line-{number + 1})"), 255).rstrip()


def _bird_text(text: str) -> str:
    """What BIRD's strings can hold of ``text``: one line without double quotes, at most 255 bytes."""
    one_line = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    return read_back(cut(unmarked(one_line.replace('"', "'")), 255))


def _skeleton(text: str) -> list[str]:
    """The words of a configuration without what stands in its strings and comments."""
    return ['""' if word[0] == '"' else word for word in _TOKEN.findall(text) if word[0] != "#" and word[:2] != "/*"]


def _expect_passwords(text: str, device: DeviceIntent, *, passwords: Mapping[str, str], tally: Tally) -> None:
    wanted = [passwords[str(session.password)] for session in device.sessions if session.password is not None]
    tally.expect("passwords", re.findall(r'^    password "([^"\n]*)";$', text, re.MULTILINE), wanted)


def _close_by_hand(bird: LoneBird, device: DeviceIntent, strings: Sequence[str], *, tally: Tally) -> None:
    """The open sessions are closed by command, half of them as a drain does it, half with the string as it is: the message
    for the neighbour is the string as text."""
    names = set(bird.protocols())
    wanted = {}
    with bird.control() as control:
        for number, session in enumerate(device.sessions):
            if session.enabled and number % 4:
                wanted[session.name] = (
                    cut(visible(strings[number].replace('"', "'")), _MESSAGE_BYTES).rstrip() or "drained"
                )
                control.close_session(session.name, wanted[session.name])
            elif session.enabled:
                plain = "".join(c if c.isprintable() else " " for c in strings[number])
                wanted[session.name] = read_back(cut(plain.replace('"', "'"), 255))
                control.close_session(session.name, strings[number])
    shown = bird.protocols()
    tally.expect("protocols after they were closed", set(shown), names)
    for name, text in wanted.items():
        tally.expect("message", shown[name].message or "", text)
    tally.counts["messages"] += len(wanted)


def _write_aliases(device: DeviceIntent, tally: Tally) -> None:
    """Every label as the alias of an interface."""
    with RouteSocket() as kernel:
        for interface in (interface for interface in device.interfaces if interface.role == "circuit"):
            set_alias(kernel, _PORT, alias=interface.alias)
            (found,) = (link.alias for link in read_links(kernel, counters=False) if link.name == _PORT)
            tally.expect("alias", found, interface.alias)
            tally.counts["aliases"] += 1


def _record(path: Path, strings: Sequence[str], tally: Tally) -> None:
    """Every string as a reason in the audit log: a line each, which gives it back."""
    path.unlink(missing_ok=True)
    log = AuditLog(path, tally.wrong.append, syslog=f"{path}.nobody")
    audit = Audit(
        write=log.write, clock=SystemClock(), redact=str, who="somebody", origin="local", inventory="/", commit=""
    )
    for text in strings:
        audit.record("drain", SWITCH, result="changed", reason=text)
    lines = path.read_text().split("\n")
    wanted = [text.encode(errors="replace").decode() or None for text in strings]
    tally.expect("audit log", [json.loads(line)["reason"] for line in lines[:-1]], wanted)
    tally.counts["audit lines"] += len(lines) - 1
