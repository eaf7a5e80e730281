"""What kernels, routers and attackers do to the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from netorch.agent.clock import uptime
from netorch.io.clock import SystemClock
from tests.lab.faults.mirror import MirrorPlay, neighbours_of
from tests.lab.faults.mirror_watch import held_by
from tests.lab.mirror_bed import MAC_A, MAC_B, MAC_C, PORT, STATE, V4, V6, Bed, Node, batch, flood
from tests.lab.mirror_routers import Router

BURST = 45_000
MANY = 3_000
HOLD = (6, 2.0, 2.0)
"""The default's six changes, in a fifth of its time and held for a fifteenth, so that a play does not last minutes."""

THEFT_S = 5.0
"""Where no MACs are named an attacker's is followed; so long after the attack its entry is right again."""

FLAPS = ("slowly", "fast", "fast, in both families", "two routers fight")
FORGERIES = ("MACs are named", "nothing is named", "a host's own MAC", "a multicast MAC")
CLAIMS = ("expected of one", "expected of both")
BURSTS = ("at the switch", "at the switch, its agent stopped", "at a host", "at a host, its agent stopped")
LINKS = ("the host's interface", "the switch's port", "the switch's br0", "over and over")
CHANGES = ("some change", "all change", "some leave the settings", "some are deleted by hand")
CLOCK = SystemClock()


def flap(play: MirrorPlay) -> None:
    """Two routers announce the same addresses in turns."""
    for number, host in enumerate(play.bed.hosts, start=1):
        host.configure(play.bed.mirror_settings(number, hold_down=HOLD))
    other = play.other_router()
    other.plug()
    before = play.switch.status()["counters"]["changes"]
    began = uptime()
    if play.choice == "slowly":
        _flap_slowly(play, other)
        return
    addresses = (V4, V6) if "both" in play.choice or "fight" in play.choice else (V4,)
    rounds = play.dice.randrange(30, 80) * (3 if "fight" in play.choice else 1)
    for number in range(rounds):
        for address in addresses:
            (play.router, other)[number % 2].announce(address)
        CLOCK.wait(play.dice.uniform(0.005, 0.03))
    play.proven(
        lambda: play.switch.status()["counters"]["changes"] - before >= rounds / 2,
        f"the switch saw the MAC change {rounds} times",
    )
    for host in play.bed.hosts:
        play.until(partial(_counts, host, "held_down"), 10, f"{host.name} holds the MAC")
    # What is left of the fight when the hold ends is followed once.
    last = play.dice.choice((play.router, other))
    for loser in {play.router, other} - {last}:
        loser.unplug()
    for address in (V4, V6):
        last.announce(address)
    play.until(lambda: all(host.has(last.mac) for host in play.bed.hosts), 10, "the last MAC is taken after the hold")
    most = HOLD[0] + 2 + (uptime() - began) / HOLD[2] * 2
    changes = max(play.watch.changes(host.name, ("eth0", V4)) for host in play.bed.hosts)
    if changes > most:
        play.unsafe.append(f"a host's MAC changed {changes} times, expected {most:.0f} at most")


def _flap_slowly(play: MirrorPlay, other: Router) -> None:
    for number in range(4):
        router = (other, play.router)[number % 2]
        router.announce()
        play.proven(partial(_all_have, play, router.mac), f"{router.mac} followed")
        CLOCK.wait(0.7)


def _counts(host: Node, counter: str) -> bool:
    return bool(host.status()["counters"][counter] > 0)


def _all_have(play: MirrorPlay, mac: str) -> bool:
    return all(host.has(mac) for host in play.bed.hosts)


def _has_on_second(host: Node) -> bool:
    return host.mac(V4, "eth1") == MAC_B


def forged_arp(play: MirrorPlay) -> None:
    """An attacker on another port says that the provider's addresses are at another MAC."""
    mac = _forged_mac(play)
    if play.choice == "MACs are named":
        named = (MAC_A, MAC_B)
        play.switch.configure(play.bed.feed_settings(macs=named))
        for number, host in enumerate(play.bed.hosts, start=1):
            host.configure(play.bed.mirror_settings(number, macs=named))
    attacker = play.other_router(MAC_C, addresses=())
    attacker.plug()
    seen, address = play.switch.status()["counters"]["changes"], play.dice.choice((V4, V6))
    for _ in range(play.dice.randrange(5, 30)):
        attacker.announce(address, mac=mac)
        CLOCK.wait(play.dice.uniform(0.02, 0.1))
    play.proven(
        lambda: play.switch.status()["counters"]["changes"] > seen, f"the switch believed that {address} is at {mac}"
    )
    if play.choice == "nothing is named":
        ended = uptime()
        play.legitimate["eth0"].add(mac)
        play.until(lambda: all(host.has(MAC_A, address) for host in play.bed.hosts), THEFT_S, "hosts are back")
        stolen = max(span.within(uptime()) for span in play.watch.spans if span.mac == mac)
        play.events.append(f"hosts sent to the attacker for {stolen:.1f} s, {uptime() - ended:.1f} s after its end")


