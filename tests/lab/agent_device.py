"""A device and its neighbour for tests of the agent: two network namespaces, a BIRD in each, no SSH in between."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Optional

from netorch.io.device import Device
from netorch.model.items import FileItem, Item
from netorch.model.plan import Check, Operation
from netorch.model.request import ApplyRequest, FactsRequest
from netorch.ports import Reply
from tests.waiting import wait_until

BIRD_CONF = "/etc/bird/bird.conf"
DEVICE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS = "/usr/local/sbin"
_SETUP = """
set -e
mount -t tmpfs tmpfs /run && mkdir /run/bird
mount -t tmpfs tmpfs /etc/bird
mount -t tmpfs tmpfs /var/lib
ip link set lo up
echo ready
exec sleep infinity
"""

CONFIGURATION = """\
define NETORCH_STAMP = "@STAMP@";
log "/run/bird/log" all;
router id 10.0.0.1;
protocol device { }
protocol static own4 { ipv4; route 192.0.2.0/24 blackhole; }
protocol bgp northtel_v4 {
  local 10.0.0.1 as 64500;
  neighbor 10.0.0.2 as 64496;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 { import all; export all; };
}
protocol bgp absent_v4 {
  local 10.0.0.1 as 64500;
  neighbor 10.0.0.9 as 64497;
  ipv4 { import all; export none; };
}
"""

NEIGHBOUR = """\
log "/run/bird/log" all;
router id 10.0.0.2;
protocol device { }
protocol static some4 { ipv4;
@ROUTES@
}
protocol bgp pop {
  local 10.0.0.2 as 64496;
  neighbor 10.0.0.1 as 64500;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 { import all; export all; };
}
"""


class Namespace:
    """A process that keeps a network and a mount namespace; commands run inside through nsenter."""

    def __init__(self) -> None:
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _SETUP]
        self._keeper = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"ready\n", "the namespace could not be set up"

    @property
    def pid(self) -> int:
        """The process that keeps the namespaces."""
        return self._keeper.pid

    def enter(self, *command: str) -> list[str]:
        """``command``, made to run inside."""
        place = f"/proc/{self.pid}/ns"
        return ["nsenter", f"--net={place}/net", f"--mount={place}/mnt", "env", "-i", f"PATH={DEVICE_PATH}", *command]

    def run(self, *command: str, stdin: bytes = b"") -> str:
        """What ``command`` prints; the test fails with its complaint where it fails."""
        done = subprocess.run(self.enter(*command), input=stdin, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.decode()

    def path(self, path: str) -> Path:
        """A file inside, as the test can open it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def start_bird(self, configuration: str) -> int:
        """Start BIRD with this configuration; its process id."""
        self.path(BIRD_CONF).write_text(configuration)
        return self._run_bird()

    def restart_bird(self, pid: int) -> int:
        """Kill BIRD and start it again with what is on disk; its process id."""
        os.kill(pid, signal.SIGKILL)
        self.run("rm", "-f", "/run/bird/pid", "/run/bird/bird.ctl")
        return self._run_bird()

    def _run_bird(self) -> int:
        self.run("bird", "-P", "/run/bird/pid")
        written = self.path("/run/bird/pid")
        wait_until(lambda: written.exists() and written.read_text().strip(), what="BIRD has written its process id")
        return int(written.read_text())

    def birdc(self, command: str) -> str:
        """The answer of BIRD's own client."""
        return self.run("birdc", command)

    def close(self) -> None:
        """End every process inside, then the keeper."""
        own = _namespace_of(f"/proc/{self.pid}")
        for process in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            if process != self.pid and _namespace_of(f"/proc/{process}") == own:
                _kill(process)
        self._keeper.kill()
        self._keeper.wait()
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()


