"""What a switch knows of its providers' addresses, and what of it hosts are told. Pure."""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, FrozenSet, Iterable, List, Optional, Tuple

from netorch.agent.mirror.settings import ServedHop
from netorch.agent.mirror.wire import Told
from netorch.model.types import Mac
from netorch.plan.mirror import judge

ABSENT = "absent"


class Known:
    """One next hop as the switch's kernel has it. ``since``: when its MAC became what it is, in seconds since the epoch."""

    __slots__ = ("_last", "changes", "hop", "mac", "since", "state", "told")

    def __init__(self, hop: ServedHop) -> None:
        self.hop = hop
        self.mac: Optional[Mac] = None
        self.state = ABSENT
        self.since: Optional[float] = None
        self.changes = 0
        self.told = Told(hop.address, None, ABSENT)
        self._last: Optional[Mac] = None

    def see(self, mac: Optional[str], state: str, now: float) -> None:
        """The kernel's entry is now this. An entry that fails and comes back with its old MAC has not changed."""
        self.state = state
        if mac == self.mac:
            return
        self.mac = None if mac is None else Mac(mac)
        if self.mac is not None and self.mac != self._last:
            self.changes += self._last is not None
            self._last, self.since = self.mac, now

    def judge(self, own: AbstractSet[Mac]) -> bool:
        """Look at it anew; whether hosts must be told."""
        sighting = judge(self.mac, self.state, own, expected=self.hop.macs)
        before = self.told
        if (sighting.mac, sighting.refusal) == (before.mac, before.refusal):
            return False
        self.told = Told(self.hop.address, sighting.mac, sighting.state, sighting.refusal)
        return True

    def as_json(self) -> Dict[str, Any]:
        """For the status file."""
        return {
            "address": self.hop.address,
            "interface": self.hop.interface,
            "provider": self.hop.provider,
            "circuit": self.hop.circuit,
            "mac": self.mac,
            "state": self.state,
            "since": self.since,
            "changes": self.changes,
            "refusal": self.told.refusal,
        }


class Table:
    """Every next hop of a switch, and the POP's own MACs, which are no provider's."""

    def __init__(self) -> None:
        self.known: Dict[Tuple[str, str], Known] = {}
        self.own: FrozenSet[Mac] = frozenset()
        self._by_address: Dict[str, Known] = {}

    def replace(self, hops: Iterable[ServedHop]) -> None:
        """These are the next hops now; what is known of those that stay, stays."""
        old, self.known = self.known, {}
        for hop in hops:
            key = (hop.interface, hop.address)
            known = old.get(key) or Known(hop)
            known.hop = hop
            self.known[key] = known
        self._by_address = {known.hop.address: known for known in self.known.values()}

    def judge(self, some: Iterable[Known]) -> List[Told]:
        """What hosts must be told after ``some`` were seen, or their settings changed."""
        return [known.told for known in some if known.judge(self.own)]

    def judge_all(self) -> List[Told]:
        """The same of everything."""
        return self.judge(self.known.values())

    def told(self, addresses: AbstractSet[str]) -> List[Told]:
        """What a host that may know ``addresses`` is told at first."""
        return [known.told for address, known in self._by_address.items() if address in addresses]

    def restore(self, entries: Iterable[Dict[str, Any]]) -> None:
        """What the agent before this one wrote in its status: since when MACs are what they are still."""
        before = {(entry.get("interface"), entry.get("address")): entry for entry in entries}
        for key, known in self.known.items():
            entry = before.get(key)
            if entry is not None and known.mac is not None and entry.get("mac") == known.mac:
                known.since = _number(entry.get("since"), known.since)
                known.changes = int(_number(entry.get("changes"), 0.0) or 0)


def _number(found: Any, default: Optional[float]) -> Optional[float]:
    return float(found) if type(found) in (int, float) else default
