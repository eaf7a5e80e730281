"""Where things are on a device."""

from __future__ import annotations

from netorch.model.conventions import STATE_FOLDER

STATE = STATE_FOLDER

GENERATIONS = f"{STATE}/generations"
PENDING = f"{STATE}/pending"
OVERLAY = f"{STATE}/overlay.json"
LOCK = f"{STATE}/lock"
UNDONE = f"{STATE}/undone.json"
BOOT = f"{STATE}/boot"
MIRRORED = f"{STATE}/mirrored.json"
VALIDATORS = f"{STATE}/validators.json"
SETTINGS = "/etc/netorch"

PROGRAMS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/sbin", "/bin")
