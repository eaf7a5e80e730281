"""The daemons that are measured, each in a network namespace of its own, watched until they have nothing left to do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.policy.network import LOCAL, NEIGHBOR, PROVIDER, SESSION, VALIDATOR_PORT, listed, origin_of
from netorch.io.clock import SystemClock
from netorch.lab.speakers import bird_routes
from netorch.lab.validators import PROGRAM, roas_text
from netorch.model.inventory import Inventory
from netorch.model.lab import LabValidator
from netorch.model.types import Family

SAMPLE_S = 0.05
IDLE_SAMPLES = 20
LIMIT_S = 240.0
TICKS = os.sysconf("SC_CLK_TCK")
CLOCK = SystemClock()
SENDER, RECEIVER = "sender", "receiver"

_ORIGIN = re.compile(r"\{bgp_path\.prepend\((\d+)\)")
_ENTRIES = re.compile(r"(\d+) of \d+ routes for")
_ACCEPTS_ALL = re.compile(r"import filter \w+;\n(?:.*(?:keep filtered|receive limit|import limit).*\n)*")
_FRR_LINES = re.compile(rf" +neighbor {NEIGHBOR} (?:route-map \S+ in|soft-reconfiguration .*|maximum-prefix .*)\n")


@dataclass(frozen=True)
class Process:
    """A program that runs."""

    pid: int

    def cpu_s(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self) -> int:
        """Resident memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def make_network() -> None:
    """The two namespaces, joined by one cable."""
    for line in (
        f"ip netns add {SENDER}",
        f"ip netns add {RECEIVER}",
        f"ip link add br0 netns {RECEIVER} type veth peer name eth0 netns {SENDER}",
        f"ip -n {RECEIVER} link set lo up",
        f"ip -n {SENDER} link set lo up",
        f"ip -n {RECEIVER} link set br0 up",
        f"ip -n {SENDER} link set eth0 up",
        f"ip -n {RECEIVER} addr add {LOCAL}/30 dev br0",
        f"ip -n {SENDER} addr add {NEIGHBOR}/30 dev eth0",
    ):
        subprocess.run(line.split(), check=True)


def plug(*, is_in: bool) -> None:
    """Plug the cable in, or pull it."""
    subprocess.run(["ip", "-n", SENDER, "link", "set", "eth0", "up" if is_in else "down"], check=True)


@contextlib.contextmanager
def validator(inventory: Inventory, folder: Path) -> Iterator[int]:
    """A validator beside the receiver, for the time of the block; the number of its entries."""
    roas = tuple(listed(inventory))
    path = folder / "roas.json"
    path.write_text(roas_text(LabValidator("rpki1", roas)), encoding="ascii")
    options = ("-checktime=false", "-metrics.addr", "", "-loglevel", "warning")
    with started(RECEIVER, PROGRAM, "-bind", f"{LOCAL}:{VALIDATOR_PORT}", "-cache", str(path), *options):
        yield len(roas)


@contextlib.contextmanager
def sender(inventory: Inventory, folder: Path, *, few_origins: bool = False) -> Iterator[None]:
    """The provider, with all that it announces, ready to; ``few_origins``: all of it originated by a few."""
    provider = inventory.provider(PROVIDER)
    routes = bird_routes(inventory, PROVIDER, Family.IPV4)
    if few_origins:
        routes = _ORIGIN.sub(lambda found: f"{{bgp_path.prepend({origin_of(int(found[1]))})", routes)
    text = f"""router id {NEIGHBOR};
protocol device {{}}
protocol static {{
    ipv4 {{ table announced; }};
{routes}}}
protocol bgp switch {{
    local {NEIGHBOR} as {provider.asn};
    neighbor {LOCAL} as {inventory.asn};
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 1;
    ipv4 {{ table announced; import none; export all; next hop self; }};
}}
"""
    path = folder / "sender.conf"
    path.write_text("ipv4 table announced;\n" + text, encoding="ascii")
    with started(SENDER, "bird", "-f", "-c", str(path), "-s", str(folder / "sender.ctl")) as process:
        wait_until_idle(process, folder / "sender.ctl", "")
        yield


