"""Take samples of a BIRD's answers: ``./dev sandbox .venv/bin/python -m tests.parse.scenario.capture_bird ROOTFS FOLDER``.

ROOTFS is ``/`` or one of those that ``./dev rootfs`` makes, FOLDER is below tests/parse/samples. ``python -m
tests.parse.samples`` writes the expectations afterwards, for people to check.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.parse.scenario import network
from tests.parse.scenario.network import HERE, chroot, run
from tests.waiting import wait_until

CONTROL = "/run/router.ctl"
PLAIN, SOCKET, VERBOSE = "", ".socket", ".verbose"
COMMANDS = {
    "protocols": ("show protocols", (PLAIN, SOCKET, VERBOSE)),
    "protocols_all": ("show protocols all", (PLAIN, SOCKET)),
    "protocols_all_one": ("show protocols all 'transit-one'", (PLAIN, SOCKET, VERBOSE)),
    "protocols_unknown": ("show protocols nope", (PLAIN, SOCKET)),
    "route_tables": ("show route table all", (PLAIN,)),
    "route_all": ("show route all table master6", (PLAIN, SOCKET, VERBOSE)),
    "route_all_prefix": ("show route for 10.100.0.1 all", (PLAIN, SOCKET, VERBOSE)),
    "route_all_long_communities": ("show route 10.100.6.0/24 all", (PLAIN,)),
    "route_all_static": ("show route all protocol statics", (PLAIN, SOCKET)),
    "route_all_igp": ("show route all protocol ospf_area0", (PLAIN,)),
    "route_all_rip": ("show route all protocol rip1", (PLAIN,)),
    "route_all_flow_roa": ("show route all protocol flows table all", (PLAIN,)),
    "route_all_roa": ("show route all table r4", (PLAIN,)),
    "route_filtered": ("show route all filtered table master4", (PLAIN,)),
    "route_none": ("show route protocol direct_down", (PLAIN, SOCKET, VERBOSE)),
    "route_not_found": ("show route for 99.0.0.1", (PLAIN, SOCKET)),
    "route_count": ("show route count", (PLAIN, SOCKET, VERBOSE)),
    "route_count_one": ("show route table master4 count", (PLAIN,)),
    "status": ("show status", (PLAIN, SOCKET)),
    "memory": ("show memory", (PLAIN, SOCKET)),
    "interfaces": ("show interfaces", (PLAIN, SOCKET, VERBOSE)),
    "interfaces_summary": ("show interfaces summary", (PLAIN, SOCKET, VERBOSE)),
    "bfd_sessions": ("show bfd sessions", (PLAIN, SOCKET)),
    "eval_string": ("eval NETORCH_STAMP", (PLAIN, SOCKET)),
    "eval_unknown": ("eval NOPE", (PLAIN, SOCKET)),
}
RECOVERING = {
    "protocols_iso_time": "show protocols",
    "protocols_all_recovering": "show protocols all",
    "route_iso_time": "show route",
    "status_recovering": "show status",
}


class Taker:
    """Asks the router, and writes down what it says."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def ask(self, command: str, form: str = PLAIN) -> str:
        if form == SOCKET:
            return network.ask_socket(Path(f"{self.root}{CONTROL}"), command)
        words = [command] if form == PLAIN else ["-v"]
        stdin = "" if form == PLAIN else f"{command}\neval 0\n"
        argv = [*chroot(self.root, "/usr/sbin/birdc"), "-s", CONTROL, *words]
        return subprocess.run(argv, input=stdin.encode(), capture_output=True, timeout=60, check=False).stdout.decode()

    def take(self, name: str, command: str, form: str = PLAIN) -> None:
        (self.folder / f"{name}{form}.raw").write_bytes(self.ask(command, form).encode())
        expected = self.folder / f"{name}{form}.json"
        expected.write_text(json.dumps({"command": command}))

    def state(self, name: str) -> str:
        lines = [line for line in self.ask("show protocols").splitlines() if line.startswith(f"{name} ")]
        return lines[0] if lines else ""

    def wait(self, name: str, text: str) -> None:
        try:
            wait_until(lambda: text in self.state(name), what=f"{name}: {text}", timeout_s=60.0)
        except AssertionError:
            sys.stderr.write(f"{name}: no {text}: {self.state(name)}\n")


def settle(taker: Taker) -> None:
    """Until every session is in the state that it is there to show."""
    for name in (
        "transit-one",
        "rr-client",
        "v6_linklocal",
        "multi",
        "second_path",
        "dyn_001",
        "restarting",
        "closed_here",
    ):
        taker.wait(name, "Established")
    taker.wait("closed_there", "Established")
    network.close_from_afar()
    taker.ask('disable closed_here "maintenance of the fibre until 18:00; ticket 4711"')
    taker.wait("closed_there", "Administrative shutdown")
    taker.wait("expired", "Hold timer expired")
    taker.wait("open_confirm", "OpenConfirm")
    taker.wait("connecting-to-nowhere-with-a-long-name", "Connect ")
    taker.wait("silent", "OpenSent")
    taker.wait("refused", "Connection refused")
    taker.wait("bad_as", "Bad peer AS")
    taker.wait("told_bad_as", "Received: Bad peer AS")
    taker.wait("limit_disable", "limit")
    taker.wait("ospf_area0", "Running")
    wait_until(lambda: "Up " in taker.ask("show bfd sessions"), what="bfd", timeout_s=60.0)
    wait_until(lambda: "rip1" in taker.ask("show route protocol rip1"), what="rip", timeout_s=60.0)


def start_router(root: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    configuration = f"/etc/bird/{name}.conf"
    bird = network.start(
        network.ROUTER, "chroot", str(root), "/usr/sbin/bird", "-f", "-c", configuration, "-s", CONTROL, *options
    )
    wait_until((root / CONTROL[1:]).exists, what="control socket", timeout_s=60.0)
    return bird


def main() -> None:
    rootfs, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    network.make_network()
    root = network.make_root(rootfs)
    (root / "etc/bird").mkdir(exist_ok=True)
    restarting = network.start_neighbours()
    for name in ("router", "recovering"):
        text = (HERE / f"{name}.bird.conf").read_text().replace("LONG", "a long one, " * 60)
        (root / f"etc/bird/{name}.conf").write_text(text)
    router = start_router(root, "router")
    taker = Taker(root, folder)
    settle(taker)
    for name, (command, forms) in COMMANDS.items():
        for form in forms:
            taker.take(name, command, form)
    restarting.kill()
    restarting.wait()
    wait_until(lambda: "Established" not in taker.state("restarting"), what="neighbour lost", timeout_s=60.0)
    taker.take("protocols_all_neighbor_stale", "show protocols all restarting")
    taker.take("route_all_stale", "show route all protocol restarting")
    network.start_restarting()
    taker.wait("restarting", "Established")
    taker.take("protocols_all_neighbor_back", "show protocols all restarting")
    router.kill()
    router.wait()
    (root / CONTROL[1:]).unlink()
    start_router(root, "recovering", "-R")
    taker.wait("up-gr", "Established")
    for name, command in RECOVERING.items():
        taker.take(name, command)
    run("chown", "-R", "--reference", str(folder.parent), str(folder))


if __name__ == "__main__":
    main()
