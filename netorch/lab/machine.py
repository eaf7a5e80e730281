"""A lab on this machine: up, down, status, and what tests do to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from netorch.errors import NetorchError, TimedOut
from netorch.lab.commands import Tools, at_once
from netorch.lab.files import sshd_files, write_node
from netorch.lab.keys import make_identity, make_passwords, remove_state, write_known_hosts
from netorch.lab.lock import lab_lock
from netorch.lab.network import Network, note_netns_folder, restore_netns_folder
from netorch.lab.nodes import Machine, ServiceStatus
from netorch.lab.plan import (
    HOST,
    INTERNET,
    PROVIDER,
    ROOT,
    ROUTER,
    STATION,
    SWITCH,
    VALIDATOR,
    LabPlan,
    Node,
    plan_from_json,
)
from netorch.lab.processes import end, inhabitants
from netorch.lab.requirements import check_addresses, check_requirements
from netorch.lab.routers import station_files
from netorch.lab.settings import LabSettings, Report
from netorch.lab.speakers import internet_files, speaker_files
from netorch.lab.topology import plan_lab
from netorch.lab.validators import validator_files
from netorch.model.inventory import Inventory

LOCK_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class NodeStatus:
    """One node as it is now. ``kind`` is one of ``netorch.lab.plan``; ``address`` is "" where there is no sshd."""

    name: str
    kind: str
    netns: str
    address: str
    running: bool
    services: tuple[ServiceStatus, ...]


def lab_up(inventory: Inventory, settings: LabSettings, report: Report = lambda text: None) -> None:
    """Boot ``inventory``, or repair its lab: afterwards every node runs and every cable is plugged.

    Raises NetorchError when this machine lacks something, or carries a lab of another inventory; Locked when another
    command is at work.
    """
    check_requirements(inventory, settings)
    plan = plan_lab(inventory, prefix=settings.prefix, exabgp=settings.exabgp, binds=_python_folders())
    with lab_lock(settings, timeout_s=LOCK_TIMEOUT_S) as lock_fd:
        tools = Tools(lock_fd)
        before = _read_plan(settings)
        if before is not None and before.fingerprint != plan.fingerprint:
            raise NetorchError("a lab of another inventory is up", where=str(settings.run), hint="netorch lab down")
        check_addresses(tools.run(["ip", "-br", "-4", "addr"]), plan.bridge)
        _mount_files(settings, plan, tools)
        report("keys and secrets")
        _write_files(inventory, settings, plan, tools, report=report)
        network = Network(plan, tools)
        dead = [node for node in plan.nodes if Machine(node, settings).init is None]
        report(f"cables between {len(plan.nodes)} namespaces")
        if before is not None:
            end(inhabitants(node.netns for node in dead), clock=settings.clock)
            network.renew(dead)
        network.build()
        _boot(dead, settings, tools, report=report)


def lab_down(settings: LabSettings, report: Report = lambda text: None) -> None:
    """Take the lab down, whole or half made; nothing of it remains. Quiet when there is none."""
    with lab_lock(settings, timeout_s=LOCK_TIMEOUT_S) as lock_fd:
        tools = Tools(lock_fd)
        plan = _read_plan(settings)
        if plan is not None:
            network = Network(plan, tools)
            report(f"ending {len(plan.nodes)} nodes")
            first = [init for node in plan.nodes if (init := Machine(node, settings).init)]
            end(first, clock=settings.clock)
            end(inhabitants(network.namespaces()), clock=settings.clock)
            report("removing namespaces and cables")
            network.remove()
            restore_netns_folder(settings.files / "netns", tools)
        remove_state(settings)
        if os.path.ismount(settings.files):
            tools.run(["umount", str(settings.files)])
        if settings.files.exists():
            shutil.rmtree(settings.files)


def lab_status(settings: LabSettings) -> tuple[NodeStatus, ...]:
    """Every node of the lab, () when none is up."""
    plan = _read_plan(settings)
    if plan is None:
        return ()
    machines = [Machine(node, settings) for node in plan.nodes]
    return tuple(
        NodeStatus(m.node.name, m.node.kind, m.node.netns, m.node.address, m.init is not None, m.services())
        for m in machines
    )


def enter_command(node: str, argv: Sequence[str], settings: LabSettings) -> tuple[str, ...]:
    """The command line that runs ``argv`` inside ``node``, for a caller that wants its own terminal on it."""
    return (*_machine(node, settings).enter(), *argv)


def exec_in(
    node: str, argv: Sequence[str], settings: LabSettings, *, stdin: bytes = b"", timeout_s: float = 30.0
) -> subprocess.CompletedProcess[bytes]:
    """Run ``argv`` inside ``node``, with its files, processes and network. TimedOut after ``timeout_s``."""
    with subprocess.Popen(
        enter_command(node, argv, settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as exc:
            os.killpg(
                process.pid, signal.SIGKILL
            )  # nsenter waits for a child of its own, in the node's process namespace
            raise TimedOut(f"'{' '.join(argv)}' did not end within {timeout_s:g} s", where=node) from exc
    return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)


def log_files(node: str, settings: LabSettings) -> tuple[Path, ...]:
    """The logs of ``node``, readable from outside."""
    return _machine(node, settings).log_files()


def stop_node(node: str, settings: LabSettings, *, keeps_carrier: bool = True) -> None:
    """Cut the node's power: its processes end at once, its kernel state is lost with the next start.

    Until then its kernel goes on forwarding, as that of a switch whose control plane died. Without ``keeps_carrier`` its
    interfaces go down too, and its neighbours lose the carrier.
    """
    with _working(settings) as tools:
        machine = _machine(node, settings)
        machine.stop()
        if not keeps_carrier:
            ends = _plan(settings).ends(node)
            tools.ip_batch([f"link set dev {end.interface} down" for end in ends], netns=machine.node.netns)


def start_node(node: str, settings: LabSettings) -> None:
    """Start a stopped node with the files that it had; its network is as after a boot."""
    with _working(settings) as tools:
        machine = _machine(node, settings)
        if machine.init is None:
            end(inhabitants([machine.node.netns]), clock=settings.clock)
            network = Network(_plan(settings), tools)
            network.renew([machine.node])
            network.build()
            machine.boot(tools)
            machine.wait_until_up()


def restart_node(node: str, settings: LabSettings) -> None:
    """Stop and start: a reboot without warning."""
    stop_node(node, settings)
    start_node(node, settings)


def set_service(node: str, service: str, settings: LabSettings, *, running: bool) -> None:
    """Stop a daemon of ``node`` and keep it down, or start it again."""
    _machine(node, settings).set_service(service, running=running)


def set_link(node: str, interface: str, settings: LabSettings, *, connected: bool) -> None:
    """Pull the cable in ``node``'s ``interface``, or plug it in again.

    A veth end goes down as if by hand, and only the other loses its carrier as on a cut cable. So it is the lab's own end that
    goes down (the provider's, a station's, the machine's), between a host and a switch the switch's, whose port has no address to
    lose, and between two routers the first one's.
    """
    plan, machine = _plan(settings), _machine(node, settings)
    cable = next((c for c in plan.cables for e in (c.a, c.b) if (e.node, e.interface) == (node, interface)), None)
    if cable is None:
        names = ", ".join(each.interface for each in plan.ends(machine.node.name))
        raise NetorchError(f"has no cable in '{interface}'", where=node, hint=f"one of {names}")
    order = [
        ROOT,
        *(
            each.name
            for kind in (INTERNET, PROVIDER, STATION, VALIDATOR, SWITCH, HOST, ROUTER)
            for each in plan.nodes
            if each.kind == kind
        ),
    ]
    end_down = min((cable.a, cable.b), key=lambda each: order.index(each.node))
    netns, setup = "", plan.root_setup
    if end_down.node != ROOT:
        down = plan.node(end_down.node)
        netns, setup = down.netns, down.setup
    with _working(settings) as tools:
        line = f"link set dev {end_down.interface} {'up' if connected else 'down'}"
        # Addresses and routes went with the link. What sets up other links would plug in cables that are pulled.
        again = [each for each in setup if not each.endswith(" up") or end_down.interface in each.split()]
        if connected and end_down.node == ROOT:  # who asked for the device last would still be told that nobody answers
            again += [f"neigh flush dev {plan.bridge} nud {state}" for state in ("incomplete", "failed")]
        tools.ip_batch([line, *again] if connected else [line], netns=netns)


def set_mac(node: str, interface: str, mac: str, settings: LabSettings) -> None:
    """Change an interface's MAC address, as when a provider swaps its router."""
    with _working(settings) as tools:
        tools.ip_batch([f"link set dev {interface} address {mac}"], netns=_machine(node, settings).node.netns)


@contextmanager
def _working(settings: LabSettings) -> Iterator[Tools]:
    with lab_lock(settings, timeout_s=LOCK_TIMEOUT_S) as lock_fd:
        yield Tools(lock_fd)


def _read_plan(settings: LabSettings) -> Optional[LabPlan]:
    try:
        return plan_from_json(settings.plan_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _plan(settings: LabSettings) -> LabPlan:
    plan = _read_plan(settings)
    if plan is None:
        raise NetorchError("no lab is up", where=str(settings.run), hint="netorch lab up")
    return plan


def _machine(node: str, settings: LabSettings) -> Machine:
    plan = _plan(settings)
    try:
        return Machine(plan.node(node), settings)
    except KeyError:
        names = ", ".join(each.name for each in plan.nodes)
        raise NetorchError("the lab has no such node", where=node, hint=f"one of {names}") from None


def _python_folders() -> tuple[str, ...]:
    """Where this Python and its packages are, for programs of its environment that run in a node."""
    return tuple(sorted({folder for folder in (sys.prefix, sys.base_prefix) if folder not in ("/", "/usr")}))


def _mount_files(settings: LabSettings, plan: LabPlan, tools: Tools) -> None:
    settings.files.mkdir(mode=0o755, exist_ok=True)
    if not os.path.ismount(settings.files):
        tools.run(["mount", "-t", "tmpfs", "-o", "mode=755", "netorch-lab", str(settings.files)])
    if not settings.plan_file.exists():
        new = settings.plan_file.with_suffix(".new")
        new.write_text(plan.to_json(), encoding="utf-8")
        new.replace(settings.plan_file)
    note_netns_folder(settings.files / "netns")


def _write_files(inventory: Inventory, settings: LabSettings, plan: LabPlan, tools: Tools, *, report: Report) -> None:
    """Keys and secrets, and the files of nodes that have none yet."""
    public = make_identity(settings, tools)
    passwords = make_passwords(inventory, settings)
    new = [node for node in plan.nodes if not (settings.node_folder(node.name) / "complete").exists()]
    for node in new:
        folder = settings.node_folder(node.name)
        if folder.exists():
            shutil.rmtree(folder)  # left half made by a command that was killed
        folder.mkdir(parents=True)
        if node.kind == PROVIDER:
            report(f"{node.name}: what it announces")
        root = settings.root_of(node.rootfs)
        extra = _extra_files(inventory, node, passwords=passwords, public=public, folder=folder, root=root, tools=tools)
        write_node(folder, plan, node, root=root, extra=extra)
        (folder / "complete").touch()
    host_keys = [
        (node.address, (settings.node_folder(node.name) / "host_key.pub").read_text(encoding="ascii"))
        for node in plan.nodes
        if node.address
    ]
    write_known_hosts(settings, host_keys)


def _extra_files(
    inventory: Inventory,
    node: Node,
    *,
    passwords: dict[int, str],
    public: str,
    folder: Path,
    root: Path,
    tools: Tools,
) -> Mapping[str, str]:
    if node.kind == INTERNET:
        return internet_files(inventory)
    if node.kind == STATION:
        return station_files(inventory)
    if node.kind == VALIDATOR:
        return validator_files(inventory, node.name)
    if node.kind == PROVIDER:
        return speaker_files(inventory, inventory.provider(node.name), passwords)
    key = folder / "host_key"
    tools.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", node.name, "-f", str(key)])
    return sshd_files(
        node,
        root=root,
        host_key=key.read_text(encoding="ascii"),
        host_key_public=key.with_suffix(".pub").read_text(encoding="ascii"),
        authorized_key=public,
    )


def _boot(nodes: Sequence[Node], settings: LabSettings, tools: Tools, *, report: Report) -> None:
    if not nodes:
        report("every node runs")
        return

    def boot(node: Node) -> None:
        machine = Machine(node, settings)
        machine.boot(tools)
        machine.wait_until_up()
        report(f"{node.name} is up")

    report(f"starting {len(nodes)} nodes")
    at_once(boot, nodes)
