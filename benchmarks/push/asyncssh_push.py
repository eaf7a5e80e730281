"""Run by the peers' interpreter: asyncssh pushes a file to the devices on standard input, and prints the seconds."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh  # type: ignore[import-not-found]


async def push(fleet: dict[str, Any], content: bytes, command: str, workers: int) -> None:
    """Everything to every device, ``workers`` at a time."""
    turn = asyncio.Semaphore(workers)

    async def one(address: str) -> None:
        async with turn, asyncssh.connect(
            address, username="root", client_keys=[fleet["key"]], known_hosts=fleet["known_hosts"],
            kex_algs=["curve25519-sha256"], config=None, agent_path=None,
        ) as connection:  # fmt: skip
            await connection.run(command, input=content, encoding=None, check=True)

    await asyncio.gather(*(one(address) for address in fleet["addresses"].values()))


fleet, content = json.load(sys.stdin), Path(sys.argv[1]).read_bytes()
start = time.perf_counter()
asyncio.run(push(fleet, content, sys.argv[2], int(sys.argv[3])))
print(time.perf_counter() - start)
