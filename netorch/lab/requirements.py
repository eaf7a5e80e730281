"""What the lab needs of this machine, looked at before anything is made."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from netorch.errors import NetorchError
from netorch.lab.plan import OWN_ROOT
from netorch.lab.rootfs import check_rootfses, rootfs_for
from netorch.lab.settings import LabSettings
from netorch.lab.topology import ROOT_ADDRESS, impaired, played, speaker_of
from netorch.lab.validators import PROGRAM as VALIDATOR_PROGRAM
from netorch.lab.validators import validators_of
from netorch.model.inventory import Inventory

_PROGRAMS = (
    "ip",
    "mount",
    "umount",
    "nsenter",
    "sysctl",
    "ssh-keygen",
    "/usr/sbin/sshd",
    "/usr/sbin/bird",
    "/usr/bin/python3",
)
_FRR = ("/bin/bash", "/usr/bin/vtysh", "/usr/lib/frr/zebra")
_SPEAKERS = {"gobgp": ("/usr/bin/gobgpd", "/usr/bin/gobgp")}


def check_requirements(inventory: Inventory, settings: LabSettings) -> None:
    """Raise NetorchError, naming everything that is missing and how to get it."""
    if os.geteuid() != 0:
        raise NetorchError("the lab makes namespaces and needs root", where="lab", hint="sudo netorch lab up")
    speakers = {speaker_of(inventory, provider.name).speaker for provider in played(inventory)}
    wanted = [*_PROGRAMS, *(program for speaker in speakers for program in _SPEAKERS.get(speaker, ()))]
    if validators_of(inventory):
        wanted.append(VALIDATOR_PROGRAM)
    if "exabgp" in speakers:
        wanted.append(settings.exabgp)
    roots = {(device.daemon, rootfs_for(device.daemon, device.version)) for device in inventory.devices}
    if ("frr", OWN_ROOT) in roots:
        wanted += _FRR
    check_rootfses(settings.rootfs, [root for _, root in roots])
    missing = [program for program in wanted if shutil.which(program) is None]
    try:
        pwd.getpwnam("bird")
    except KeyError:
        missing.append("the user bird")
    if missing:
        raise NetorchError(f"not installed: {', '.join(missing)}", where="lab", hint="./dev setup")
    _check_kernel(inventory)


def _check_kernel(inventory: Inventory) -> None:
    systems = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if "overlay" not in systems and not Path("/sys/module/overlay").exists():
        modprobe = shutil.which("modprobe")
        if modprobe is None or subprocess.run([modprobe, "-q", "overlay"], check=False).returncode != 0:
            raise NetorchError("the kernel has no overlayfs", where="lab", hint="modprobe overlay, or another kernel")
    if any(impaired(speaker_of(inventory, provider.name)) for provider in played(inventory)):
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR))
        except OSError as exc:
            raise NetorchError(
                f"/dev/net/tun cannot be opened: {exc.strerror}",
                where="lab",
                hint="modprobe tun; in a container, pass the device in",
            ) from exc


def check_addresses(addresses: str, bridge: str) -> None:
    """Raise NetorchError if another interface has the lab's own address. ``addresses`` is ``ip -br -4 addr``."""
    for line in addresses.splitlines():
        words = line.split()
        if f"{ROOT_ADDRESS}/15" in words and words[0] != bridge:
            raise NetorchError(
                f"{ROOT_ADDRESS} is on {words[0]}, and the lab needs it",
                where="lab",
                hint="take the other lab down first",
            )
