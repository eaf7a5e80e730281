"""Where things are on a device. Everything below STATE is root's alone, since configurations hold passwords."""

from __future__ import annotations

STATE = "/var/lib/netorch"
GENERATIONS = f"{STATE}/generations"
PENDING = f"{STATE}/pending"
OVERLAY = f"{STATE}/overlay.json"
LOCK = f"{STATE}/lock"
UNDONE = f"{STATE}/undone.json"
BOOT = f"{STATE}/boot"
SETTINGS = "/etc/netorch"

BIRD_SOCKET = "/run/bird/bird.ctl"
BIRD_CONFIGURATION = "/etc/bird/bird.conf"
PROGRAMS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/sbin", "/bin")