def _forged_mac(play: MirrorPlay) -> str:
    if play.choice == "a host's own MAC":
        return play.bed.hosts[-1].ip("-br link show eth0").split()[2]
    return "03:00:5e:00:00:07" if play.choice == "a multicast MAC" else MAC_C


class TwoSwitches(Bed):
    """A bed whose hosts have a second uplink, into a second switch."""

    def __init__(self, hosts: int) -> None:
        self.second = Node("sw2.pop1", "feed")
        super().__init__(hosts)
        self.authority.install(self.second.path(f"{STATE}/pki"), self.authority.leaf("sw2.pop1"))
        for command in (
            "link add br0 address 02:00:00:01:02:01 type bridge",
            "link set br0 up",
            "address add 10.1.2.1/24 dev br0",
        ):
            self.second.ip(command)
        self.second.ip("address add 203.0.113.2/30 dev br0")
        for number, host in enumerate(self.hosts, start=1):
            self.second.ip(f"link add p{number} type veth peer name eth1 netns {host.space.pid}")
            self.second.ip(f"link set p{number} master br0 up")
            host.ip("link set eth1 up")
            host.ip(f"address add 10.1.2.{10 + number}/24 dev eth1")
        self.second.configure(self._second_feed())

    def _second_feed(self) -> dict[str, Any]:
        return {**self.feed_settings(hops=(V4,)), "switch": self.second.name, "listen": ["10.1.2.1"]}

    def expect_of_second(self, number: int, *hops: str) -> dict[str, Any]:
        """The settings of a host that follows both switches, the second for ``hops``."""
        settings = self.mirror_settings(number)
        local = f"10.1.2.{10 + number}"
        wanted = [{"address": hop, "local": local, "provider": "southnet", "circuit": 2, "macs": []} for hop in hops]
        second = {"switch": self.second.name, "addresses": ["10.1.2.1"], "port": PORT, "interface": "eth1"}
        settings["feeds"].append({**second, "next_hops": wanted})
        return settings

    def start(self) -> None:
        self.second.start()
        super().start()

    def close(self) -> None:
        super().close()
        self.second.close()


def both_claim(play: MirrorPlay) -> None:
    """The second switch tells an address of the first, with a MAC of its own; on and off."""
    bed = play.bed
    assert isinstance(bed, TwoSwitches)
    is_expected = play.choice == "expected of both"
    play.legitimate["eth0"] = {MAC_A}
    bed.second.ip(f"neigh replace {V4} lladdr {MAC_B} dev br0 nud permanent")
    for number, host in enumerate(bed.hosts, start=1):
        host.configure(bed.expect_of_second(number, V4 if is_expected else "203.0.113.201"))
    for _ in range(play.dice.randrange(2, 6)):
        bed.second.ip(f"neigh replace {V4} lladdr {play.dice.choice((MAC_B, MAC_C))} dev br0 nud permanent")
        CLOCK.wait(play.dice.uniform(0, 0.2))
    bed.second.ip(f"neigh replace {V4} lladdr {MAC_B} dev br0 nud permanent")
    for host in bed.hosts:
        if is_expected:
            play.proven(partial(_has_on_second, host), f"{host.name} believes sw2 on eth1")
            if not host.is_reachable(V4, "eth1"):
                play.unsafe.append(f"{V4} is not reachable over eth1")
        else:
            play.proven(partial(_counts, host, "rejected"), f"{host.name} rejects sw2's word")
            if V4 in held_by(host, "eth1"):
                play.unsafe.append(f"{host.name} has {V4} on eth1, where it is not expected")


def burst(play: MirrorPlay) -> None:
    """45,000 events of other neighbours, and a router swapped in their midst."""
    node = play.switch if "switch" in play.choice else play.host
    interface = "br0" if node is play.switch else "eth0"
    other = play.other_router()
    is_stopped = "stopped" in play.choice
    with node.stopped() if is_stopped else nullcontext():
        part = play.dice.randrange(1, BURST - 1)
        flood(node.space, interface, part)
        play.swap(play.router, other)
        flood(node.space, interface, BURST - part)
        there = len(node.ip(f"neigh show dev {interface} nud permanent").splitlines())
        play.events.append(f"{BURST} events, {there} neighbours")
        assert not is_stopped or node.lost_events() > 0, "the kernel kept all of them for the agent"
    if is_stopped:
        play.proven(lambda: "events were lost" in node.log(), "events were lost")
    play.until(lambda: all(host.has(MAC_B) for host in play.bed.hosts), 10, "the new router is followed")