def _namespace_of(process: str) -> str:
    try:
        return str(Path(process, "ns/net").readlink())
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class LocalTransport:
    """A Connector and Transport in one, which runs commands in the namespace instead of over SSH; counts connections."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self.connections = 0
        self.commands: list[str] = []

    def connect(self, device: str, *, timeout_s: float) -> LocalTransport:
        self.connections += 1
        return self

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        doing: str = "",
        on_output: Optional[Callable[[bytes], None]] = None,
    ) -> Reply:
        self.commands.append(command)
        argv = self._namespace.enter("sh", "-c", command)
        if on_output is not None:
            return self._stream(argv, stdin, on_output)
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout_s, check=False)
        return Reply(done.returncode, done.stdout, done.stderr)

    def _stream(self, argv: list[str], stdin: bytes, on_output: Callable[[bytes], None]) -> Reply:
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(stdin)
                process.stdin.close()
                for line in process.stdout:
                    on_output(line)
            finally:
                process.stdout.close()
        return Reply(process.returncode, b"", b"")

    def close(self) -> None:
        return


class LabDevice:
    """The device h1.pop1 with BIRD running, its neighbour northtel, and netorch's client for it."""

    REQUEST = FactsRequest(
        "h1.pop1", "bird", files=(BIRD_CONF,), sysctls=("net.ipv4.conf.eth0.rp_filter",), aliases=("eth0",)
    )

    def __init__(self) -> None:
        self.namespace = Namespace()
        self.neighbour = Namespace()
        self.transport = LocalTransport(self.namespace)
        self.client = Device("h1.pop1", self.transport)
        self.bird = 0
        self._changes = 0
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        other = str(self.neighbour.pid)
        self.namespace.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other)
        for place, address in ((self.namespace, "10.0.0.1/24"), (self.neighbour, "10.0.0.2/24")):
            place.run("ip", "address", "add", address, "dev", "eth0")
            place.run("ip", "link", "set", "eth0", "up")

    def start(self, stamp: str = "old") -> None:
        """Start both daemons and wait for their session."""
        self.bird = self.namespace.start_bird(configuration(stamp))
        routes = "\n".join(f"  route 198.51.{number}.0/24 blackhole;" for number in range(10))
        self.neighbour.start_bird(NEIGHBOUR.replace("@ROUTES@", routes))
        wait_until(self.has_prefixes, what="northtel_v4 is Established and has sent its prefixes")

    def is_established(self) -> bool:
        return "Established" in self.namespace.birdc("show protocols northtel_v4")

    def has_prefixes(self) -> bool:
        return "10 imported" in self.namespace.birdc("show protocols all northtel_v4")

    def live_stamp(self) -> str:
        """What BIRD itself says."""
        return self.namespace.birdc("eval NETORCH_STAMP").splitlines()[-1].strip('"')

    def change(self, *operations: Operation, check: Check = Check(), confirm_timeout_s: float = 30.0) -> ApplyRequest:
        """A request made from today's facts."""
        facts = self.client.facts(self.REQUEST)
        self._changes += 1
        files = [operation.item for operation in operations if isinstance(operation.item, FileItem)]
        return ApplyRequest(
            id=f"change-{self._changes}",
            facts=self.REQUEST,
            base=facts.base,
            generation=facts.generation,
            operations=operations,
            sha256=tuple(hashlib.sha256(file.text.encode()).hexdigest() for file in files),
            check=check,
            confirm_timeout_s=confirm_timeout_s,
            author="alice@control",
            reason="a test",
        )

    def owned(self) -> tuple[object, ...]:
        """What a change may alter, without times and counters."""
        facts = self.client.facts(replace(self.REQUEST, wants=("neighbours",)))
        protocols = tuple((protocol.name, protocol.state) for protocol in facts.daemon.protocols)
        daemon = (facts.daemon.live_stamp, facts.daemon.disk_stamp, protocols)
        kept = tuple(entry for entry in facts.neighbours if entry.state == "permanent")
        return (facts.base, facts.generation, daemon, facts.files, facts.items, facts.overlay, kept)

    def close(self) -> None:
        self.namespace.close()
        self.neighbour.close()


@contextmanager
def running_device() -> Iterator[LabDevice]:
    """A device whose daemon runs, and has its session with the neighbour's."""
    lab = LabDevice()
    try:
        lab.start()
        yield lab
    finally:
        lab.close()


@contextmanager
def systemd_device() -> Iterator[LabDevice]:
    """One that looks as if systemd ran it; none of systemd's programs is there."""
    with running_device() as lab:
        lab.namespace.run("mkdir", "-p", "/run/systemd/system")
        for folder in (_PROGRAMS, "/etc/systemd"):
            lab.namespace.run("mount", "-t", "tmpfs", "tmpfs", folder)
        lab.namespace.run("mkdir", "/etc/systemd/system")
        yield lab


def install_program(device: LabDevice, name: str, script: str) -> None:
    """Put a program in place of the machine's own, on a ``systemd_device``."""
    path = device.namespace.path(f"{_PROGRAMS}/{name}")
    path.write_text(script)
    path.chmod(0o755)


def configuration(stamp: str, *extra: str) -> str:
    """The device's configuration with this stamp and these lines behind."""
    return CONFIGURATION.replace("@STAMP@", stamp) + "".join(f"{line}\n" for line in extra)


def bird_file(text: str) -> FileItem:
    """The device's configuration as a desired file."""
    return FileItem(BIRD_CONF, text, daemon="bird")


def changed(before: Item, after: Item) -> Operation:
    """A change of one item."""
    return Operation("change", after, before)
