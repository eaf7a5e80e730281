"""What happens to the mirror's agents, their connections and their certificates."""

from __future__ import annotations

import signal
import socket
from datetime import datetime, timedelta

from netorch.agent.mirror import wire
from netorch.agent.mirror.wire import Told
from netorch.agent.services import is_alive
from netorch.io.clock import SystemClock
from netorch.model.types import Mac
from tests.lab.faults.mirror import MirrorPlay
from tests.lab.mirror_bed import MAC_A, MAC_B, MAC_C, PORT, STATE, SWITCH, V4, V6, Node
from tests.lab.mirror_certificates import NOW, Leaf, TestAuthority, replace
from tests.lab.mirror_impostor import Middleman, context_of, in_place_of_the_feed
from tests.lab.mirror_routers import Router

IMPOSTORS = ("foreign authority", "another switch's", "expired", "not yet valid", "in the clear", "says nothing")
ON_THE_WAY = ("record replayed", "record lost", "record altered", "record cut")
BY_THE_FEED = ("message repeated", "message left out", "message cut", "message too long", "snapshot cut", "garbage")
DAMAGES = (*ON_THE_WAY, *BY_THE_FEED)
DEATHS = ("SIGKILL", "SIGTERM", "while it starts", "over and over", "while its settings change")
RESTARTS = ("SIGKILL", "SIGTERM", "hangs", "over and over")
EXPIRIES = ("the host's expires", "the switch's expires", "the host's is revoked", "the switch's is revoked")
CLOCK = SystemClock()
PKI = f"{STATE}/pki"


def forged_feed(play: MirrorPlay) -> None:
    """Somebody takes the switch's address, and tells another MAC."""
    lies = 0

    def lie(connection: socket.socket) -> None:
        nonlocal lies
        lies += 1
        if play.choice != "says nothing":
            connection.sendall(_snapshot(MAC_C))
        while connection.recv(1000):
            pass

    start = len(play.host.log())
    leaf = _leaf_of(play)
    context = context_of(play.folder, leaf, play.bed.authority, is_server=True) if leaf is not None else None
    with in_place_of_the_feed(play.bed, context, lie):
        if leaf is None:
            play.proven(lambda: lies > 0, "the impostor was asked")
        play.proven(lambda: f"{SWITCH}: 10.1.1.1: " in play.host.log()[start:], "the host has refused it")
        CLOCK.wait(play.dice.uniform(0, 2))
        if play.bed.is_up():
            play.unsafe.append("the host says that the impostor's feed is up")
    play.events.append(play.host.log()[start:].splitlines()[-1])


def _leaf_of(play: MirrorPlay) -> Leaf | None:
    """The impostor's certificate; None for no TLS at all."""
    authority = play.bed.authority
    if play.choice == "foreign authority":
        return TestAuthority("other").leaf(SWITCH)
    if play.choice == "another switch's":
        return authority.leaf("sw2.pop1")
    if play.choice == "expired":
        return authority.leaf(SWITCH, until=NOW - timedelta(hours=1))
    return authority.leaf(SWITCH, since=NOW + timedelta(days=1)) if play.choice == "not yet valid" else None


def _snapshot(mac: str, sequence: int = 0) -> bytes:
    told = [Told(address, Mac(mac), "reachable") for address in (V4, V6)]
    return wire.snapshot(sequence, SWITCH, own=[], told=told)


def _delta(sequence: int, mac: str) -> bytes:
    return wire.delta(sequence, [Told(V4, Mac(mac), "reachable")])


def damaged(play: MirrorPlay) -> None:
    """Messages arrive twice, not at all, or changed: on the way, or from a feed that has gone wrong."""
    if play.choice in ON_THE_WAY:
        _damaged_on_the_way(play)
    else:
        _damaged_by_the_feed(play)


def _damaged_on_the_way(play: MirrorPlay) -> None:
    play.switch.configure({**play.bed.feed_settings(), "port": PORT + 1})
    for host in play.bed.hosts[1:]:
        host.stop()
    where = play.dice.random()

    def damage(record: bytes) -> bytes:
        position = 5 + int(where * (len(record) - 6))
        return {
            "record replayed": record + record,
            "record lost": b"",
            "record altered": record[:position] + bytes([record[position] ^ 0x20]) + record[position + 1 :],
            "record cut": record[:position],
        }[play.choice]

    with Middleman(play.bed, PORT + 1).at_work() as middleman:
        _follow_alone(play, PORT)
        before = play.host.status()["feeds"][0]["resyncs"]
        middleman.damage = damage
        if play.dice.random() < 0.7:
            play.swap(play.router, play.other_router())
        play.proven(lambda: middleman.is_done, play.choice)
        play.until(
            lambda: play.bed.is_up() and play.host.status()["feeds"][0]["resyncs"] > before,
            10,
            "the host has left the connection, and made another",
        )
        play.events.append(play.host.log().splitlines()[-1])
    play.switch.configure(play.bed.feed_settings())
    for host in play.bed.hosts[1:]:
        host.start()


def _follow_alone(play: MirrorPlay, port: int) -> None:
    """The host hears the middleman: its family's address only, since only there somebody is in between."""
    settings = play.bed.mirror_settings()
    settings["feeds"][0].update(addresses=["10.1.1.1"], port=port)
    play.host.configure(settings)
    play.proven(play.bed.is_up, "the host follows the middleman")


