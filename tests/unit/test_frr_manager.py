"""Who else writes FRR's configuration, told from files like those of vendors' systems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from netorch.agent.frr_manager import refuse_foreign_manager
from netorch.agent.outcome import Refused

IGNORING = """- header:
    model: vx
    nvue-api-version: nvue_v1
- set:
    system:
      config:
        apply:
          ignore:
            /etc/frr/frr.conf: {}
            '/etc/frr/daemons': {}
          overwrite: all
      hostname: leaf01
"""


def put(root: Path, path: str, text: str = "") -> None:
    """A file below a made-up root."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def enable(root: Path, *units: str, by: str = "multi-user.target.wants") -> None:
    """Units that systemd starts."""
    for unit in units:
        folder = root / "etc/systemd/system" / by
        folder.mkdir(parents=True, exist_ok=True)
        (folder / unit).symlink_to(f"/lib/systemd/system/{unit}")


def sonic(root: Path, tables: Mapping[str, Any] | None = None, **metadata: Any) -> None:
    """A SONiC whose saved configuration says this."""
    document = {"DEVICE_METADATA": {"localhost": {"hwsku": "made-up", **metadata}}, **(tables or {})}
    put(root, "etc/sonic/config_db.json", json.dumps(document))


def refusal(root: Path) -> Refused:
    """Why netorch keeps its hands off; it changes nothing in finding out."""
    before = sorted(root.rglob("*"))
    with pytest.raises(Refused) as refused:
        refuse_foreign_manager(str(root))
    assert sorted(root.rglob("*")) == before
    return refused.value


def test_plain_linux_is_nobodys(tmp_path: Path) -> None:
    """Debian with FRR's own packages; its configuration is there already."""
    refuse_foreign_manager(str(tmp_path))
    put(tmp_path, "etc/frr/frr.conf", "frr version 8.4.4\nfrr defaults traditional\n")
    enable(tmp_path, "frr.service", "ssh.service")
    refuse_foreign_manager(str(tmp_path))


@pytest.mark.parametrize("mode", [None, "separated", "unified", "split"])
def test_sonic_writes_it_unless_told_otherwise(tmp_path: Path, mode: str | None) -> None:
    """Only one of its modes leaves a single file to others."""
    sonic(tmp_path, None, **({} if mode is None else {"docker_routing_config_mode": mode}))
    error = refusal(tmp_path)
    assert f"docker_routing_config_mode is {mode or 'not set'}, expected split-unified" in error.message
    assert error.message.startswith("/etc/sonic/config_db.json: ")
    assert "docker_routing_config_mode to split-unified" in error.hint


@pytest.mark.parametrize("value", ["true", True])
def test_sonics_management_framework_writes_it_in_any_mode(tmp_path: Path, value: Any) -> None:
    """Its frrcfgd types into the running daemons."""
    sonic(tmp_path, docker_routing_config_mode="split-unified", frr_mgmt_framework_config=value)
    error = refusal(tmp_path)
    assert "frr_mgmt_framework_config is true, expected false" in error.message
    assert "frr_mgmt_framework_config to false" in error.hint


def test_sonics_bgpcfgd_adds_neighbours(tmp_path: Path) -> None:
    """Also where the file is left alone."""
    tables = {"BGP_NEIGHBOR": {"10.0.0.1": {"asn": "64496"}}, "BGP_MONITORS": {}}
    sonic(tmp_path, tables, docker_routing_config_mode="split-unified")
    assert "what is in BGP_NEIGHBOR, expected nothing there" in refusal(tmp_path).message


def test_sonic_that_leaves_frr_alone(tmp_path: Path) -> None:
    """The way out that the hints name is one."""
    sonic(tmp_path, docker_routing_config_mode="split-unified", frr_mgmt_framework_config="false")
    refuse_foreign_manager(str(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"DEVICE_METADATA": 3}'])
def test_sonic_that_cannot_be_understood(tmp_path: Path, text: str) -> None:
    """Not knowing is a reason to leave it alone."""
    put(tmp_path, "etc/sonic/config_db.json", text)
    assert "cannot be read" in refusal(tmp_path).message


@pytest.mark.parametrize("unit", ["nvued.service", "nvue-startup.service"])
def test_nvue_writes_it(tmp_path: Path, unit: str) -> None:
    """Both its service and what it does at boot."""
    enable(tmp_path, unit)
    error = refusal(tmp_path)
    assert f"{unit}: NVUE writes /etc/frr/frr.conf and /etc/frr/daemons" in error.message
    assert "systemctl disable --now nvued.service nvue-startup.service" in error.hint
    assert "nv set system config apply ignore" in error.hint


def test_nvue_that_leaves_both_files_alone(tmp_path: Path) -> None:
    """The way out for who keeps NVUE for the rest of the switch."""
    enable(tmp_path, "nvued.service")
    put(tmp_path, "etc/nvue.d/startup.yaml", IGNORING)
    refuse_foreign_manager(str(tmp_path))


def test_nvue_that_leaves_one_file_alone(tmp_path: Path) -> None:
    """Which programs of FRR run is netorch's to say, too."""
    enable(tmp_path, "nvued.service")
    put(tmp_path, "etc/nvue.d/startup.yaml", IGNORING.replace("            '/etc/frr/daemons': {}\n", ""))
    assert "NVUE writes /etc/frr/daemons whenever" in refusal(tmp_path).message


def test_files_named_elsewhere_are_not_ignored(tmp_path: Path) -> None:
    """A name counts below ``ignore`` alone."""
    text = IGNORING.replace("ignore:\n", "ignore:\n            /etc/ptp4l.conf: {}\n          other:\n")
    put(tmp_path, "etc/nvue.d/startup.yaml", text)
    enable(tmp_path, "nvued.service")
    assert "/etc/frr/frr.conf and /etc/frr/daemons" in refusal(tmp_path).message


def test_nvue_that_is_masked(tmp_path: Path) -> None:
    """A masked unit does not start, whoever wants it."""
    enable(tmp_path, "nvued.service")
    (tmp_path / "etc/systemd/system/nvued.service").symlink_to("/dev/null")
    refuse_foreign_manager(str(tmp_path))


def test_what_nvue_left_behind(tmp_path: Path) -> None:
    """A file that NVUE wrote says so; somebody has to decide that it is not needed any more."""
    put(tmp_path, "etc/frr/frr.conf", "# Auto-generated by NVUE!\n# Any local modifications\nfrr defaults datacenter\n")
    error = refusal(tmp_path)
    assert error.message.startswith("/etc/frr/frr.conf: ")
    assert "sudo mv /etc/frr/frr.conf /etc/frr/frr.conf.nvue" in error.hint


def test_nclu_writes_it(tmp_path: Path) -> None:
    """Cumulus Linux 4 and older."""
    enable(tmp_path, "netd.service")
    assert "systemctl disable --now netd.service" in refusal(tmp_path).hint
