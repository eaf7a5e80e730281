"""The agent's archive carries a part of pyroute2: it must stand alone on a device, whatever pyroute2's next version moves."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from netorch.io.zipapp import PYROUTE2_INSTEAD, build_agent
from tests.arch.test_python39 import vermin

SLOW = ("asyncio", "multiprocessing", "platform", "dataclasses", "inspect", "ipaddress", "subprocess")

ENCODE = """
import json, sys
from pyroute2.netlink.rtnl import fibmsg, ifaddrmsg, ifinfmsg, ndmsg, rtmsg

REQUESTS = (
    (ifaddrmsg.ifaddrmsg, {"family": 2, "prefixlen": 32, "index": 7}, [["IFA_LOCAL", "10.0.0.1"], ["IFA_PROTO", 110]]),
    (ndmsg.ndmsg, {"family": 10, "ifindex": 7, "state": ndmsg.NUD_PERMANENT},
     [["NDA_DST", "2001:db8::1"], ["NDA_LLADDR", "02:00:00:00:00:01"], ["NDA_PROTOCOL", 110]]),
    (rtmsg.rtmsg, {"family": 2, "dst_len": 32, "table": 254}, [["RTA_DST", "203.0.113.1"], ["RTA_OIF", 7]]),
    (fibmsg.fibmsg, {"family": 2, "action": 1}, [["FRA_FWMARK", 1001], ["FRA_TABLE", 1001], ["FRA_PROTOCOL", 110]]),
    (ifinfmsg.ifinfmsg, {"index": 7}, [["IFLA_IFALIAS", "uplink"]]),
)
found = []
for kind, fields, attributes in REQUESTS:
    message = kind()
    message.update(fields)
    message["attrs"] = attributes
    message.encode()
    again = kind(bytes(message.data))
    again.decode()
    found.append([message.data.hex(), [[name, again.get_attr(name)] for name, _ in attributes]])
"""
ALONE = "import sys; sys.path.insert(0, sys.argv[1])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked as on a device."""
    place = tmp_path_factory.mktemp("agent")
    with zipfile.ZipFile(io.BytesIO(build_agent().data)) as archive:
        archive.extractall(place)
    return place


def run_alone(folder: Path, code: str) -> str:
    """What ``code`` prints with the archive and the standard library alone."""
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", f"{ALONE}\n{code}", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_can_be_imported(folder: Path) -> None:
    """No module of the archive, pyroute2's part included, misses another one."""
    files = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py"))
    names = {".".join(path.parts).removesuffix(".__init__") for path in files}
    names -= {"__main__", "netorch.agent.__main__", "netorch.agent.install"}
    run_alone(folder, f"import importlib\nfor name in {sorted(names)}: importlib.import_module(name)")


def test_messages_are_those_of_the_whole_library(folder: Path) -> None:
    """Requests come out of the archive's part as of the installed pyroute2, and are read back as they were written."""
    code = f"{ENCODE}\nprint(json.dumps([found, sys.modules['pyroute2'].__file__]))"
    found, place = json.loads(run_alone(folder, code))
    assert Path(place).is_relative_to(folder)
    scope: dict[str, object] = {}
    exec(ENCODE, scope)
    assert found == scope["found"]


@pytest.mark.parametrize("module", ["facts", "apply", "ping"])
def test_work_loads_nothing_slow(folder: Path, module: str) -> None:
    """What every call does needs no module that takes longer to import than the call takes."""
    code = f"import netorch.agent.{module}, netorch.io.netlink.links; print([m for m in {SLOW} if m in sys.modules])"
    assert run_alone(folder, code) == "[]\n"


def test_deciding_needs_no_netlink(folder: Path) -> None:
    """A confirmation does not wait for pyroute2 to be loaded."""
    assert (
        run_alone(folder, "import netorch.agent.decide, netorch.agent.frr_daemon; print('pyroute2' in sys.modules)")
        == "False\n"
    )


def test_watchdog_has_loaded_what_undoing_needs(folder: Path) -> None:
    """When the deadline comes, the agent's folder may have gone."""
    code = "import netorch.agent.watchdog; print('pyroute2.netlink.rtnl.rtmsg' in sys.modules)"
    assert run_alone(folder, code) == "True\n"


def test_pyroute2_runs_on_old_devices(folder: Path) -> None:
    """pyroute2's part needs no newer Python than 3.9."""
    result = vermin(str(folder / "pyroute2"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_archive_is_the_same_each_time(folder: Path) -> None:
    """The same code gives the same archive, on every controller."""
    again = build_agent.__wrapped__()
    assert again.sha256 == build_agent().sha256
    assert all((folder / "pyroute2" / file).read_text() == text for file, text in PYROUTE2_INSTEAD.items())
