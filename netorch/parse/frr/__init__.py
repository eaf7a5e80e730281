"""FRR's JSON, and its ``show version``, as vtysh prints them -> the same values that BIRD's answers yield."""

from netorch.parse.frr.answer import FrrError, read_version
from netorch.parse.frr.links import read_bfd_sessions, read_interfaces
from netorch.parse.frr.neighbours import (
    read_ospf6_neighbors,
    read_ospf_neighbors,
    read_rip_neighbors,
    read_ripng_neighbors,
)
from netorch.parse.frr.routes import read_bgp_routes, read_routes
from netorch.parse.frr.sessions import read_neighbors, read_summary

__all__ = [
    "FrrError",
    "read_bfd_sessions",
    "read_bgp_routes",
    "read_interfaces",
    "read_neighbors",
    "read_ospf6_neighbors",
    "read_ospf_neighbors",
    "read_rip_neighbors",
    "read_ripng_neighbors",
    "read_routes",
    "read_summary",
    "read_version",
]
