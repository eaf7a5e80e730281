"""A routing daemon's answers as text -> ``netorch.model.state``. No I/O but the templates.

``parse_command`` serves ``netorch parse``; the other functions are for those who know what they asked.
"""

from netorch.parse.commands import SUPPORTED, parse_command
from netorch.parse.daemon import parse_eval, parse_memory, parse_status
from netorch.parse.framing import ReplyError, read_reply
from netorch.parse.interfaces import parse_bfd_sessions, parse_interface_summary, parse_interfaces
from netorch.parse.neighbours import parse_ospf_neighbors, parse_rip_neighbors
from netorch.parse.protocols import parse_protocols
from netorch.parse.routes import parse_route_counts, parse_routes

__all__ = [
    "SUPPORTED",
    "ReplyError",
    "parse_bfd_sessions",
    "parse_command",
    "parse_eval",
    "parse_interface_summary",
    "parse_interfaces",
    "parse_memory",
    "parse_ospf_neighbors",
    "parse_protocols",
    "parse_rip_neighbors",
    "parse_route_counts",
    "parse_routes",
    "parse_status",
    "read_reply",
]