def link(play: MirrorPlay) -> None:
    """An interface is set down and up again, once or many times."""
    if play.choice == "over and over":
        for _ in range(play.dice.randrange(5, 12)):
            with _host_interface_down(play):
                CLOCK.wait(play.dice.uniform(0, 0.1))
        return
    other = play.other_router()
    down = {
        "the host's interface": _host_interface_down,
        "the switch's port": _port_down,
        "the switch's br0": _bridge_down,
    }[play.choice]
    with down(play):
        CLOCK.wait(play.dice.uniform(0, 2))
        if play.dice.random() < 0.5:
            play.swap(play.router, other)


@contextmanager
def _host_interface_down(play: MirrorPlay) -> Iterator[None]:
    host = play.host
    with play.may_be_gone(2.0):
        host.ip("link set eth0 down")
        if (
            play.choice == "over and over"
        ):  # on its way back from the round before, an agent may put entries on what is down
            play.proven(lambda: ",UP" not in host.ip("link show eth0"), "the host's interface is down")
        else:
            play.proven(lambda: host.mac(V4) is None, "the kernel has dropped the host's entries")
        yield
        host.ip("link set eth0 up")
        host.ip("address replace fd00:1:1::11/64 dev eth0 nodad")


@contextmanager
def _port_down(play: MirrorPlay) -> Iterator[None]:
    play.switch.ip("link set p1 down")
    play.proven(lambda: "NO-CARRIER" in play.host.ip("link show eth0"), "the host has no carrier")
    yield
    play.switch.ip("link set p1 up")


@contextmanager
def _bridge_down(play: MirrorPlay) -> Iterator[None]:
    play.switch.ip("link set br0 down")
    play.proven(lambda: not neighbours_of(play.switch, "br0"), "the switch's kernel has dropped its entries")
    yield
    play.switch.ip("link set br0 up")
    play.switch.ip("address replace fd00:1:1::1/64 dev br0 nodad")
    play.switch.ip("address replace 2001:db8:c:1::2/64 dev br0 nodad")


def many(play: MirrorPlay) -> None:
    """3,000 next hops; many of them change, are deleted, or leave the settings."""
    hops = tuple(f"10.9.{n >> 8}.{n & 255}" for n in range(1, MANY + 1))
    macs = dict.fromkeys(hops, MAC_A)
    play.switch.ip("address add 10.9.255.254/16 dev br0")
    _settings_of(play, hops)
    _teach(play, macs)
    play.proven(lambda: _have(play, macs), f"{MANY} are mirrored", 60)
    chosen = play.dice.sample(hops, play.dice.randrange(200, 1500))
    if "change" in play.choice:
        changed = dict.fromkeys(hops if "all" in play.choice else chosen, MAC_B)
        _teach(play, changed)
        macs.update(changed)
    elif "settings" in play.choice:
        _settings_of(play, tuple(hop for hop in hops if hop not in set(chosen)))
        for hop in chosen:
            del macs[hop]
    else:
        batch(play.host.space, *(f"neigh del {hop} dev eth0" for hop in chosen))
        play.until(lambda: play.host.status()["counters"]["repaired"] > 0, 10, "repairs are counted")
    play.events.append(f"{len(chosen)} chosen")
    play.until(lambda: _have(play, macs), 20, "hosts have all of it, and nothing else")


def _settings_of(play: MirrorPlay, hops: tuple[str, ...]) -> None:
    play.switch.configure(play.bed.feed_settings(hops=(V4, V6, *hops)))
    for number, host in enumerate(play.bed.hosts, start=1):
        host.configure(play.bed.mirror_settings(number, hops=(V4, V6, *hops)))


def _teach(play: MirrorPlay, macs: dict[str, str]) -> None:
    batch(
        play.switch.space,
        *(f"neigh replace {hop} lladdr {mac} dev br0 nud permanent" for hop, mac in macs.items()),
    )


def _have(play: MirrorPlay, macs: dict[str, str]) -> bool:
    wanted = {**macs, V4: MAC_A, V6: MAC_A}
    return all(held_by(host) == wanted for host in play.bed.hosts)
