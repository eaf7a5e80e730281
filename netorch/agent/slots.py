"""Kernel items as slots: a document that says what one place in the kernel is to hold, or that it is to be empty.

What a change wants and what it found there have the same shape, so that undoing it is putting back what was found, whether
or not the change got that far. The shapes, by ``slot``:

``address``    interface, local, length, peer (None: no pair), protocol (None: empty)
``neighbour``  interface, address, mac, protocol (None: empty)
``route``      interface, prefix, protocol (None: empty)
``rules``      family, priority, rules: mark and table of each of netorch's rules with this priority
``alias``      interface, alias
``sysctl``     name, value
"""

from __future__ import annotations

import errno
import os

from netorch.agent.eos import describe_interface, eos_cli
from netorch.agent.files import read_sysctl, write_sysctl
from netorch.agent.operations import full_length, plain_address, plain_mac, plain_prefix
from netorch.agent.outcome import Refused
from netorch.io.netlink import addresses, neighbours, routes, rules
from netorch.io.netlink.route_socket import AF_INET, AF_INET6, RouteSocket
from netorch.model.conventions import KERNEL_PROTOCOL as OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional

    from netorch.agent.operations import Item, Operation
    from netorch.io.netlink.links import LinkEntry

    Slot = Dict[str, Any]

_KERNELS = {"address": "5.18", "neighbour": "5.0", "rules": "4.17"}
"""The first Linux that keeps a protocol number for each (IFA_PROTO, NDA_PROTOCOL, FRA_PROTOCOL)."""


def slots_of(operation: Operation) -> List[Slot]:
    """What the kernel is to hold after ``operation``, in the order of putting it there; [] if it is none of the kernel's."""
    wanted = slot_of(operation["item"])
    if wanted is None:
        return []
    if operation["action"] == "remove":
        return [_emptied(wanted)]
    before = slot_of(operation["before"]) if operation["before"] is not None else None
    if before is not None and _place(before) != _place(wanted):
        return [_emptied(before), wanted]
    return [wanted]


def slot_of(item: Item) -> Optional[Slot]:
    """The slot that ``item`` fills; None for what is not kept by the kernel. Refused where it names no address."""
    fill = _SLOTS.get(item["kind"])
    return fill(item) if fill is not None else None


def _own_address(item: Item) -> Slot:
    local, _, length = plain_prefix(item["address"]).partition("/")
    return _address(item["interface"], local, length=int(length), peer=None)


def _pair(item: Item) -> Slot:
    local, peer = plain_address(item["local"]), plain_address(item["peer"])
    return _address(item["interface"], local, length=full_length(peer), peer=peer)


def _neighbour(item: Item) -> Slot:
    address, mac = plain_address(item["address"]), plain_mac(item["mac"])
    return {"slot": "neighbour", "interface": item["interface"], "address": address, "mac": mac, "protocol": OWN}


def _route(item: Item) -> Slot:
    return {"slot": "route", "interface": item["interface"], "prefix": plain_prefix(item["prefix"]), "protocol": OWN}


def _rule(item: Item) -> Slot:
    family = AF_INET if item["family"] == "ipv4" else AF_INET6
    rules = [[item["mark"], item["table"]]]
    return {"slot": "rules", "family": family, "priority": item["priority"], "rules": rules}


def _alias(item: Item) -> Slot:
    return {"slot": "alias", "interface": item["interface"], "alias": item["alias"]}


def _sysctl(item: Item) -> Slot:
    return {"slot": "sysctl", "name": item["name"], "value": " ".join(item["value"].split())}


_SLOTS: Dict[str, Callable[[Item], Slot]] = {
    "AddressItem": _own_address,
    "PeerItem": _pair,
    "NeighbourItem": _neighbour,
    "RouteItem": _route,
    "RuleItem": _rule,
    "AliasItem": _alias,
    "SysctlItem": _sysctl,
}


def _address(interface: str, local: str, *, length: int, peer: Optional[str]) -> Slot:
    return {
        "slot": "address",
        "interface": interface,
        "local": local,
        "length": length,
        "peer": peer,
        "protocol": OWN,
    }


def is_mirrored(slot: Slot) -> bool:
    """Whether this is what the mirror puts into the kernel: a neighbour, and what makes its address reachable."""
    return slot["slot"] in ("neighbour", "route") or (slot["slot"] == "address" and slot["peer"] is not None)


