"""The same hostile strings in a real FRR: rendered by the real templates, accepted, loaded, and read back."""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Optional

from netorch.agent.frr_control import FrrControl
from netorch.io.template_files import read_templates
from netorch.model.conventions import FRR_DAEMONS
from netorch.model.frr_words import split_description
from netorch.model.intent import DeviceIntent, Session
from netorch.parse.frr.sessions import read_neighbors
from netorch.render import TemplateSource, render_device, seal
from tests.lab.faults.play import Ending
from tests.lab.faults.strings import NAME, Tally, harmless_device, hostile_device, inventory_of, passwords_of
from tests.lab.frr_node import FrrNode, canonical, frr_node
from tests.lab.hostile_texts import cut, generate, unmarked, visible
from tests.lab.labs import LIBC, own_network

BATCH = 100
"""Sessions of one configuration: each string is the description of one, the reason why one is closed, and its password."""

KNOWN = ("a | include b", "a|b || c")
"""What FRR takes for a filter of its answers."""

_CLONE_NEWNS = 0x20000  # linux/sched.h
_PROVIDERS = 2
"""Sessions that stay a provider's: FRR 8.4.4 takes a minute to load the route maps of many. The others are hosts'."""

_ASN = 64500
_TEXT = re.compile(r"^( neighbor \S+ (?:description \[\w+\]|shutdown|password)| description)(?= |$).*")
# What netorch.render.frr.quoting changes beyond what cannot be seen.
_REWRITTEN = re.compile(r"neighbor|remote-as|route-map|peer-group|interface|vrf|bfd|multi|table-map|:", re.IGNORECASE)
_MAX_BYTES = 255


def play_strings(seed: int, *, each: int, version: str) -> Ending:
    """One seed: ``each`` new strings, for the release ``version``."""
    strings = [*KNOWN, *generate(random.Random(f"{NAME}/frr/{seed}"), each - len(KNOWN))]
    tally, templates = Tally(), TemplateSource(read_templates())
    netns = f"strings-{os.getpid()}"
    with own_network():
        subprocess.run(["ip", "netns", "add", netns], check=True)
        try:
            with frr_node(netns, version) as node:
                node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
                node.write("bgpd=yes\nbfdd=yes\n", FRR_DAEMONS)
                node.start(f"frr defaults traditional\nhostname {netns}\n")
                for begin in range(0, len(strings), BATCH):
                    _play_batch(node, strings[begin : begin + BATCH], templates, tally=tally)
        finally:
            subprocess.run(["ip", "netns", "del", netns], check=False)
    events = ", ".join(f"{count} {what}" for what, count in sorted(tally.counts.items()))
    state = "text, or refused" if not tally.wrong else "escaped"
    return Ending(NAME, seed, state, "-", "; ".join(tally.wrong[:20]), None, (events,))


def _play_batch(node: FrrNode, strings: Sequence[str], templates: TemplateSource, *, tally: Tally) -> None:
    defaults = f'defaults: {{daemon: frr, version: "{node.version}"}}\n'
    inventory, refused = inventory_of(strings, defaults=defaults)
    passwords = passwords_of(strings, inventory, tally, daemon="frr")
    device = hostile_device(inventory, strings, refused=refused, passwords=passwords)
    device = replace(device, name=node.netns, sessions=tuple(map(_of_fabric, range(len(strings)), device.sessions)))
    tally.counts["strings"] += len(strings)
    tally.counts["refused by the inventory, so put into the intent as they are"] += len(refused)
    tally.counts["passwords"] += len(passwords)
    text = _rendered(device, templates, passwords.__getitem__)
    harmless = _rendered(harmless_device(device), templates, lambda reference: "x")
    hostile, plain = _skeleton(text), _skeleton(harmless)
    tally.expect("statements", set(hostile) - set(plain), set(plain) - set(hostile))
    tally.expect("number of statements", len(hostile), len(plain))
    wanted = [passwords[str(session.password)] for session in device.sessions if session.password is not None]
    tally.expect("passwords", re.findall(r"^ neighbor \S+ password (.*)$", text, re.MULTILINE), wanted)
    tally.expect("complaint", node.check(text), "")
    _load(node, text)
    runs, wanted_lines = _lines(node.running()), _lines(canonical(text))
    tally.expect("what runs", runs - wanted_lines, wanted_lines - runs)
    _expect_sessions(node, device, tally)
    _close_by_hand(node, device, strings, tally=tally)


