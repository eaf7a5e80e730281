"""A router and its neighbours in namespaces of their own, for taking samples of what a daemon prints.

To be run in ``./dev sandbox``: nothing here cleans up.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
WORK = Path("/run/netorch-samples")
ROUTER, NEIGHBOURS, SPEAKERS, RESTARTING = "router", "neighbours", "speakers", "restarting"
# Cables by the number of the subnets that they carry, 10.N.0.0/24: the router is .1, the other end .2.
CABLES = {
    "v0": (NEIGHBOURS, (1, 2, 3, 4, 5, 6, 8, 11, 12, 13, 15, 16, 18, 21, 22)),
    "v2": (RESTARTING, (20,)),
    "v4": (SPEAKERS, (7, 9, 10, 14)),
}
WITHOUT_NEIGHBOUR = (8,)


def run(*argv: str, stdin: str = "") -> str:
    """Standard output; the program must succeed."""
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout


def inside(netns: str, *argv: str) -> tuple[str, ...]:
    """The words that run ``argv`` in a namespace."""
    return ("ip", "netns", "exec", netns, *argv)


def start(netns: str, *argv: str) -> subprocess.Popen[bytes]:
    """A daemon in the foreground."""
    return subprocess.Popen(inside(netns, *argv), stdout=subprocess.DEVNULL, stderr=sys.stderr)


def make_network() -> None:
    """Namespaces, cables, addresses, and odd interfaces of the router."""
    WORK.mkdir(parents=True)
    for name in (ROUTER, NEIGHBOURS, SPEAKERS, RESTARTING):
        run("ip", "netns", "add", name)
        run(*inside(name, "sysctl", "-q", "-w", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"))
        run(*inside(name, "ip", "link", "set", "lo", "up"))
    for interface, (other, subnets) in CABLES.items():
        run("ip", "link", "add", interface, "netns", ROUTER, "type", "veth", "peer", "name", interface, "netns", other)
        for netns, last in ((ROUTER, 1), (other, 2)):
            run(*inside(netns, "ip", "link", "set", interface, "up"))
            for subnet in subnets:
                if last == 1 or subnet not in WITHOUT_NEIGHBOUR:
                    run(*inside(netns, "ip", "addr", "add", f"10.{subnet}.0.{last}/24", "dev", interface))
            if interface == "v0":
                run(*inside(netns, "ip", "addr", "add", f"fd00:1::{last}/64", "dev", interface, "nodad"))
                run(*inside(netns, "ip", "addr", "add", f"fe80::{last}/64", "dev", interface, "nodad"))
    odd = """link add dum0 type bridge
link set dum0 up
addr add 10.250.0.1/32 dev dum0
link add dumdown type bridge
addr add 10.119.0.1/24 dev dumdown
link add br0 type bridge
link set br0 up
link add port1 type veth peer name port2
link set port1 master br0
neigh add 10.8.0.2 lladdr 02:00:00:00:00:99 dev v0 nud permanent
link add ptp0 type bridge
link set ptp0 up
addr add 10.251.0.1 peer 10.251.0.2 dev ptp0
"""
    run(*inside(ROUTER, "ip", "-batch", "-"), stdin=odd)
    run(
        *inside(NEIGHBOURS, "ip", "-batch", "-"),
        stdin="link add dum0 type bridge\nlink set dum0 up\naddr add 10.252.0.1/32 dev dum0\n",
    )


def start_neighbours() -> subprocess.Popen[bytes]:
    """Everybody but the router; returns the process of the neighbour that tests of restarts kill."""
    long = " ".join(
        f"bgp_community.add((65001, {n})); bgp_large_community.add((65001, {n}, {n}));" for n in range(1, 61)
    )
    text = (HERE / "neighbours.bird.conf").read_text().replace("LONG", long)
    (WORK / "neighbours.conf").write_text(text)
    start(NEIGHBOURS, "/usr/sbin/bird", "-f", "-c", str(WORK / "neighbours.conf"), "-s", str(WORK / "neighbours.ctl"))
    start(
        SPEAKERS,
        sys.executable,
        str(HERE / "speakers.py"),
        *("10.9.0.2", "65009", "silent"),
        *("10.10.0.2", "65010", "open"),
        *("10.14.0.2", "65014", "expire"),
    )
    return start_restarting()


def start_restarting() -> subprocess.Popen[bytes]:
    """The neighbour that gets killed."""
    configuration = str(HERE / "restarting.bird.conf")
    return start(RESTARTING, "/usr/sbin/bird", "-f", "-c", configuration, "-s", str(WORK / "restarting.ctl"))


def close_from_afar() -> None:
    """The neighbour closes one session, with a message."""
    line = 'disable closed13 "router upgrade, back at 04:00"'
    run("/usr/sbin/birdc", "-s", str(WORK / "neighbours.ctl"), line)


def make_root(rootfs: str) -> Path:
    """A root to chroot into: an overlay over ``rootfs``."""
    run("mount", "-t", "tmpfs", "tmpfs", str(WORK))
    root, upper, work = (WORK / name for name in ("root", "upper", "work"))
    for folder in (root, upper, work):
        folder.mkdir()
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={rootfs},upperdir={upper},workdir={work}", str(root))
    run("mount", "-t", "proc", "proc", str(root / "proc"))
    run("mount", "--rbind", "/dev", str(root / "dev"))
    run("mount", "-t", "tmpfs", "tmpfs", str(root / "run"))
    return root


def ask_socket(path: Path, command: str) -> str:
    """All that BIRD's control socket says to a command, with its greeting."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(path))
        stream = control.makefile("rwb")
        text = stream.readline()
        stream.write(command.encode() + b"\n")
        stream.flush()
        while True:
            line = stream.readline()
            text += line
            if not line or (line[:4].isdigit() and line[4:5] == b" "):
                return text.decode()


def chroot(root: Path, *argv: str) -> Sequence[str]:
    """The words that run ``argv`` as the router."""
    return inside(ROUTER, "chroot", str(root), *argv)
