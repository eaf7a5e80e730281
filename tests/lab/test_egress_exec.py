"""``netorch exec`` and ``netorch.mark``: programs through one provider, proven where their packets come out."""

from __future__ import annotations

import os
import signal
import subprocess
from base64 import b64encode
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from netorch.model.types import Family
from tests.lab.capture import capture
from tests.lab.deployed_pop import PROVIDERS, behind_all, host_of, service
from tests.lab.egress_lab import ON_BIRD, ON_FRR, PEER, TRANSIT, macs_of, number_of, static_sender
from tests.lab.labs import ROOT
from tests.lab.quick_lab import QuickLab
from tests.lab.tiny_dns import name_server, resolving_by
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

WAYS = [(ON_BIRD, provider) for provider in PROVIDERS] + [(ON_FRR, provider) for provider in TRANSIT]

_HELPER = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from mark import connect
with connect((sys.argv[2], 80), via=sys.argv[3], timeout_s=20) as s:
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(s.makefile().read().split()[-1])
"""

_FORBIDDEN = """
import sys
sys.path.insert(0, sys.argv[1])
from mark import connect
try:
    connect((sys.argv[2], 80), via=sys.argv[3])
except PermissionError as error:
    print(error)
"""


@pytest.mark.parametrize(("host", "provider"), WAYS)
def test_curl_through_each_provider(egress: QuickLab, host: str, provider: str) -> None:
    """An HTTP server behind all providers is reached through the one that was asked for, in both families, which it says
    itself."""
    four, six = (behind_all(egress.lab.inventory, family) for family in Family)
    script = f"curl -sS --max-time 20 http://{four}/; curl -sS --max-time 20 http://[{six}]/"
    said = egress.project("exec", "--via", provider, "--on", host, "--", "sh", "-c", script)
    assert [line.split()[-1] for line in said.out.splitlines() if line] == [provider, provider]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_static_program(egress: QuickLab, provider: str, tmp_path: Path) -> None:
    """A program without any library, which nothing can be loaded into: its packet leaves to a router of the provider."""
    lab, address = egress.lab, behind_all(egress.lab.inventory, Family.IPV4)
    program = f"/tmp/sender-{provider}"
    encoded = b64encode(static_sender(IPv4Address(address), 9)).decode()
    lab.run(ON_BIRD, "sh", "-euc", f"base64 -d > {program}; chmod 755 {program}", stdin=encoded)
    uplinks = [uplink.interface for uplink in host_of(lab.inventory, ON_BIRD).uplinks]
    with (
        capture(ON_BIRD, uplinks[0], lab.settings, folder=tmp_path, only="udp port 9") as first,
        capture(ON_BIRD, uplinks[1], lab.settings, folder=tmp_path, only="udp port 9") as second,
    ):
        egress.project("exec", "--via", provider, "--on", ON_BIRD, "--", program)
    frames = [*first.frames, *second.frames]
    assert len(frames) == 1
    assert {frame.destination for frame in frames} <= macs_of(lab, provider)
    assert {str(frame.source_ip) for frame in frames} == {service(lab.inventory, ON_BIRD, Family.IPV4)}


_OWN_RESOLVER = """
import os, socket, sys
server, name = sys.argv[1:]
with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(20)
    s.connect((server, 53))
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    s.send(os.urandom(2) + b"\\1\\0\\0\\1" + bytes(6) + labels + b"\\0\\0\\1\\0\\1")
    print(socket.inet_ntoa(s.recv(512)[-4:]))
