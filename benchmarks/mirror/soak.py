"""``./dev sandbox .venv/bin/python -m benchmarks.mirror.soak``: an hour of changes at a steady rate, and what is left of them.

A switch, three hosts and two hundred next hops of both families, with the real agents. Memory and processor time of every
agent are sampled once a minute; at the end each host's kernel must hold exactly what the switch was told last.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import machine, table
from netorch.io.netlink.neighbour_writer import NeighbourWriter
from tests.lab.mirror_bed import Bed, Node
from tests.lab.namespaces import inside
from tests.waiting import wait_until

HOSTS = 3
ADDRESSES = (*(f"203.0.113.{n}" for n in range(3, 103)), *(f"2001:db8:c:1::{n:x}" for n in range(3, 103)))
SAMPLE_S = 60.0
FLAT = 1.02
"""Memory after the first half of the time may grow by so much at most: until then the interpreter's own pools fill."""


def main() -> int:
    """Exit 1 where an entry differs at the end, or an agent's memory has grown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror.soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--rate", type=int, default=100, help="changes a second")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent.parent / "results/mirror_soak.json")
    options = parser.parse_args()
    if options.seconds < 2 * SAMPLE_S:
        parser.error(f"--seconds: expected {2 * SAMPLE_S:g} at least, for two samples, found {options.seconds}")
    bed = Bed(HOSTS)
    try:
        bed.switch.configure(bed.feed_settings(hops=ADDRESSES))
        for number, host in enumerate(bed.hosts, start=1):
            host.configure(bed.mirror_settings(number, hops=ADDRESSES))
        bed.start()
        result = soak(bed, seconds=options.seconds, rate=options.rate)
    finally:
        bed.close()
    options.output.write_text(json.dumps({"benchmark": "mirror_soak", "machine": machine(), **result}, indent=2) + "\n")
    print(table(result["rows"]))
    print(f"{result['changes']} changes in {result['seconds']} s; entries that differ: {result['entries_that_differ']}")
    return 0 if result["entries_that_differ"] == 0 and all(row["memory_is_flat"] for row in result["rows"]) else 1


def soak(bed: Bed, *, seconds: int, rate: int) -> dict[str, Any]:
    """Changes at ``rate`` for ``seconds``, then the comparison."""
    dice = random.Random(7)
    writer = inside(bed.switch.space.pid, NeighbourWriter)
    index = inside(bed.switch.space.pid, lambda: socket.if_nametoindex("br0"))
    told: dict[str, str] = {}
    samples: list[dict[str, Any]] = []
    started = time.monotonic()
    changes, due = 0, started + SAMPLE_S
    while (now := time.monotonic()) - started < seconds:
        for _ in range(int((now - started) * rate) - changes):
            address = dice.choice(ADDRESSES)
            told[address] = "02:" + ":".join(f"{dice.randrange(256):02x}" for _ in range(5))
            writer.put(index, address, mac=told[address], protocol=0)
            changes += 1
        if now >= due:
            due += SAMPLE_S
            samples.append({node.name: sample(node) for node in bed.nodes})
            print(f"{now - started:.0f} s: {samples[-1]}", file=sys.stderr, flush=True)
        time.sleep(0.005)
    expected = {address.lower(): mac for address, mac in told.items()}
    differing = sum(differences(host, expected) for host in bed.hosts)
    return {
        "seconds": seconds,
        "changes": changes,
        "hosts": HOSTS,
        "next_hops": len(ADDRESSES),
        "entries_that_differ": differing,
        "rows": [row(node, samples) for node in bed.nodes],
        "samples": samples,
    }


def sample(node: Node) -> dict[str, Any]:
    """What an agent says of itself."""
    status = node.status()
    return {"memory_bytes": status["memory_bytes"], "cpu_s": status["cpu_s"], "counters": status["counters"]}


def row(node: Node, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Memory at the start, in the first half and late, and the share of a core, of one agent."""
    own = [one[node.name] for one in samples]
    early = max(one["memory_bytes"] for one in own[: max(1, len(own) // 2)])
    late = max(one["memory_bytes"] for one in own[-max(1, len(own) // 10) :])
    share = (own[-1]["cpu_s"] - own[0]["cpu_s"]) / (SAMPLE_S * max(1, len(own) - 1))
    return {
        "agent": f"{node.service} on {node.name}",
        "memory_mib_first": round(own[0]["memory_bytes"] / 2**20, 1),
        "memory_mib_first_half": round(early / 2**20, 1),
        "memory_mib_late": round(late / 2**20, 1),
        "memory_is_flat": late <= early * FLAT,
        "core_share": round(share, 3),
    }


def differences(host: Node, expected: dict[str, str]) -> int:
    """How many entries of the host's kernel are not what the switch was told last; waits for what is under way."""

    def wrong() -> list[str]:
        return [address for address, mac in expected.items() if held(host).get(address) != mac]

    try:
        wait_until(lambda: not wrong(), what=f"{host.name} has what the switch has", timeout_s=10)
    except AssertionError as error:
        print(error, file=sys.stderr)
    return len(wrong())


def held(host: Node) -> dict[str, str]:
    """The permanent entries of the host's kernel."""
    entries = json.loads(host.ip("-j neigh show dev eth0 nud permanent"))
    return {entry["dst"]: entry["lladdr"] for entry in entries}


if __name__ == "__main__":
    raise SystemExit(main())
