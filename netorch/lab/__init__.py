"""The inventory as network namespaces with real daemons on this machine: ``lab_up``, ``lab_down`` and the like."""

from __future__ import annotations

from netorch.lab.machine import (
    NodeStatus,
    enter_command,
    exec_in,
    lab_down,
    lab_status,
    lab_up,
    log_files,
    restart_node,
    set_link,
    set_mac,
    set_service,
    start_node,
    stop_node,
)
from netorch.lab.nodes import ServiceStatus
from netorch.lab.rootfs import build_rootfses
from netorch.lab.routes import Announcement, announcements, expected_prefixes
from netorch.lab.settings import LabSettings, rootfs_folder
from netorch.lab.topology import INTERNET_NODE, delay_interface, provider_interface, switch_interface

__all__ = [
    "INTERNET_NODE",
    "Announcement",
    "LabSettings",
    "NodeStatus",
    "ServiceStatus",
    "announcements",
    "build_rootfses",
    "delay_interface",
    "enter_command",
    "exec_in",
    "expected_prefixes",
    "lab_down",
    "lab_status",
    "lab_up",
    "log_files",
    "provider_interface",
    "restart_node",
    "rootfs_folder",
    "set_link",
    "set_mac",
    "set_service",
    "start_node",
    "stop_node",
    "switch_interface",
]