"""
"""As programs look names up that bring a resolver of their own, such as static ones: a UDP socket, connected to the server."""


@pytest.mark.parametrize(
    ("provider", "family"), [*zip(PROVIDERS, (Family.IPV4, Family.IPV6, Family.IPV4), strict=True)]
)
@pytest.mark.parametrize("resolver", ["of the C library", "of its own"])
def test_names_are_looked_up_through_the_provider(
    egress: QuickLab, provider: str, family: Family, resolver: str, tmp_path: Path
) -> None:
    """All questions to the name server leave for the provider's routers, whoever in the program asks them."""
    lab, name = egress.lab, "web.example.net"
    addresses = {one: behind_all(lab.inventory, one) for one in Family}
    uplinks = [uplink.interface for uplink in host_of(lab.inventory, ON_BIRD).uplinks]
    program = {
        "of the C library": ("curl", "-sS", "--max-time", "20", f"http://{name}/"),
        "of its own": ("python3", "-c", _OWN_RESOLVER, addresses[family], name),
    }[resolver]
    with (
        name_server(lab, addresses),
        resolving_by(lab, ON_BIRD, addresses[family]),
        capture(ON_BIRD, uplinks[0], lab.settings, folder=tmp_path, only="udp dst port 53") as first,
        capture(ON_BIRD, uplinks[1], lab.settings, folder=tmp_path, only="udp dst port 53") as second,
    ):
        said = egress.project("exec", "--via", provider, "--on", ON_BIRD, "--", *program)
    assert said.out.split()[-1] == {"of the C library": provider, "of its own": addresses[Family.IPV4]}[resolver]
    frames = [*first.frames, *second.frames]
    assert frames
    assert {frame.destination for frame in frames} <= macs_of(lab, provider)


def test_streams_and_status_go_through(egress: QuickLab) -> None:
    """Standard input, output, error and exit status are the program's; what it starts is marked too."""
    script = (
        "cat; echo wrong >&2; python3 -c 'import socket as s;"
        " print(*(s.socket(f, k).getsockopt(1, 36) for f in (s.AF_INET, s.AF_INET6) for k in (s.SOCK_STREAM, s.SOCK_DGRAM)))'"
        "; exit 7"
    )
    process = egress.project.start(
        "exec", "--via", "southnet", "--on", ON_BIRD, "--", "sh", "-c", script, stdin=subprocess.PIPE
    )
    out, err = process.communicate("one\ntwo\n" + "x" * 300_000 + "\n", timeout=60)
    lines = out.splitlines()
    assert (lines[:2], len(lines[2])) == (["one", "two"], 300_000)
    assert lines[3].split() == [str(number_of(egress.lab, "southnet"))] * 4
    assert (err.splitlines()[-1], process.returncode) == ("wrong", 7)


def test_interrupt_reaches_the_program(egress: QuickLab) -> None:
    """Ctrl-C is the program's to answer: ping tells its statistics and ends."""
    address = behind_all(egress.lab.inventory, Family.IPV4)
    argv = ("exec", "--via", "northtel", "--on", ON_BIRD, "--", "ping", "-n", "-i", "0.2", address)
    with egress.project.running(*argv) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("PING")
        assert "bytes from" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert "packets transmitted" in out
    assert process.returncode == 0


def marked(quick: QuickLab, host: str, word: str) -> int:
    """How many processes of ``host`` were started with ``word``, those that look for it left out."""
    return int(quick.lab.sh(host, f"pgrep -fc '^sleep {word}$' || true").strip() or 0)


@pytest.mark.parametrize("victim", ["controller", "agent"])
def test_nothing_stays_behind(egress: QuickLab, victim: str) -> None:
    """Killed without a chance to clean up, on either side: the program, what it started and its control group are gone."""
    lab, word = egress.lab, {"controller": "7771", "agent": "7772"}[victim]
    argv = ("exec", "--via", "northtel", "--on", ON_BIRD, "--", "sh", "-c", f"setsid sleep {word} & sleep {word}")
    with egress.project.running(*argv) as process:
        wait_until(lambda: marked(egress, ON_BIRD, word) == 2, what="it runs")
        if victim == "controller":
            os.kill(process.pid, signal.SIGKILL)
        else:
            lab.sh(ON_BIRD, "kill -9 $(pgrep -f 'python3 -I -S .* exec$' | head -1)")
        process.wait(timeout=30)
        wait_until(lambda: marked(egress, ON_BIRD, word) == 0, what="nothing of it runs")
    wait_until(lambda: groups(egress, ON_BIRD) == [], what="its control group is gone")