@contextlib.contextmanager
def started(netns: str, *command: str) -> Iterator[Process]:
    """A program in a namespace, for the time of the block."""
    with subprocess.Popen(
        ["ip", "netns", "exec", netns, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            yield Process(running.pid)
        finally:
            running.terminate()
            running.wait(30)


def bird_accepting_all(text: str) -> str:
    """The same configuration, in which the provider's routes pass no filter and no limit."""
    changed, count = _ACCEPTS_ALL.subn("import all;\n", text, count=1)
    assert count == 1
    return changed


def frr_accepting_all(text: str) -> str:
    """As ``bird_accepting_all``."""
    changed, count = _FRR_LINES.subn("", text)
    assert count == 3
    return changed.replace("router bgp 64500\n", "router bgp 64500\n no bgp ebgp-requires-policy\n")


@dataclass(frozen=True)
class Load:
    """What taking the table in took: seconds from the session's begin until the daemon had nothing left to do, and all of the
    daemon's processor time, less that for the validator's list. ``list_bytes`` is resident memory before the session, with that
    list; 0 where there is none."""

    seconds: float
    cpu_s: float
    rss_bytes: int
    accepted: int
    refused: int
    list_bytes: int = 0


def _take_list(process: Process, has_list: Callable[[], bool]) -> tuple[float, int]:
    """Let the daemon take the validator's list in, then plug the cable in: processor time and memory until then."""
    begun = CLOCK.monotonic()
    while not has_list():
        assert CLOCK.monotonic() - begun < LIMIT_S, "no list"
        CLOCK.wait(SAMPLE_S)
    _busy(process)
    spent = process.cpu_s(), process.rss_bytes()
    plug(is_in=True)
    return spent


def load_bird(text: str, folder: Path, *, entries: int = 0) -> Load:
    """BIRD takes the table in with the configuration ``text``, once it has as many ``entries`` of a validator."""
    plug(is_in=not entries)
    path, control = folder / "receiver.conf", folder / "receiver.ctl"
    path.write_text(text, encoding="utf-8")
    with started(RECEIVER, "bird", "-f", "-c", str(path), "-s", str(control)) as process:
        spent, list_bytes = _take_list(process, lambda: _entries(control) >= entries) if entries else (0.0, 0)
        seconds = wait_until_idle(process, control, SESSION)
        said = subprocess.run(
            ["birdc", "-s", str(control), "show", "protocols", "all", SESSION],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        counts = re.search(r"Routes: +(\d+) imported,(?: (\d+) filtered,)?", said)
        assert counts is not None, said
        cpu_s = process.cpu_s() - spent
        return Load(seconds, cpu_s, process.rss_bytes(), int(counts[1]), int(counts[2] or 0), list_bytes)


def _entries(control: Path) -> int:
    said = subprocess.run(
        ["birdc", "-s", str(control), "show", "route", "table", "validated_ipv4", "count"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = _ENTRIES.search(said)
    return int(found[1]) if found else 0


def wait_until_idle(process: Process, control: Path, session: str) -> float:
    """Seconds from the moment that ``session`` is up ("": from now) until the daemon stays idle."""
    begun = CLOCK.monotonic()
    while session and not _is_up(control, session):
        assert CLOCK.monotonic() - begun < LIMIT_S, "no session"
        CLOCK.wait(SAMPLE_S)
    return _busy(process)


def _is_up(control: Path, session: str) -> bool:
    said = subprocess.run(
        ["birdc", "-s", str(control), "show", "protocols", session], capture_output=True, text=True, check=False
    )
    return "Established" in said.stdout


def _busy(process: Process) -> float:
    start = CLOCK.monotonic()
    last, ended, idle = process.cpu_s(), start, 0
    while idle < IDLE_SAMPLES:
        assert CLOCK.monotonic() - start < LIMIT_S, "it is never idle"
        CLOCK.wait(SAMPLE_S)
        now = process.cpu_s()
        idle = idle + 1 if now == last else 0
        ended = CLOCK.monotonic() if now != last else ended
        last = now
    return ended - start


def load_frr(text: str, folder: Path, *, entries: int = 0) -> Load:
    """bgpd takes the table in, with zebra beside it, with the configuration ``text``; as ``load_bird``."""
    plug(is_in=not entries)
    sockets = folder / "frr"
    folder.chmod(0o755)
    sockets.mkdir(exist_ok=True)
    shutil.chown(sockets, "frr", "frr")
    path = folder / "frr.conf"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    common = (
        "-A",
        "127.0.0.1",
        "--vty_socket",
        str(sockets),
        "-z",
        str(sockets / "zserv.api"),
    )
    with (
        started(RECEIVER, "/usr/lib/frr/zebra", *common, "-i", str(sockets / "zebra.pid")),
        started(
            RECEIVER,
            "/usr/lib/frr/bgpd",
            *common,
            *(("-M", "rpki") if entries else ()),
            *("-i", str(sockets / "bgpd.pid")),
        ) as process,
    ):
        begun = CLOCK.monotonic()
        while _vtysh(sockets, "show version", "-d", "bgpd").returncode:
            assert CLOCK.monotonic() - begun < LIMIT_S, "bgpd does not answer"
            CLOCK.wait(SAMPLE_S)
        subprocess.run(
            ["vtysh", "--vty_socket", str(sockets), "-f", str(path)], check=False, capture_output=True, timeout=60
        )
        spent, list_bytes = _take_list(process, lambda: _has_list(sockets)) if entries else (0.0, 0)
        begun = CLOCK.monotonic()
        while _neighbor(sockets).get("bgpState") != "Established":
            assert CLOCK.monotonic() - begun < LIMIT_S, "no session"
            CLOCK.wait(SAMPLE_S)
        seconds = _busy(process)
        family = _neighbor(sockets)["addressFamilyInfo"]["ipv4Unicast"]
        cpu_s, rss_bytes = process.cpu_s() - spent, process.rss_bytes()
        return Load(seconds, cpu_s, rss_bytes, int(family["acceptedPrefixCounter"]), 0, list_bytes)


def _has_list(sockets: Path) -> bool:
    """Whether bgpd judges by the validator's list; it does not ask for it by itself."""
    _vtysh(sockets, "rpki start", "-d", "bgpd")
    return "connected" in _vtysh(sockets, "show rpki cache-connection json", "-d", "bgpd").stdout


def _vtysh(sockets: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    argv = ["vtysh", "--vty_socket", str(sockets), *options, "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def _neighbor(sockets: Path) -> dict[str, Any]:
    said = _vtysh(sockets, f"show bgp neighbors {NEIGHBOR} json", "-d", "bgpd").stdout
    try:
        found: dict[str, Any] = json.loads(said).get(NEIGHBOR, {})
    except ValueError:
        return {}
    return found
