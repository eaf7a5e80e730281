"""Neighbour entries in a hurry: an interface's number is given, the message is made by hand.

``put_neighbour`` takes ten times as long, and every host of a POP writes at the same moment, when a provider's router is swapped.

Source: linux/neighbour.h.
"""

from __future__ import annotations

import os
import socket
import struct

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_ERROR
from pyroute2.netlink.rtnl import RTM_NEWNEIGH
from pyroute2.netlink.rtnl.ndmsg import NUD_FAILED, NUD_PERMANENT, NUD_PROBE

from netorch.io.netlink.route_socket import family_of

_NTF_USE = 1
_HEADER = struct.Struct("=IHHII")
_BODY = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")
_TIMEOUT_S = 5
_DST, _LLADDR, _PROTOCOL = 1, 2, 12


class NeighbourWriter:
    """A socket for changes of neighbours; events that they cause bear its ``port``.

    Every method raises OSError with the kernel's error number.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        # Not settimeout, which would ask the kernel before each message whether it may be sent or read.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _TIMEOUT_S, 0))
        self._socket.bind((0, 0))
        self.port = int(self._socket.getsockname()[0])
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def put(self, index: int, address: str, *, mac: str, protocol: int) -> None:
        """A permanent entry for ``address`` on the interface ``index``, whatever was there before."""
        attributes = _attribute(_LLADDR, bytes.fromhex(mac.replace(":", ""))) + _attribute(_PROTOCOL, bytes([protocol]))
        self._change(index, address, state=NUD_PERMANENT, flags=0, attributes=attributes, create=NLM_F_CREATE)

    def probe(self, index: int, address: str) -> None:
        """Let the kernel ask the neighbour whether it is still there; its MAC stays what the kernel has, meanwhile, too."""
        self._change(index, address, state=NUD_PROBE, flags=0, attributes=b"", create=0)

    def fail(self, index: int, address: str) -> None:
        """Let the kernel take the neighbour's MAC for wrong: whoever sends to it next looks for it anew."""
        self._change(index, address, state=NUD_FAILED, flags=0, attributes=b"", create=0)

    def resolve(self, index: int, address: str) -> None:
        """Let the kernel look for the neighbour, as if a packet were to be sent to it."""
        self._change(index, address, state=0, flags=_NTF_USE, attributes=b"", create=NLM_F_CREATE)

    def _change(self, index: int, address: str, *, state: int, flags: int, attributes: bytes, create: int) -> None:
        message = neighbour_message(index, address, state=state, flags=flags, attributes=attributes)
        self._sequence += 1
        length = _HEADER.size + len(message)
        request = NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | create
        self._socket.send(_HEADER.pack(length, RTM_NEWNEIGH, request, self._sequence, 0) + message)
        while True:
            answer = self._socket.recv(65536)
            _, kind, _, sequence, _ = _HEADER.unpack_from(answer)
            if kind == NLMSG_ERROR and sequence == self._sequence:
                (number,) = struct.unpack_from("=i", answer, _HEADER.size)
                if number:
                    raise OSError(-number, os.strerror(-number))
                return


def neighbour_message(index: int, address: str, *, state: int, flags: int, attributes: bytes) -> bytes:
    """An ndmsg with its destination and ``attributes``, without the netlink header."""
    family = family_of(address)
    destination = _attribute(_DST, socket.inet_pton(family, address))
    return _BODY.pack(family, index, state, flags, 0) + destination + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)
