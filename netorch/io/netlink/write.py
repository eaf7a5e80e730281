"""Changes of the kernel's network state, one request each, all idempotent; tagged with a protocol number.

Addresses are text, as the kernel's reader gives them. Every function raises OSError with the kernel's error number.
"""

from __future__ import annotations

import _socket
import errno
import struct

from netorch.io.netlink.read import (
    FRA_FWMARK,
    FRA_PRIORITY,
    FRA_PROTOCOL,
    FRA_TABLE,
    IFA_ADDRESS,
    IFA_F_PERMANENT,
    IFA_FLAGS,
    IFA_LOCAL,
    IFA_PROTO,
    IFLA_IFALIAS,
    NDA_DST,
    NDA_LLADDR,
    NDA_PROTOCOL,
    RTA_DST,
    RTA_OIF,
    TABLE_MAIN,
)
from netorch.io.netlink.wire import (
    AF_INET,
    AF_INET6,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    RTM_SETLINK,
    RouteSocket,
    attribute,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

IFA_F_NODAD = 0x02
NUD_PERMANENT = 0x80
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RTN_UNICAST = 1
FR_ACT_TO_TBL = 1
_GONE = (errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO)


def family_of(address: str) -> int:
    """AF_INET or AF_INET6."""
    return AF_INET6 if ":" in address else AF_INET


def put_address(
    kernel: RouteSocket, interface: str, *, local: str, length: int, peer: Optional[str], protocol: int
) -> None:
    """Give ``interface`` the address ``local/length``, or, with ``peer``, the pair ``local`` and ``peer/length``.

    An IPv6 address skips duplicate address detection: it is usable at once.
    """
    body = _address_body(interface, local, length=length, peer=peer)
    flags = IFA_F_PERMANENT | (IFA_F_NODAD if ":" in local else 0)
    body += attribute(IFA_FLAGS, struct.pack("=I", flags)) + attribute(IFA_PROTO, bytes((protocol,)))
    kernel.change(RTM_NEWADDR, body, flags=NLM_F_CREATE | NLM_F_REPLACE)


def drop_address(kernel: RouteSocket, interface: str, *, local: str, length: int, peer: Optional[str]) -> None:
    """Take an address away; nothing happens if it is not there."""
    _drop(kernel, RTM_DELADDR, lambda: _address_body(interface, local, length=length, peer=peer))


def _address_body(interface: str, local: str, *, length: int, peer: Optional[str]) -> bytes:
    family = family_of(local)
    scope = RT_SCOPE_UNIVERSE
    header = struct.pack("=BBBBI", family, length, 0, scope, _index(interface))
    own = _socket.inet_pton(family, local)
    other = _socket.inet_pton(family, peer) if peer is not None else own
    return header + attribute(IFA_LOCAL, own) + attribute(IFA_ADDRESS, other)


def put_neighbour(kernel: RouteSocket, interface: str, *, address: str, mac: str, protocol: int) -> None:
    """A permanent entry for ``address``, whatever was there before."""
    body = _neighbour_body(interface, address, state=NUD_PERMANENT)
    body += attribute(NDA_LLADDR, bytes.fromhex(mac.replace(":", ""))) + attribute(NDA_PROTOCOL, bytes((protocol,)))
    kernel.change(RTM_NEWNEIGH, body, flags=NLM_F_CREATE | NLM_F_REPLACE)


def drop_neighbour(kernel: RouteSocket, interface: str, *, address: str) -> None:
    """Take an entry away; nothing happens if it is not there."""
    _drop(kernel, RTM_DELNEIGH, lambda: _neighbour_body(interface, address, state=0))


def _neighbour_body(interface: str, address: str, *, state: int) -> bytes:
    family = family_of(address)
    header = struct.pack("=BBHiHBB", family, 0, 0, _index(interface), state, 0, 0)
    return header + attribute(NDA_DST, _socket.inet_pton(family, address))


def put_device_route(kernel: RouteSocket, interface: str, *, prefix: str, protocol: int) -> None:
    """A unicast route of the main table that makes ``prefix`` on-link, beside one through another interface. EEXIST where
    a route of that prefix, interface and metric is there already, whoever owns it."""
    # Not NLM_F_EXCL: it would also refuse the same prefix on a second interface.
    kernel.change(RTM_NEWROUTE, _route_body(interface, prefix, protocol=protocol), flags=NLM_F_CREATE)


def drop_device_route(kernel: RouteSocket, interface: str, *, prefix: str, protocol: int) -> None:
    """Take a route of ``protocol`` away; nothing happens if it is not there."""
    _drop(kernel, RTM_DELROUTE, lambda: _route_body(interface, prefix, protocol=protocol))


def _route_body(interface: str, prefix: str, *, protocol: int) -> bytes:
    destination, _, length = prefix.partition("/")
    family = family_of(destination)
    scope = RT_SCOPE_LINK if family == AF_INET else RT_SCOPE_UNIVERSE
    header = struct.pack("=BBBBBBBBI", family, int(length), 0, 0, TABLE_MAIN, protocol, scope, RTN_UNICAST, 0)
    index = struct.pack("=I", _index(interface))
    return header + attribute(RTA_DST, _socket.inet_pton(family, destination)) + attribute(RTA_OIF, index)


def put_rule(kernel: RouteSocket, family: int, *, priority: int, mark: int, table: int, protocol: int) -> None:
    """Packets with ``mark`` look into ``table``. EEXIST where the same rule is there already."""
    body = _rule_body(family, priority, mark=mark, table=table, protocol=protocol)
    kernel.change(RTM_NEWRULE, body, flags=NLM_F_CREATE | NLM_F_EXCL)


def drop_rule(kernel: RouteSocket, family: int, *, priority: int, mark: int, table: int, protocol: int) -> None:
    """Take a rule away; nothing happens if it is not there."""
    try:
        kernel.change(RTM_DELRULE, _rule_body(family, priority, mark=mark, table=table, protocol=protocol))
    except OSError as exc:
        if exc.errno not in _GONE:
            raise


def _rule_body(family: int, priority: int, *, mark: int, table: int, protocol: int) -> bytes:
    small = table if table < 256 else 0
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, small, 0, 0, FR_ACT_TO_TBL, 0)
    for kind, value in ((FRA_PRIORITY, priority), (FRA_FWMARK, mark), (FRA_TABLE, table)):
        body += attribute(kind, struct.pack("=I", value))
    return body + attribute(FRA_PROTOCOL, bytes((protocol,)))


def set_alias(kernel: RouteSocket, interface: str, *, alias: str) -> None:
    """Describe ``interface``; "" removes the description."""
    header = struct.pack("=BBHiII", 0, 0, 0, _index(interface), 0, 0)
    kernel.change(RTM_SETLINK, header + attribute(IFLA_IFALIAS, alias.encode() + (b"" if alias else b"\0")))


def _drop(kernel: RouteSocket, kind: int, body: Callable[[], bytes]) -> None:
    """Send a removal; what is not there, its interface included, is gone already."""
    try:
        kernel.change(kind, body())
    except OSError as exc:
        if exc.errno not in _GONE:
            raise


def _index(interface: str) -> int:
    try:
        return _socket.if_nametoindex(interface)
    except OSError:
        raise OSError(errno.ENODEV, f"there is no interface {interface}") from None
