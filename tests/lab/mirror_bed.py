"""A switch and hosts for tests of the mirror's agents: namespaces, one bridge, real agents, no daemon and no SSH."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netorch.io.zipapp import build_agent
from tests.lab import stopping
from tests.lab.agent_device import Namespace
from tests.lab.mirror_certificates import TestAuthority, replace
from tests.waiting import wait_until

STATE = "/var/lib/netorch"
PORT = 7110
SWITCH = "sw1.pop1"
V4, V6 = "203.0.113.1", "2001:db8:c:1::1"
MAC_A, MAC_B, MAC_C = "02:aa:00:00:00:01", "02:bb:00:00:00:02", "02:cc:00:00:00:03"


@functools.lru_cache(maxsize=1)
def agent_archive() -> tuple[str, bytes]:
    built = build_agent()
    return built.sha256, built.data


class Node:
    """A device: namespaces, an unpacked agent, and the service that it runs."""

    def __init__(self, name: str, service: str) -> None:
        self.name = name
        self.service = service
        self.space = Namespace()
        self.process: subprocess.Popen[bytes] | None = None
        self.space.run("sh", "-c", "mkdir -p /run/etc/netorch && mount --bind /run/etc /etc")
        self.install_agent(agent_archive()[0])

    def install_agent(self, version: str) -> None:
        """Unpack the agent under this name, and let the link lead to it."""
        folder = self.path(f"{STATE}/agents/{version}")
        folder.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(agent_archive()[1])) as archive:
            archive.extractall(folder)
        link = self.path(f"{STATE}/boot.new")
        link.symlink_to(f"{STATE}/agents/{version}")
        link.replace(self.path(f"{STATE}/boot"))

    def path(self, path: str) -> Path:
        return self.space.path(path)

    def ip(self, command: str) -> str:
        return self.space.run("ip", *command.split())

    def configure(self, document: Mapping[str, Any]) -> None:
        """Write the service's settings; one that runs has taken them over when this returns."""
        data = json.dumps(document).encode()
        replace(self.path(f"/etc/netorch/{self.service}.json"), data)
        if self.process is not None:
            digest = hashlib.sha256(data).hexdigest()
            self.send_signal(signal.SIGHUP)
            wait_until(lambda: self.status()["settings"] == digest, what="the settings have been taken over")

    def start(self) -> None:
        """Start the service; wait until its status is there."""
        before = self.status_or_none()
        self.launch()
        wait_until(lambda: self._is_new(before), what=f"{self.service} writes its status")

    def launch(self) -> None:
        """Start the service, and wait for nothing."""
        command = self.space.enter("/usr/bin/python3", "-I", "-S", f"{STATE}/boot", self.service)
        with self.path("/run/agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def _is_new(self, before: dict[str, Any] | None) -> bool:
        now = self.status_or_none()
        return now is not None and now["pid"] != (before or {}).get("pid")

    def send_signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(int(self.status()["pid"]), number)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The service does nothing while the block runs: it reads no event, and closes no connection."""
        assert self.process is not None
        with stopping.stopped(self.process.pid):
            yield

    def lost_events(self) -> int:
        """How many events the kernel has kept from the service since it subscribed, because too many waited to be read.

        Source: /proc/net/netlink, whose columns are sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops, Inode.
        """
        assert self.process is not None
        files = Path(f"/proc/{self.process.pid}/fd").iterdir()
        own = {str(file.readlink()) for file in files}
        lines = Path(f"/proc/{self.process.pid}/net/netlink").read_text().splitlines()[1:]
        return sum(int(words[8]) for words in map(str.split, lines) if f"socket:[{words[9]}]" in own)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the service with a signal, and wait for it."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        self.process.wait(10)
        self.process = None

    def status_or_none(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.path(f"/run/netorch/{self.service}.json").read_text()))
        except FileNotFoundError:
            return None

    def status(self) -> dict[str, Any]:
        found = self.status_or_none()
        assert found is not None, "the service has written no status"
        return found

    def entry(self, address: str = V4) -> dict[str, Any]:
        """The status of one address."""
        return next(entry for entry in self.status()["entries"] if entry["address"] == address)

    def log(self) -> str:
        return self.path("/run/agent.log").read_text()

    def mac(self, address: str, interface: str = "eth0") -> str | None:
        """The MAC of the kernel's permanent entry, with netorch's number."""
        for line in self.ip(f"-d neigh show {address} dev {interface} nud permanent").splitlines():
            words = line.split()
            if "lladdr" in words and words[-1] == "110":
                return words[words.index("lladdr") + 1]
        return None

    def is_reachable(self, address: str, interface: str = "eth0") -> bool:
        """Whether the kernel takes the address for directly connected, by what the mirror installs."""
        if ":" in address:
            return "proto 110" in self.ip(f"-6 route show {address}/128 dev {interface}")
        return f"peer {address}/32" in self.ip(f"-4 address show dev {interface}")

    def has(self, mac: str | None, address: str = V4) -> bool:
        return self.mac(address) == mac and self.is_reachable(address) == (mac is not None)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.space.close()


class Bed:
    """One switch with a bridge, some hosts on it, and an authority for all of them."""

    def __init__(self, hosts: int = 1) -> None:
        self.authority = TestAuthority()
        self.switch = Node(SWITCH, "feed")
        self.hosts = [Node(f"h{number}.pop1", "mirror") for number in range(1, hosts + 1)]
        self.leaves = {node.name: self.authority.leaf(node.name) for node in self.nodes}
        self._wire()
        for node in self.nodes:
            self.authority.install(node.path(f"{STATE}/pki"), self.leaves[node.name])
        self.configure()

    @property
    def nodes(self) -> list[Node]:
        return [self.switch, *self.hosts]

    @property
    def host(self) -> Node:
        return self.hosts[0]

    def _wire(self) -> None:
        switch = self.switch
        for command in (
            "link add br0 address 02:00:00:01:01:01 type bridge",  # else it changes with the ports
            "link set br0 up",
            "address add 10.1.1.1/24 dev br0",
            "address add fd00:1:1::1/64 dev br0 nodad",
            "address add 203.0.113.2/30 dev br0",
            "address add 2001:db8:c:1::2/64 dev br0 nodad",
        ):
            switch.ip(command)
        for number, host in enumerate(self.hosts, start=1):
            switch.ip(f"link add p{number} type veth peer name eth0 netns {host.space.pid}")
            switch.ip(f"link set p{number} master br0 up")
            host.ip("link set eth0 up")
            host.ip(f"address add 10.1.1.{10 + number}/24 dev eth0")
            host.ip(f"address add fd00:1:1::{10 + number}/64 dev eth0 nodad")

    def feed_settings(self, *, macs: tuple[str, ...] = (), hops: tuple[str, ...] = (V4, V6)) -> dict[str, Any]:
        return {
            "version": 1,
            "switch": SWITCH,
            "port": PORT,
            "listen": ["10.1.1.1", "fd00:1:1::1"],
            "next_hops": [
                {"address": hop, "interface": "br0", "provider": "northtel", "circuit": 1, "macs": list(macs)}
                for hop in hops
            ],
            "hosts": {host.name: list(hops) for host in self.hosts},
        }

    def mirror_settings(
        self,
        number: int = 1,
        *,
        macs: tuple[str, ...] = (),
        hops: tuple[str, ...] = (V4, V6),
        hold_down: tuple[int, float, float] = (1000, 1.0, 1.0),
    ) -> dict[str, Any]:
        local = {4: f"10.1.1.{10 + number}", 6: f"fd00:1:1::{10 + number}"}
        return {
            "version": 1,
            "host": f"h{number}.pop1",
            "hold_down": dict(zip(("changes", "period_s", "hold_s"), hold_down, strict=True)),
            "feeds": [
                {
                    "switch": SWITCH,
                    "addresses": ["10.1.1.1", "fd00:1:1::1"],
                    "port": PORT,
                    "interface": "eth0",
                    "next_hops": [
                        {
                            "address": hop,
                            "local": local[6 if ":" in hop else 4],
                            "provider": "northtel",
                            "circuit": 1,
                            "macs": list(macs),
                        }
                        for hop in hops
                    ],
                }
            ],
        }

    def configure(self) -> None:
        self.switch.configure(self.feed_settings())
        for number, host in enumerate(self.hosts, start=1):
            host.configure(self.mirror_settings(number))

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for host in self.hosts:
            wait_until(functools.partial(self.is_up, host), what=f"{host.name} follows {SWITCH}: {host.log()}")

    def is_up(self, host: Node | None = None) -> bool:
        return bool((host or self.host).status()["feeds"][0]["up"])

    def learn(self, mac: str, address: str = V4) -> None:
        """The switch's kernel learns a provider's MAC."""
        self.switch.ip(f"neigh replace {address} lladdr {mac} dev br0 nud permanent")

    def forget(self, address: str = V4) -> None:
        self.switch.ip(f"neigh del {address} dev br0")

    def close(self) -> None:
        for node in self.nodes:
            node.close()


@contextmanager
def running_bed(hosts: int = 1, *, prepare: Callable[[Bed], None] | None = None) -> Iterator[Bed]:
    """A bed whose agents run and are connected."""
    bed = Bed(hosts)
    try:
        if prepare is not None:
            prepare(bed)
        bed.start()
        yield bed
    finally:
        bed.close()


def batch(space: Namespace, *commands: str) -> None:
    """Many commands of ip(8) at once."""
    space.run("ip", "-force", "-batch", "-", stdin="\n".join(commands).encode())


def flood(space: Namespace, interface: str, changes: int) -> None:
    """So many neighbour events of addresses that nobody asked for."""
    batch(
        space,
        *(
            f"neigh replace 10.9.{n >> 8 & 63}.{n & 255} lladdr 02:ee:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}:01"
            f" dev {interface} nud permanent"
            for n in range(changes)
        ),
    )


def overflow(node: Node, interface: str, changes: int) -> None:
    """So many events at once, while the node's agent is stopped: proven to be more than wait for it."""
    flood(node.space, interface, changes)
    assert node.lost_events() > 0, f"{node.name}: the kernel kept all of {changes} events for its agent"