def _damaged_by_the_feed(play: MirrorPlay) -> None:
    sequence = play.dice.randrange(1, 1000)
    cut = _delta(sequence + 1, MAC_C)
    lines = {
        "message repeated": [_snapshot(MAC_A, sequence - 1), _delta(sequence, MAC_A), _delta(sequence, MAC_C)],
        "message left out": [_snapshot(MAC_A, sequence), _delta(sequence + 2, MAC_C)],
        "message cut": [_snapshot(MAC_A, sequence), cut[: play.dice.randrange(1, len(cut) - 2)] + b"\n"],
        "message too long": [_snapshot(MAC_A, sequence), b"[" * (wire.MAX_FROM_FEED + 1000)],
        "snapshot cut": [_snapshot(MAC_C)[: play.dice.randrange(1, 60)] + b"\n", _snapshot(MAC_C)],
        "garbage": [_snapshot(MAC_A, sequence), play.dice.randbytes(5000) + b"\n" + _delta(sequence + 1, MAC_C)],
    }[play.choice]

    def speak(connection: socket.socket) -> None:
        for line in lines:
            connection.sendall(line)
        while connection.recv(1000):
            pass

    context = context_of(play.folder, play.bed.leaves[SWITCH], play.bed.authority, is_server=True)
    with in_place_of_the_feed(play.bed, context, speak):
        play.proven(lambda: play.host.status()["feeds"][0]["rejected"] > 0, "the host has rejected it")
        CLOCK.wait(play.dice.uniform(0, 1))
    play.events.append(play.host.status()["feeds"][0]["error"])


def agent_killed(play: MirrorPlay) -> None:
    """A host's agent ends, and its switch learns another MAC meanwhile."""
    host, other = play.host, play.other_router()
    number = signal.SIGTERM if play.choice == "SIGTERM" else signal.SIGKILL
    if play.choice == "while its settings change":
        replace(host.path("/etc/netorch/mirror.json"), b"{")
        host.send_signal(signal.SIGHUP)
    host.stop(number)
    play.events.append(f"ended with {number.name}")
    if is_alive(host.status()):
        play.unsafe.append("the dead agent is taken for alive")
    play.swap(play.router, other)
    play.proven(lambda: play.bed.hosts[-1].has(MAC_B), "the other host follows")
    if not host.has(MAC_A):
        play.unsafe.append("the entry has gone with its agent")
    _die_while_starting(play, host)
    if play.choice == "while its settings change":
        host.launch()
        CLOCK.wait(play.dice.uniform(0.3, 1))
        _die(host)
        host.configure(play.bed.mirror_settings())
    host.start()


def _die_while_starting(play: MirrorPlay, node: Node) -> None:
    times = {"while it starts": 3, "over and over": 8}.get(play.choice, 0)
    for _ in range(times):
        node.launch()
        CLOCK.wait(play.dice.uniform(0, 0.6))
        _die(node)
    if times:
        play.events.append(f"killed {times} times while it started")


def _die(node: Node) -> None:
    node.stop(signal.SIGKILL)


def feed_restarted(play: MirrorPlay) -> None:
    """A switch's agent ends or hangs, its kernel learns another MAC meanwhile, and it comes back."""
    other, switch = play.other_router(), play.switch
    if play.choice == "hangs":
        with switch.stopped():
            _lose_the_feed(play, other)
    else:
        switch.stop(signal.SIGTERM if play.choice == "SIGTERM" else signal.SIGKILL)
        _lose_the_feed(play, other)
    if play.choice != "hangs":
        _die_while_starting(play, switch)
        switch.start()
    play.until(lambda: all(host.has(MAC_B) for host in play.bed.hosts), 15, "hosts follow again")


def _lose_the_feed(play: MirrorPlay, other: Router) -> None:
    # Three beats and a half, then what the watch grants a status.
    play.until(lambda: _all_kept(play), 6, "hosts say that the feed is lost")
    play.swap(play.router, other)
    CLOCK.wait(play.dice.uniform(0, 1))
    if not all(host.has(MAC_A) for host in play.bed.hosts):
        play.unsafe.append("an entry has changed without a feed")
    play.events.append(play.host.status()["feeds"][0]["error"])


def _all_kept(play: MirrorPlay) -> bool:
    statuses = [host.status() for host in play.bed.hosts]
    return not any(status["feeds"][0]["up"] for status in statuses) and all(
        entry["state"] == "kept" for status in statuses for entry in status["entries"]
    )


def certificate_over(play: MirrorPlay) -> None:
    """A certificate expires or is revoked while its connection is open; later it is renewed."""
    node = play.host if "host" in play.choice else play.switch
    if "revoked" in play.choice:
        _revoke(play, node.name)
    else:
        soon = datetime.now(NOW.tzinfo) + timedelta(seconds=play.dice.uniform(9, 11))  # noqa: TID251 - real time
        play.bed.authority.install(node.path(PKI), play.bed.authority.leaf(node.name, until=soon))
        node.stop()
        node.start()
        play.proven(play.bed.is_up, "followed with a short certificate")
    play.proven(lambda: not play.bed.is_up(), "the host has lost the feed", 30)
    words = "revoked" if "revoked" in play.choice else "expired"
    play.proven(lambda: words in play.host.log() + play.switch.log(), f"{words}: told in a log")
    play.swap(play.router, play.other_router())
    CLOCK.wait(play.dice.uniform(0, 2))
    if not play.host.has(MAC_A):
        play.unsafe.append("an entry has changed without a feed")
    play.until(lambda: play.host.entry()["state"] == "kept", 3, "the host says that the entry is kept")
    play.bed.authority.install(node.path(PKI), play.bed.authority.leaf(node.name))
    play.until(lambda: play.bed.is_up() and play.host.has(MAC_B), 15, "followed again")


def _revoke(play: MirrorPlay, name: str) -> None:
    data = play.bed.authority.revoked(play.bed.leaves[name])
    for node in play.bed.nodes:
        replace(node.path(f"{PKI}/revoked.pem"), data)
