"""Namespaces, cables and addresses of a lab: made, repaired, taken down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netorch.lab.commands import NETNS_FOLDER, Tools, at_once
from netorch.lab.plan import ROOT, Cable, End, LabPlan, Node
from netorch.lab.processes import namespace_exists

FRESH = ".fresh"  # a namespace that is about to take the place of another


def note_netns_folder(note: Path) -> None:
    """Write down how /run/netns was before ``ip netns`` made it, or mounted it on itself; once only."""
    if not note.exists():
        state = "mounted" if _is_mounted(NETNS_FOLDER) else "there" if NETNS_FOLDER.exists() else "missing"
        note.write_text(state, encoding="ascii")


def restore_netns_folder(note: Path, tools: Tools) -> None:
    """Make /run/netns as it was, unless somebody else has namespaces in it by now."""
    state = note.read_text(encoding="ascii") if note.exists() else "mounted"
    if state == "mounted" or not NETNS_FOLDER.exists() or any(NETNS_FOLDER.iterdir()):
        return
    if _is_mounted(NETNS_FOLDER):
        tools.run(["umount", str(NETNS_FOLDER)])
    if state == "missing":
        NETNS_FOLDER.rmdir()


def _is_mounted(path: Path) -> bool:
    """Whether something is mounted there, be it the folder itself. Source: proc(5), mountinfo."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return any(line.split()[4] == str(path) for line in lines)


@dataclass(frozen=True)
class Network:
    """The network of one lab on this machine."""

    plan: LabPlan
    tools: Tools

    def build(self) -> None:
        """Make what is missing and configure all of it; what is there already stays."""
        self._add_namespaces([node for node in self.plan.nodes if not namespace_exists(node.netns)])
        self.tools.ip_batch(self._missing_cables())
        if self.plan.bridge not in self._links(""):
            self.tools.ip_batch(self.plan.root_create)
        self.tools.ip_batch(self.plan.root_setup)
        at_once(self._configure, self.plan.nodes)

    def renew(self, nodes: Sequence[Node]) -> None:
        """Give ``nodes`` network namespaces without a past, as a restart does; their cables stay plugged at both ends.

        No process may live in the old ones. ``build`` configures the new ones.
        """
        for node in nodes:
            self._remove_namespace(node.netns + FRESH)
        old = [node for node in nodes if namespace_exists(node.netns)]
        self._add_namespaces(old, suffix=FRESH)
        at_once(self._replace_namespace, old)

    def _replace_namespace(self, node: Node) -> None:
        fresh = node.netns + FRESH
        present = self._links(node.netns)
        ends = [end.interface for end in self.plan.ends(node.name) if end.interface in present]
        self.tools.ip_batch([f"link set dev {name} netns {fresh}" for name in ends], netns=node.netns)
        self._remove_namespace(node.netns)
        (NETNS_FOLDER / node.netns).touch(mode=0o400)
        self.tools.run(["mount", "--bind", str(NETNS_FOLDER / fresh), str(NETNS_FOLDER / node.netns)])
        self._remove_namespace(fresh)

    def remove(self) -> None:
        """Take everything down. No process may live in the namespaces any more."""
        present = self._links("")
        ours = [end.interface for end in self.plan.ends(ROOT)] + [self.plan.bridge]
        self.tools.ip_batch([f"link del dev {name}" for name in ours if name in present])
        for name in self.namespaces():
            self._remove_namespace(name)

    def namespaces(self) -> list[str]:
        """The name of every namespace that this lab may have made."""
        return [node.netns + suffix for node in self.plan.nodes for suffix in ("", FRESH)]

    def _add_namespaces(self, nodes: Sequence[Node], *, suffix: str = "") -> None:
        for node in nodes:
            self._remove_namespace(node.netns + suffix)  # a file without a namespace, left by a command that was killed
        self.tools.ip_batch([f"netns add {node.netns}{suffix}" for node in nodes])
        # Before there is any interface, since interfaces copy the defaults when they arrive.
        at_once(lambda node: self._set_sysctls(node, node.netns + suffix), nodes)

    def _set_sysctls(self, node: Node, netns: str) -> None:
        settings = [f"{name}={value}" for name, value in node.sysctls.items()]
        self.tools.run(["nsenter", f"--net={NETNS_FOLDER / netns}", "sysctl", "-q", "-w", *settings])

    def _remove_namespace(self, netns: str) -> None:
        if (NETNS_FOLDER / netns).exists():
            self.tools.run(["ip", "netns", "del", netns])

    def _missing_cables(self) -> list[str]:
        links = {name: self._links(self.plan.node(name).netns if name else "") for name in self._end_nodes()}
        lines = []
        for cable in self.plan.cables:
            missing = [end for end in (cable.a, cable.b) if end.interface not in links[end.node]]
            if missing:
                # A pair lives and dies together, but an interface of that name may be a stranger's.
                lines += [self._delete(end) for end in (cable.a, cable.b) if end not in missing and end.node != ROOT]
                lines.append(self._create(cable))
        return lines

    def _end_nodes(self) -> set[str]:
        return {end.node for cable in self.plan.cables for end in (cable.a, cable.b)}

    def _create(self, cable: Cable) -> str:
        def words(end: End) -> str:
            where = f"netns {self.plan.node(end.node).netns} " if end.node else ""
            return f"name {end.interface} address {end.mac} {where}"

        return f"link add {words(cable.a)} type veth peer {words(cable.b)}"

    def _delete(self, end: End) -> str:
        return f"link del dev {end.interface} netns {self.plan.node(end.node).netns}"

    def _configure(self, node: Node) -> None:
        create = self._to_create(node)
        if create:
            self.tools.ip_batch(create, netns=node.netns)
        self.tools.ip_batch(node.setup, netns=node.netns)

    def _to_create(self, node: Node) -> Sequence[str]:
        """What of ``create`` was not done yet: bridges one by one; all else until it took away the rule of preference 0."""
        if all(line.startswith("link add") for line in node.create):
            present = self._links(node.netns) if node.create else set()
            return [line for line in node.create if line.split()[3] not in present]
        is_fresh = self.tools.ip(["-6", "rule", "show", "pref", "0"], netns=node.netns).strip()
        return node.create if is_fresh else ()

    def _links(self, netns: str) -> set[str]:
        return {link["ifname"] for link in json.loads(self.tools.ip(["-j", "link", "show"], netns=netns) or "[]")}
