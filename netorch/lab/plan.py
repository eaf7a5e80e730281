"""What a lab consists of, as data: nodes, the cables between them, and the commands that configure them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ROOT = ""
"""The node name of the machine's own network namespace, where the operator's shell is."""

OWN_ROOT = ""
"""The name that stands for this machine's own root, among those of root file systems."""

SWITCH, HOST, ROUTER = "switch", "host", "router"
PROVIDER, INTERNET, STATION, VALIDATOR = "provider", "internet", "station", "validator"
DEVICE_KINDS = (SWITCH, HOST, ROUTER)


@dataclass(frozen=True)
class Service:
    """A daemon that the node's supervisor keeps running. ``directories`` are made first: path, owner, mode. It is up once
    ``ready_file`` exists and something listens on TCP port ``ready_port``, where they are given. With ``enabled_by``, a file
    and a line, it runs only while that file has that line."""

    name: str
    argv: tuple[str, ...]
    directories: tuple[tuple[str, str, int], ...] = ()
    once: bool = False
    ready_file: str = ""
    ready_port: int = 0
    enabled_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """One machine of the lab. ``create`` and ``setup`` are lines for ``ip -batch`` in its namespace: ``create`` for a fresh
    namespace, ``setup`` harmless when repeated. ``address`` is where its sshd listens, "" without one. ``binds`` are folders
    of this machine that the node needs and its root file system may lack. ``rootfs`` is the name of the root file system that
    it lies on, OWN_ROOT for this machine's own."""

    name: str
    kind: str
    netns: str
    address: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    create: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    binds: tuple[str, ...] = ()
    rootfs: str = OWN_ROOT


@dataclass(frozen=True)
class End:
    """One end of a cable."""

    node: str
    interface: str
    mac: str


@dataclass(frozen=True)
class Cable:
    """A veth pair."""

    a: End
    b: End


@dataclass(frozen=True)
class LabPlan:
    """A whole lab. ``root_create`` and ``root_setup`` configure the machine's own side; ``bridge`` is its one interface
    that is no cable's end."""

    nodes: tuple[Node, ...]
    cables: tuple[Cable, ...]
    bridge: str
    root_create: tuple[str, ...]
    root_setup: tuple[str, ...]
    fingerprint: str = ""

    def node(self, name: str) -> Node:
        """The node called ``name``; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def ends(self, node: str) -> tuple[End, ...]:
        """The cable ends of one node."""
        return tuple(end for cable in self.cables for end in (cable.a, cable.b) if end.node == node)

    def to_json(self) -> str:
        """For ``plan_from_json``."""
        return json.dumps(asdict(self), sort_keys=True)


def mac_of(node: str, interface: str) -> str:
    """A locally administered unicast address that is the same in every run."""
    digest = hashlib.sha256(f"{node}/{interface}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (2, *digest[:5]))


def plan_from_json(text: str) -> LabPlan:
    """The plan that ``to_json`` wrote."""
    data: dict[str, Any] = json.loads(text)
    nodes = tuple(
        Node(
            **{
                **node,
                "services": tuple(_service(service) for service in node["services"]),
                **{key: tuple(node[key]) for key in ("create", "setup", "binds")},
            }
        )
        for node in data.pop("nodes")
    )
    cables = tuple(Cable(End(**cable["a"]), End(**cable["b"])) for cable in data.pop("cables"))
    root_create, root_setup = tuple(data.pop("root_create")), tuple(data.pop("root_setup"))
    return LabPlan(nodes=nodes, cables=cables, root_create=root_create, root_setup=root_setup, **data)


def _service(data: Mapping[str, Any]) -> Service:
    directories = tuple((str(path), str(owner), int(mode)) for path, owner, mode in data["directories"])
    words = {name: tuple(data[name]) for name in ("argv", "enabled_by")}
    return Service(**{**data, **words, "directories": directories})
