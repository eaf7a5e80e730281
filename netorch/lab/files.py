"""The files of a node before its first start: what an installer leaves on a device, and what the lab's own nodes run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from netorch.lab.daemons import BIRD_CONFIGURATION, LAB_FOLDER
from netorch.lab.plan import DEVICE_KINDS, STATION, VALIDATOR, LabPlan, Node
from netorch.model.conventions import CONFIGURATIONS, FRR_DAEMONS

# As Debian's package leaves it: the daemon starts and talks to nobody.
FRESH_BIRD = """# Basic configuration: lets the daemon start and does nothing else.
log syslog all;

protocol device {
}

protocol direct {
	disabled;
	ipv4;
	ipv6;
}

protocol kernel {
	ipv4 {
		export all;
	};
}

protocol kernel {
	ipv6 { export all; };
}

protocol static {
	ipv4;
}
"""

# As Debian's package leaves them, but that the daemons of a border are on.
_FRESH_FRR = {
    CONFIGURATIONS["frr"]: "log syslog informational\n",
    "/etc/frr/vtysh.conf": "service integrated-vtysh-config\n",
    FRR_DAEMONS: """bgpd=yes
bfdd=yes
ospfd=no
ospf6d=no
ripd=no
ripngd=no

vtysh_enable=yes
zebra_options="  -A 127.0.0.1 -s 90000000"
mgmtd_options="  -A 127.0.0.1"
bgpd_options="   -A 127.0.0.1"
ospfd_options="  -A 127.0.0.1"
ospf6d_options=" -A ::1"
ripd_options="   -A 127.0.0.1"
ripngd_options=" -A ::1"
staticd_options="-A 127.0.0.1"
bfdd_options="   -A 127.0.0.1"
""",
}

# Folders of a routing daemon's own user.
_OWNERS = {"/etc/bird/": "bird", "/etc/frr/": "frr"}

_SSHD = """ListenAddress {address}
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
SetEnv PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
Subsystem sftp internal-sftp
"""

# What a device must not see of this machine: keys, homes, logs.
_HIDDEN = ("root", "home", "etc/ssh", "etc/bird", "etc/frr", "var/log")


def write_node(folder: Path, plan: LabPlan, node: Node, *, root: Path, extra: Mapping[str, str]) -> None:
    """Fill ``folder/upper``, which will lie on ``root``. ``extra`` maps absolute paths to texts; those in the folder of a routing
    daemon belong to its user.
    """
    upper = folder / "upper"
    for part in ("root", "work", "upper"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    upper.chmod(0o755)  # it becomes the node's /
    for name in _HIDDEN:
        (upper / name).mkdir(parents=True)
        (upper / name).chmod(0o700 if name == "root" else 0o755)
        os.setxattr(upper / name, "trusted.overlay.opaque", b"y")
    texts = {
        "/etc/hostname": f"{node.name}\n",
        "/etc/hosts": _hosts(plan, node),
        f"{LAB_FOLDER}/supervisor.py": _program("supervisor.py"),
        f"{LAB_FOLDER}/node.json": json.dumps(
            {"services": [vars(service) for service in node.services]}, sort_keys=True
        ),
        **_fresh_daemon(node),
        **extra,
    }
    users = _users(root)
    for path, text in texts.items():
        write_file(upper, path, text, users=users)
    for daemon_folder, user in _OWNERS.items():
        if user in users:
            os.chown(upper / daemon_folder.strip("/"), *users[user])
            (upper / daemon_folder.strip("/")).chmod(0o750)


def _fresh_daemon(node: Node) -> Mapping[str, str]:
    if any(service.name == "bgpd" for service in node.services):
        return {**_FRESH_FRR, f"{LAB_FOLDER}/frr.sh": _program("frr.sh")}
    if node.kind in (STATION, VALIDATOR):
        return {}
    return {BIRD_CONFIGURATION: FRESH_BIRD, "/etc/bird/envvars": "BIRD_RUN_USER=bird\nBIRD_RUN_GROUP=bird\n"}


def _users(root: Path) -> dict[str, tuple[int, int]]:
    """User and group ids by name, as ``root`` has them."""
    lines = (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
    return {words[0]: (int(words[2]), int(words[3])) for words in (line.split(":") for line in lines)}


def sshd_files(node: Node, *, root: Path, host_key: str, host_key_public: str, authorized_key: str) -> dict[str, str]:
    """What a device's sshd needs."""
    return {
        "/etc/ssh/sshd_config": _SSHD.format(address=node.address),
        "/etc/ssh/ssh_host_ed25519_key": host_key,
        "/etc/ssh/ssh_host_ed25519_key.pub": host_key_public,
        "/root/.ssh/authorized_keys": f"{authorized_key}\n",
        "/etc/shadow": _shadow_with_root((root / "etc/shadow").read_text(encoding="utf-8")),
    }


def internet_programs() -> dict[str, str]:
    """The programs of the Internet's node."""
    return {f"{LAB_FOLDER}/{name}.py": _program(f"{name}.py") for name in ("delay", "responder")}


def boot_program() -> Path:
    """The program that starts a node; it runs on this machine."""
    return Path(str(resources.files("netorch.lab.inside").joinpath("boot.py")))


def write_file(upper: Path, path: str, text: str, *, users: Mapping[str, tuple[int, int]]) -> None:
    """Write one file of a node, with the owner and mode that such a file has on a Debian machine."""
    target = upper / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    private = path.startswith((*_OWNERS, "/root/", "/etc/exabgp", "/etc/gobgp", "/etc/shadow"))
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")
    mode = 0o600 if path.endswith("_key") else 0o640 if private else 0o644
    target.chmod(mode)
    for daemon_folder, user in _OWNERS.items():
        if path.startswith(daemon_folder):
            os.chown(target, *users[user])


def _program(name: str) -> str:
    return resources.files("netorch.lab.inside").joinpath(name).read_text(encoding="utf-8")


def _hosts(plan: LabPlan, node: Node) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    if node.kind in DEVICE_KINDS:
        lines += [f"{other.address} {other.name}" for other in plan.nodes if other.address]
    return "\n".join(lines) + "\n"


def _shadow_with_root(text: str) -> str:
    """A locked root account, as cloud images have it, would keep keys out too: without a password, but not locked."""
    rest = [line for line in text.splitlines() if not line.startswith("root:")]
    return "\n".join(["root:*:19000:0:99999:7:::", *rest]) + "\n"
