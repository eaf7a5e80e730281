"""The files of a node before its first start: what an installer leaves on a device, and what the lab's own nodes run."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from netorch.lab.daemons import BIRD_CONFIGURATION, LAB_FOLDER
from netorch.lab.plan import DEVICE_KINDS, LabPlan, Node

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
_HIDDEN = ("root", "home", "etc/ssh", "etc/bird", "var/log")


def write_node(folder: Path, plan: LabPlan, node: Node, *, extra: Mapping[str, str]) -> None:
    """Fill ``folder/upper``. ``extra`` maps absolute paths to texts; those in /etc/bird belong to bird."""
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
        f"{LAB_FOLDER}/supervisor.py": _program("supervisor"),
        f"{LAB_FOLDER}/node.json": json.dumps(
            {"services": [vars(service) for service in node.services]}, sort_keys=True
        ),
        BIRD_CONFIGURATION: FRESH_BIRD,
        "/etc/bird/envvars": "BIRD_RUN_USER=bird\nBIRD_RUN_GROUP=bird\n",
        **extra,
    }
    for path, text in texts.items():
        write_file(upper, path, text)
    bird = pwd.getpwnam("bird")
    os.chown(upper / "etc/bird", bird.pw_uid, bird.pw_gid)
    (upper / "etc/bird").chmod(0o750)


def sshd_files(node: Node, *, host_key: str, host_key_public: str, authorized_key: str) -> dict[str, str]:
    """What a device's sshd needs."""
    return {
        "/etc/ssh/sshd_config": _SSHD.format(address=node.address),
        "/etc/ssh/ssh_host_ed25519_key": host_key,
        "/etc/ssh/ssh_host_ed25519_key.pub": host_key_public,
        "/root/.ssh/authorized_keys": f"{authorized_key}\n",
        "/etc/shadow": _shadow_with_root(Path("/etc/shadow").read_text(encoding="utf-8")),
    }


def internet_programs() -> dict[str, str]:
    """The programs of the Internet's node."""
    return {f"{LAB_FOLDER}/{name}.py": _program(name) for name in ("delay", "responder")}


def boot_program() -> Path:
    """The program that starts a node; it runs on this machine."""
    return Path(str(resources.files("netorch.lab.inside").joinpath("boot.py")))


def write_file(upper: Path, path: str, text: str) -> None:
    """Write one file of a node, with the owner and mode that such a file has on a Debian machine."""
    target = upper / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    private = path.startswith(("/etc/bird/", "/root/", "/etc/exabgp", "/etc/gobgp", "/etc/shadow"))
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")
    mode = 0o600 if path.endswith("_key") else 0o640 if private else 0o644
    target.chmod(mode)
    if path.startswith("/etc/bird/"):
        bird = pwd.getpwnam("bird")
        os.chown(target, bird.pw_uid, bird.pw_gid)


def _program(name: str) -> str:
    return resources.files("netorch.lab.inside").joinpath(f"{name}.py").read_text(encoding="utf-8")


def _hosts(plan: LabPlan, node: Node) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    if node.kind in DEVICE_KINDS:
        lines += [f"{other.address} {other.name}" for other in plan.nodes if other.address]
    return "\n".join(lines) + "\n"


def _shadow_with_root(text: str) -> str:
    """A locked root account, as cloud images have it, would keep keys out too: without a password, but not locked."""
    rest = [line for line in text.splitlines() if not line.startswith("root:")]
    return "\n".join(["root:*:19000:0:99999:7:::", *rest]) + "\n"