def groups(quick: QuickLab, host: str) -> list[str]:
    """The control groups of programs that run on ``host``; other machines on the same kernel may have some as well."""
    script = (
        "mkdir -p /tmp/groups; mount -t cgroup2 none /tmp/groups; own=$(readlink /proc/self/ns/pid | tr -dc 0-9);"
        " ls -d /tmp/groups/netorch-exec/$own-*/ 2>/dev/null || true"
    )
    return quick.lab.run(host, "unshare", "--mount", "sh", "-c", script).split()


_FOREIGN = """
folder=$(mktemp -d); mount -t cgroup2 none $folder
mkdir -p $folder/netorch-exec/$1; echo $$ > $folder/netorch-exec/$1/cgroup.procs
echo ready; read -r _
echo $$ > $folder/cgroup.procs; rmdir $folder/netorch-exec/$1; echo alive
"""


def test_groups_of_other_machines_are_left_alone(egress: QuickLab) -> None:
    """A process that the host cannot see, in a group of a maker that it cannot see: control groups are the kernel's. Neither
    that process nor the program itself comes to harm."""
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _FOREIGN, "sh", f"1-2-{os.getpid()}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert egress.project("exec", "--via", "northtel", "--on", ON_BIRD, "--", "echo", "done").out == "done\n"
        assert process.communicate("\n", timeout=30)[0] == "alive\n"


def test_programs_on_two_hosts_at_once(egress: QuickLab) -> None:
    """Both run while the other begins, and while a third begins and ends: nobody's end is another's."""
    project, lab = egress.project, egress.lab
    script = "rm -f /tmp/go; mkfifo /tmp/go; echo begun; cat /tmp/go"
    started = [("exec", "--via", "northtel", "--on", host, "--", "sh", "-c", script) for host in (ON_BIRD, ON_FRR)]
    with project.running(*started[0]) as first, project.running(*started[1]) as second:
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
        for host in (ON_BIRD, ON_FRR):
            assert project("exec", "--via", "northtel", "--on", host, "--", "echo", "done").out == "done\n"
        for host, process in ((ON_BIRD, first), (ON_FRR, second)):
            lab.sh(host, "echo released > /tmp/go")
            out, _ = process.communicate(timeout=30)
            assert (out, process.returncode) == ("released\n", 0)


def test_no_such_program(egress: QuickLab) -> None:
    """As a shell says it: 127."""
    said = egress.project("exec", "--via", "northtel", "--on", ON_FRR, "--", "no-such-program", code=127)
    assert said.err.endswith("no-such-program: command not found\n")


def test_provider_without_a_table(egress: QuickLab) -> None:
    """A peer has no table on a host with FRR: the program is not started, since its packets would leave by others."""
    said = egress.project("exec", "--via", PEER, "--on", ON_FRR, "--", "touch", "/tmp/started", code=1)
    assert f"{PEER}'s table 1003 has no routes" in said.err
    egress.lab.run(ON_FRR, "test", "!", "-e", "/tmp/started")


def with_helper(egress: QuickLab) -> str:
    """The folder of a program on the host, with the helper copied beside it, as docs/marks.md allows."""
    text = (ROOT / "netorch" / "mark.py").read_text(encoding="utf-8")
    egress.lab.run(ON_BIRD, "sh", "-c", "mkdir -p /srv/program && cat > /srv/program/mark.py", stdin=text)
    return "/srv/program"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_socket_helper(egress: QuickLab, provider: str) -> None:
    """A program's own socket, by the provider's name, from the file that netorch writes."""
    for family in Family:
        address = behind_all(egress.lab.inventory, family)
        entered = egress.lab.run(ON_BIRD, "python3", "-c", _HELPER, with_helper(egress), address, provider)
        assert entered.strip() == provider


def test_socket_helper_without_the_right(egress: QuickLab) -> None:
    """Without CAP_NET_ADMIN and CAP_NET_RAW it is told what is missing."""
    address = behind_all(egress.lab.inventory, Family.IPV4)
    dropped = (
        "--bounding-set=-net_admin,-net_raw",
        "--inh-caps=-net_admin,-net_raw",
        "--reuid=65534",
        "--clear-groups",
    )
    argv = ("python3", "-c", _FORBIDDEN, with_helper(egress), address, "northtel")
    assert "CAP_NET_ADMIN" in egress.lab.run(ON_BIRD, "setpriv", *dropped, *argv)