def _emptied(slot: Slot) -> Slot:
    if slot["slot"] == "rules":
        return {**slot, "rules": []}
    if slot["slot"] == "neighbour":
        return {**slot, "mac": None, "protocol": None}
    return {**slot, "protocol": None}


def _place(slot: Slot) -> str:
    values = ("slot", "interface", "local", "length", "peer", "address", "prefix", "family", "priority", "name")
    return repr([slot.get(name) for name in values])


class Snapshot:
    """What the kernel holds at one moment in the tables that some slots are about."""

    def __init__(self, kernel: RouteSocket, slots: List[Slot]) -> None:
        kinds = {slot["slot"] for slot in slots}
        self._addresses = addresses.read_addresses(kernel) if "address" in kinds else []
        self._neighbours = neighbours.read_neighbours(kernel) if "neighbour" in kinds else []
        self._routes = routes.read_device_routes(kernel, protocol=OWN) if "route" in kinds else []
        self._rules = rules.read_rules(kernel) if "rules" in kinds else []
        self._links = _read_links(kernel) if "alias" in kinds else []

    def of(self, slot: Slot) -> Slot:
        """``slot`` as it is found."""
        kind = slot["slot"]
        if kind == "address":
            return {**slot, "protocol": self._address_protocol(slot)}
        if kind == "neighbour":
            return self._neighbour(slot)
        if kind == "route":
            found = any(r.interface == slot["interface"] and r.prefix == slot["prefix"] for r in self._routes)
            return {**slot, "protocol": OWN if found else None}
        if kind == "rules":
            own = [r for r in self._rules if r.protocol == OWN and r.family == slot["family"]]
            return {**slot, "rules": sorted([r.mark, r.table] for r in own if r.priority == slot["priority"])}
        if kind == "alias":
            return {**slot, "alias": next((k.alias for k in self._links if k.name == slot["interface"]), "")}
        return {**slot, "value": read_sysctl(slot["name"])}

    def _address_protocol(self, slot: Slot) -> Optional[int]:
        for found in self._addresses:
            place = (found.interface, found.local, found.length, found.peer)
            if place == (slot["interface"], slot["local"], slot["length"], slot["peer"]):
                return found.protocol
        return None

    def _neighbour(self, slot: Slot) -> Slot:
        """Only a permanent entry counts: the kernel learns the others anew by itself."""
        for found in self._neighbours:
            if (found.interface, found.address) == (slot["interface"], slot["address"]) and found.state == "permanent":
                return {**slot, "mac": found.mac, "protocol": found.protocol}
        return _emptied(slot)


def refuse_impossible(slots: List[Slot], snapshot: Snapshot) -> List[str]:
    """Refuse what cannot work, before anything is changed; remarks on what will be replaced."""
    notes = []
    for slot in slots:
        found = snapshot.of(slot)
        empties = slot.get("protocol", OWN) is None
        if slot["slot"] == "sysctl" and found["value"] is None:
            raise Refused(f"this kernel has no sysctl {slot['name']}")
        if "interface" in slot and not empties and not os.path.exists(f"/proc/sys/net/ipv4/conf/{slot['interface']}"):
            raise Refused(f"there is no interface {slot['interface']} for {describe(slot)}")
        if slot["slot"] in ("address", "neighbour") and found["protocol"] not in (None, OWN) and not empties:
            held = found.get("mac") or f"protocol {found['protocol']}"
            notes.append(f"{describe(slot)} was there already, not netorch's ({held}); it is netorch's now")
    return notes


def put(kernel: RouteSocket, slot: Slot, *, found: Slot) -> None:
    """Make the kernel hold ``slot`` where it now holds ``found``; does nothing where both are the same.

    Raises OSError, with a text that names the slot.
    """
    if slot == found or _is_foreign(slot, found):
        return
    try:
        _put(kernel, slot, found)
    except OSError as exc:
        raise OSError(exc.errno, f"{describe(slot)}: {exc.strerror}") from None


def _is_foreign(slot: Slot, found: Slot) -> bool:
    """Whether ``slot`` is to be emptied of what is not netorch's."""
    return slot.get("protocol", OWN) is None and found["protocol"] != OWN