def _of_fabric(number: int, session: Session) -> Session:
    if number < _PROVIDERS:
        return session
    return replace(session, kind="host", peer_asn=_ASN, circuit=None, import_policy=None, export_policy=None)


def _rendered(device: DeviceIntent, templates: TemplateSource, resolve: Callable[[str], str]) -> str:
    (file,) = (file for file in render_device(device, templates) if file.path != FRR_DAEMONS)
    return seal(file.text, resolve, daemon="frr")


def _skeleton(text: str) -> list[str]:
    """Every line that is no comment, without what stands where a text or a secret may stand."""
    lines = (line for line in text.splitlines() if line.strip()[:1] not in ("!", "#", ""))
    return [_TEXT.sub(r"\1", line) for line in lines]


def _lines(sections: dict[str, list[str]]) -> Counter[tuple[str, str]]:
    return Counter((head, line) for head, lines in sections.items() for line in ("", *lines))


def _load(node: FrrNode, text: str) -> None:
    """In place of what runs."""
    node.vtysh("configure terminal", f"no router bgp {_ASN}") if "router bgp" in node.vtysh(
        "show running-config"
    ) else None
    node.write(text)
    loaded = node.attempt("vtysh", "-f", "/etc/frr/frr.conf")
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr


def _expect_sessions(node: FrrNode, device: DeviceIntent, tally: Tally) -> None:
    """Those of the intent, each with its name and its text."""
    said = read_neighbors(node.vtysh("show bgp neighbors json"))
    found = dict(split_description(protocol.description) for protocol in said)
    tally.expect("sessions", len(said), len(device.sessions))
    tally.expect("names", set(found), {session.name for session in device.sessions})
    for session in device.sessions:
        text = as_frr_has_it(session.description)
        if text is not None:
            tally.expect("description", found.get(session.name) or "", text)
            tally.counts["descriptions as they are"] += 1


def as_frr_has_it(description: str) -> Optional[str]:
    """A session's description as FRR is to show it; None where a word in it is one that netorch writes otherwise."""
    text = visible(unmarked(description.replace("|", "/")))
    return None if _REWRITTEN.search(text) else cut(text, _MAX_BYTES).rstrip()


def _close_by_hand(node: FrrNode, device: DeviceIntent, strings: Sequence[str], *, tally: Tally) -> None:
    """The open sessions are closed by command, with the string as it is for their neighbours: nothing else changes."""
    before = node.running()
    messages = {
        session.name: strings[number].encode(errors="replace").decode()
        for number, session in enumerate(device.sessions)
        if session.enabled
    }
    refused = _inside(node, partial(_closed, messages))
    tally.expect("closing by command", refused, {})
    (bgp,) = (head for head in before if head.startswith("router bgp"))
    after = node.running()
    tally.expect("sections after closing", {**after, bgp: []}, {**before, bgp: []})
    open_lines = [line for line in after[bgp] if " shutdown" not in line]
    tally.expect("lines after closing", open_lines, [line for line in before[bgp] if " shutdown" not in line])
    closed = sum(bool(re.match(r" neighbor \S+ shutdown\b", line)) for line in after[bgp])
    tally.expect("closed sessions", closed, len(device.sessions))
    tally.counts["messages"] += len(messages)


def _closed(messages: dict[str, str]) -> dict[str, str]:
    """What FRR has against closing sessions with such messages, by session."""
    refused = {}
    with FrrControl() as control:
        for name, message in messages.items():
            try:
                control.close_session(name, message)
            except Exception as error:  # noqa: BLE001 - told
                refused[name] = f"{message!r}: {error}"
    return refused


def _inside(node: FrrNode, work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What ``work`` finds where the node's files are."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            root = os.open(f"/proc/{node.holder.pid}/root", os.O_RDONLY)
            space = os.open(f"/proc/{node.holder.pid}/ns/mnt", os.O_RDONLY)
            assert LIBC.setns(space, _CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
            os.fchdir(root)
            os.chroot(".")
            found = json.dumps(work())
        except BaseException as error:  # noqa: BLE001 - told by the parent
            found = json.dumps({"": repr(error)})
        with open(write, "w", encoding="utf-8") as pipe:
            pipe.write(found)
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(said))
