"""Take samples of FRR's answers: ``./dev sandbox .venv/bin/python -m tests.parse.scenario.capture_frr ROOTFS FOLDER``.

As ``capture_bird``, with the same neighbours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.parse.scenario import network
from tests.parse.scenario.network import HERE, chroot, run
from tests.waiting import wait_until

DAEMONS = ("zebra", "mgmtd", "staticd", "bgpd", "bfdd", "ospfd", "ripd")
COMMANDS = {
    "version": "show version",
    "bgp_summary": "show bgp summary json",
    "bgp_neighbors": "show bgp neighbors json",
    "bgp_neighbors_v4": "show bgp ipv4 neighbors json",
    "bgp_incomplete": "show bgp ipv4 unicast neighbors json",
    "bgp_neighbor": "show bgp neighbors 10.1.0.2 json",
    "bgp_neighbor_unknown": "show bgp neighbors 10.99.0.2 json",
    "bgp_routes_v4": "show bgp ipv4 unicast json",
    "bgp_routes_v6": "show bgp ipv6 unicast json",
    "bgp_routes_detail_v4": "show bgp ipv4 unicast detail json",
    "bgp_prefix_internal": "show bgp ipv4 unicast 10.150.0.0/24 json",
    "bgp_prefix": "show bgp ipv4 unicast 10.100.0.0/24 json",
    "bgp_prefix_none": "show bgp ipv4 unicast 99.0.0.0/8 json",
    "ip_route": "show ip route json",
    "ipv6_route": "show ipv6 route json",
    "ip_route_prefix": "show ip route 10.100.0.0/24 json",
    "bfd_peers": "show bfd peers json",
    "interfaces": "show interface json",
    "unknown": "show bgp nonsense json",
}


class Taker:
    """Asks the router, and writes down what it says."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def ask(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        argv = [*chroot(self.root, "/usr/bin/vtysh"), *words]
        return subprocess.run(argv, stdout=subprocess.PIPE, timeout=60, check=False).stdout.decode()

    def take(self, name: str, command: str) -> None:
        (self.folder / f"{name}.raw").write_text(self.ask(command))
        (self.folder / f"{name}.json").write_text(json.dumps({"command": command}))

    def neighbour(self, address: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.ask("show bgp neighbors json")).get(address, {}))
        except ValueError:
            return {}

    def wait(self, address: str, condition: Callable[[dict[str, Any]], bool], what: str) -> None:
        try:
            wait_until(lambda: condition(self.neighbour(address)), what=f"{address}: {what}", timeout_s=40)
        except AssertionError:
            sys.stderr.write(f"{address}: not {what}: {self.neighbour(address).get('bgpState')}\n")

    def wait_for_state(self, address: str, state: str) -> None:
        self.wait(address, lambda found: found.get("bgpState") == state, state)


def settle(taker: Taker) -> None:
    """Until every session is in the state that it is there to show."""
    for subnet in (1, 3, 12, 13, 16, 20, 21, 22, 18):
        taker.wait_for_state(f"10.{subnet}.0.2", "Established")
    taker.wait_for_state("fd00:1::2", "Established")
    network.close_from_afar()
    message = "maintenance of the fibre until 18:00; ticket 4711"
    taker.ask("configure terminal", "router bgp 65000", f"neighbor 10.12.0.2 shutdown message {message}")
    taker.wait("10.13.0.2", lambda found: "Shutdown" in str(found.get("lastNotificationReason")), "closed there")
    taker.wait("10.5.0.2", lambda found: "AS" in str(found.get("lastNotificationReason")), "bad AS")
    taker.wait("10.6.0.2", lambda found: "AS" in str(found.get("lastNotificationReason")), "told bad AS")
    taker.wait_for_state("10.8.0.2", "Connect")
    taker.wait_for_state("10.9.0.2", "OpenSent")
    taker.wait_for_state("10.10.0.2", "OpenConfirm")
    wait_until(lambda: '"up"' in taker.ask("show bfd peers json"), what="bfd", timeout_s=60.0)
    taker.wait_for_state("10.1.0.2", "Established")


def start_router(root: Path) -> None:
    (root / "etc/frr/frr.conf").write_text((HERE / "router.frr.conf").read_text())
    run(*chroot(root, "/bin/sh", "-c", "mkdir -p /run/frr /var/tmp/frr; chown frr:frr /run/frr /var/tmp/frr"))
    run(*chroot(root, "/bin/sh", "-c", "chown -R frr:frr /etc/frr"))
    for daemon in DAEMONS:
        if (root / "usr/lib/frr" / daemon).exists():
            network.start(network.ROUTER, "chroot", str(root), f"/usr/lib/frr/{daemon}", "-F", "traditional")
            wait_until((root / f"run/frr/{daemon}.vty").exists, what=daemon, timeout_s=60.0)
    run(*chroot(root, "/usr/bin/vtysh", "-b"))


def main() -> None:
    rootfs, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    network.make_network()
    root = network.make_root(rootfs)
    restarting = network.start_neighbours()
    start_router(root)
    taker = Taker(root, folder)
    settle(taker)
    for name, command in COMMANDS.items():
        taker.take(name, command)
    restarting.kill()
    restarting.wait()
    taker.wait("10.20.0.2", lambda found: found.get("bgpState") != "Established", "neighbour lost")
    taker.take("bgp_neighbor_stale", "show bgp neighbors 10.20.0.2 json")
    taker.take("bgp_prefix_stale", "show bgp ipv4 unicast 10.120.0.0/24 json")
    run("chown", "-R", "--reference", str(folder.parent), str(folder))


if __name__ == "__main__":
    main()
