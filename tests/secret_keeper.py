"""Secrets by each of the inventory's schemes, kept for tests by the real programs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SCHEMES = ("file", "env", "age", "sops", "credential")
PATH = f"{Path(sys.executable).parent}:/usr/sbin:/sbin:/usr/bin:/bin"
"""sops stands beside the tests' own Python."""

_AS_SYSTEMD = """
umask 277
mount -t tmpfs -o mode=700 tmpfs /var/lib/systemd
systemd-creds --with-key=host --name="$1" encrypt - - | systemd-creds --name="$1" decrypt - "$2"
"""
"""A host key of its own, in the memory of a mount namespace: the machine's is neither used nor made."""


@dataclass
class Keeper:
    """Keeps secrets in ``folder``; ``environment`` is what netorch finds them by. ``as_systemd``: credentials are sealed and
    opened by systemd-creds, which takes root; else they lie where systemd would put them."""

    folder: Path
    as_systemd: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    _tree: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "credentials").mkdir(mode=0o700)
        run("age-keygen", "-o", str(self.identity))
        self.environment |= {
            "PATH": PATH,
            "SOPS_AGE_KEY_FILE": str(self.identity),
            "CREDENTIALS_DIRECTORY": str(self.folder / "credentials"),
        }

    @property
    def identity(self) -> Path:
        """The key that age and sops open their files with."""
        return self.folder / "keys.txt"

    def place(self, scheme: str, name: str) -> Path:
        """The file that holds the secret ``name``; for env there is none."""
        names = {"file": name, "age": f"{name}.age", "sops": "secrets.yml", "credential": f"credentials/{name}"}
        return self.folder / names[scheme]

    def reference(self, scheme: str, name: str) -> str:
        """What stands in the inventory."""
        if scheme in ("env", "credential"):
            return f"{scheme}:{name}"
        return f"{scheme}:{self.place(scheme, name)}" + (f"#bgp/{name}" if scheme == "sops" else "")

    def keep(self, scheme: str, name: str, value: str) -> None:
        """Keep ``value`` as the secret ``name``, in the place of what was kept so before."""
        if scheme == "env":
            self.environment[name] = value
            return
        path = self.place(scheme, name)
        path.unlink(missing_ok=True)
        if scheme == "age":
            run("age", "-r", self._public_key(), "-o", str(path), text=value)
        elif scheme == "sops":
            self._tree[name] = value
            self._write_sops(path)
        elif scheme == "credential" and self.as_systemd:
            run(
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-euc",
                _AS_SYSTEMD,
                "sh",
                name,
                str(path),
                text=value,
            )
        else:
            path.touch(mode=0o600)
            path.write_text(f"{value}\n", encoding="utf-8")

    def forget(self, name: str) -> None:
        """Take a value out of the file of sops."""
        del self._tree[name]
        self._write_sops(self.place("sops", name))

    def _write_sops(self, path: Path) -> None:
        plain = self.folder / "plain.json"
        plain.touch(mode=0o600)
        plain.write_text(json.dumps({"bgp": self._tree}), encoding="utf-8")
        key = self._public_key()
        path.write_text(run("sops", "encrypt", "--age", key, "--output-type", "yaml", str(plain)), encoding="utf-8")
        plain.unlink()

    def _public_key(self) -> str:
        return run("age-keygen", "-y", str(self.identity)).strip()


def run(*command: str, text: str = "") -> str:
    """What a program prints, given ``text``; nothing of that is in its arguments or its environment."""
    done = subprocess.run(command, input=text, env={"PATH": PATH}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return done.stdout
