"""What a host is to have for one next hop, given what its switch tells. Pure: times are told by the caller."""

from __future__ import annotations

import math
from typing import AbstractSet, Any, Dict, List, Optional, Tuple

from netorch.agent.mirror.holddown import HoldDown
from netorch.agent.mirror.settings import FollowedFeed, FollowedHop, HoldDownSettings
from netorch.agent.mirror.wire import Told
from netorch.model.types import Mac
from netorch.plan.mirror import refusal_of

Key = Tuple[str, str]
"""Interface and address."""


class Entry:
    """One next hop of a host. ``mac`` is what the kernel is to have: it only ever changes to another one.

    ``since``: when it became that, in seconds since the epoch. ``failure``: why the kernel did not take it, "" where it did.
    """

    def __init__(self, feed: FollowedFeed, hop: FollowedHop, hold_down: HoldDownSettings) -> None:
        self.feed = feed
        self.hop = hop
        self.mac: Optional[Mac] = None
        self.since: Optional[float] = None
        self.changes = 0
        self.holds = 0
        self.failure = ""
        self.told: Optional[Told] = None
        self._hold = HoldDown(hold_down)
        self._refusal = ""

    @property
    def key(self) -> Key:
        return (self.feed.interface, self.hop.address)

    @property
    def is_followed(self) -> bool:
        """Whether a switch tells a MAC for it now."""
        return self.told is not None and (self.told.mac is not None or bool(self.told.refusal))

    @property
    def is_held(self) -> bool:
        """Whether its MAC changed too often, and stays for that reason."""
        return self._hold.until is not None

    def configure(self, feed: FollowedFeed, hop: FollowedHop, hold_down: HoldDownSettings) -> None:
        """Settings were loaded anew: what is known stays."""
        self.feed, self.hop = feed, hop
        if self._hold.settings != hold_down:
            self._hold = HoldDown(hold_down)

    def adopt(self, mac: str, since: Optional[float]) -> bool:
        """The kernel has this already, from before this agent or from a deploy while no switch told any; whether it is fit to
        be kept as it is."""
        found = Mac(mac)
        if not found.is_unicast:
            return False
        self.mac, self.since = found, since
        return True

    def lose(self) -> None:
        """The switch's feed is lost: what is there stays."""
        self.told = None
        self._refusal = ""

    def hear(self, told: Told, own: AbstractSet[Mac], *, now: float, wall: float) -> bool:
        """The switch tells this; whether the kernel must be told. ``now`` is of a clock that never goes back, ``wall`` since the
        epoch."""
        self.told = told
        return self._follow(own, now=now, wall=wall)

    def look_again(self, own: AbstractSet[Mac], *, now: float, wall: float) -> bool:
        """Time has passed, or the POP's own MACs have changed; whether the kernel must be told."""
        ended = self._hold.ends(now)
        if self.told is None or self.is_held:
            return False
        return self._follow(own, now=now, wall=wall, is_counted=not ended)

    def release(self, own: AbstractSet[Mac], *, now: float, wall: float) -> bool:
        """Somebody wants the newest MAC at once; whether the kernel must be told."""
        self._hold.release()
        return self.told is not None and self._follow(own, now=now, wall=wall, is_counted=False)

    def _follow(self, own: AbstractSet[Mac], *, now: float, wall: float, is_counted: bool = True) -> bool:
        assert self.told is not None
        mac, self._refusal = self.told.mac, self.told.refusal
        if mac is None:
            return False
        self._refusal = refusal_of(mac, own, expected=self.hop.macs)
        if self._refusal or mac == self.mac:
            return False
        if self.mac is not None:
            if is_counted:
                was_held = self.is_held
                if not self._hold.admits(now):
                    self.holds += not was_held
                    return False
            self.changes += 1
        self.mac, self.since = mac, wall
        return True

    def describe(self, now: float) -> Tuple[str, str]:
        """Its state and the reason, for status."""
        if self.is_held:
            settings = self._hold.settings
            wanted = self.told.mac if self.told is not None else None
            return "held_down", (
                f"its MAC changed more than {settings.changes} times in {settings.period_s:g} s;"
                f" {self.feed.switch} tells {wanted or 'none'} now;"
                f" {math.ceil(self._hold.left_s(now))} s are left"
            )
        if self._refusal:
            return "refused", self._refusal
        rest = "unresolved" if self.mac is None else "kept"
        if self.failure:
            return rest, self.failure
        if self.told is None:
            return rest, f"the feed of {self.feed.switch} is down"
        if self.told.mac is None:
            return rest, f"{self.feed.switch} has no MAC for it ({self.told.state})"
        return "mirrored", ""

    def items(self) -> List[Dict[str, Any]]:
        """What the kernel is to have of it, as items in JSON; [] while no MAC is known."""
        if self.mac is None:
            return []
        address, place = self.hop.address, {"interface": self.feed.interface}
        neighbour = {"kind": "NeighbourItem", **place, "address": address, "mac": self.mac}
        if ":" in address:
            return [neighbour, {"kind": "RouteItem", **place, "prefix": f"{address}/128"}]
        return [neighbour, {"kind": "PeerItem", **place, "local": self.hop.local, "peer": address}]

    def as_json(self, now: float) -> Dict[str, Any]:
        """For the status file."""
        state, reason = self.describe(now)
        return {
            "address": self.hop.address,
            "interface": self.feed.interface,
            "switch": self.feed.switch,
            "provider": self.hop.provider,
            "circuit": self.hop.circuit,
            "mac": self.mac,
            "state": state,
            "reason": reason,
            "since": self.since,
            "changes": self.changes,
        }