def _put(kernel: RouteSocket, slot: Slot, found: Slot) -> None:
    kind = slot["slot"]
    if kind == "sysctl":
        write_sysctl(slot["name"], slot["value"])
    elif kind == "alias":
        _set_alias(kernel, slot)
    elif kind == "rules":
        family, priority = slot["family"], slot["priority"]
        for mark, table in (rule for rule in slot["rules"] if rule not in found["rules"]):
            rules.put_rule(kernel, family, priority=priority, mark=mark, table=table, protocol=OWN)
        for mark, table in (rule for rule in found["rules"] if rule not in slot["rules"]):
            rules.drop_rule(kernel, family, priority=priority, mark=mark, table=table, protocol=OWN)
    elif kind == "neighbour":
        _put_neighbour(kernel, slot)
    elif kind == "address":
        _put_address(kernel, slot)
    else:
        _put_route(kernel, slot)


def _read_links(kernel: RouteSocket) -> List[LinkEntry]:
    from netorch.io.netlink.links import read_links  # takes as long to import as the others together

    return read_links(kernel, counters=False)


def load_for(slots: Iterable[Slot]) -> None:
    """Import now what putting ``slots`` takes beside this module, which not every change pays for."""
    if any(slot["slot"] == "alias" for slot in slots):
        import netorch.io.netlink.links  # noqa: F401


def _set_alias(kernel: RouteSocket, slot: Slot) -> None:
    from netorch.io.netlink.links import set_alias

    # The kernel first: whatever EOS says to a label that is undone, the kernel has the former one.
    set_alias(kernel, slot["interface"], alias=slot["alias"])
    cli = eos_cli()
    if cli is not None:
        describe_interface(cli, slot["interface"], slot["alias"])


def _put_neighbour(kernel: RouteSocket, slot: Slot) -> None:
    interface, address = slot["interface"], slot["address"]
    if slot["protocol"] in (None, 0):  # the kernel keeps the number of an entry that is replaced by one without
        neighbours.drop_neighbour(kernel, interface, address=address)
    if slot["protocol"] is not None:
        neighbours.put_neighbour(kernel, interface, address=address, mac=slot["mac"], protocol=slot["protocol"])


def _put_address(kernel: RouteSocket, slot: Slot) -> None:
    interface, local, length, peer = slot["interface"], slot["local"], slot["length"], slot["peer"]
    if slot["protocol"] is None:
        addresses.drop_address(kernel, interface, local=local, length=length, peer=peer)
    else:
        protocol = slot["protocol"]
        addresses.put_address(kernel, interface, local=local, length=length, peer=peer, protocol=protocol)


def _put_route(kernel: RouteSocket, slot: Slot) -> None:
    interface, prefix = slot["interface"], slot["prefix"]
    if slot["protocol"] is None:
        routes.drop_device_route(kernel, interface, prefix=prefix, protocol=OWN)
        return
    try:
        routes.put_device_route(kernel, interface, prefix=prefix, protocol=OWN)
    except OSError as exc:
        if exc.errno == errno.EEXIST:
            raise OSError(exc.errno, "a route that is not netorch's is there already") from None
        raise


def differences(kernel: RouteSocket, slots: List[Slot]) -> List[str]:
    """Where the kernel does not hold what was put there, in words; [] when all is as it should be."""
    wanted = {_place(slot): slot for slot in slots}
    snapshot = Snapshot(kernel, slots)
    wrong = []
    for slot in wanted.values():
        found = snapshot.of(slot)
        if found == slot or _is_foreign(slot, found):
            continue
        since = _KERNELS.get(slot["slot"])
        if found.get("protocol") == 0 and since:
            release = os.uname().release
            wrong.append(f"{describe(slot)}: Linux {release} keeps no protocol number for it, {since} or later does")
        else:
            wrong.append(f"{describe(slot)}: not as it was set, found {_value(found)}")
    return wrong


def describe(slot: Slot) -> str:
    """A slot in the operator's words."""
    kind = slot["slot"]
    if kind == "address":
        if slot["peer"] is not None:
            return f"peer {slot['peer']} of {slot['local']} on {slot['interface']}"
        return f"address {slot['local']}/{slot['length']} on {slot['interface']}"
    if kind == "neighbour":
        return f"neighbour {slot['address']} on {slot['interface']}"
    if kind == "route":
        return f"route {slot['prefix']} through {slot['interface']}"
    if kind == "rules":
        return f"IPv{4 if slot['family'] == AF_INET else 6} rule {slot['priority']}"
    if kind == "alias":
        return f"alias of {slot['interface']}"
    return f"sysctl {slot['name']}"


def _value(found: Slot) -> str:
    for name in ("value", "alias", "rules", "mac"):
        if name in found:
            return repr(found[name])
    return "nothing" if found["protocol"] is None else f"protocol {found['protocol']}"
