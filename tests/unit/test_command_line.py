"""The command line without any device."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def netorch(*arguments: str, cwd: Path = ROOT, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run netorch as a user does, in a process of its own."""
    command = [sys.executable, "-m", "netorch", *arguments]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, input=stdin, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_lists_commands_and_plugins_verbs() -> None:
    """Every command of the contract that exists is in --help, with a line of its own."""
    done = netorch("--help")
    assert done.returncode == 0
    for name in ("deploy", "plan", "status", "validate", "arp", "drain", "undrain", "drains", "lab", "run", "ping"):
        assert f"\n  {name} " in done.stdout


def test_help_imports_nothing_heavy() -> None:
    """What makes start-up slow is imported when it is used."""
    code = (
        "import sys; from netorch.cli.main import main; main(['--help']);"
        "print([m for m in ('paramiko', 'pydantic', 'pyroute2', 'jinja2', 'textfsm', 'rich', 'ruamel') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["frobnicate"], 64, "No such command 'frobnicate'"),
        (["deploy"], 64, "Missing argument 'TARGET...'"),
        (["deploy", "pop1", "--no-such"], 64, "No such option"),
        (["--inventory", "/nonexistent", "validate"], 64, "no such folder"),
        (["plan", "pop9"], 64, "target 'pop9' means no device"),
        (["ping", "example.org", "--pop", "pop1"], 64, "expected an IPv4 or IPv6 address, found 'example.org'"),
        (["ping", "192.0.2.1"], 64, "--pop pop1"),
        (
            ["--inventory", "inventory/examples/clos-bgp", "ping", "10.104.0.10", "--pop", "fabric1"],
            64,
            "fabric1 has no hosts, expected some that send the pings",
        ),
        (["ping", "--pop", "pop1"], 64, "Missing argument 'DESTINATION...'"),
        (["ping", "--since", "24h"], 64, "expected --record FOLDER"),
        (["ping", "192.0.2.1", "--pop", "pop1", "--keep", "long"], 64, "such as 24h, found 'long'"),
        (["ping", "192.0.2.1", "--pop", "pop1", "--watch", "--quiet"], 64, "neither --quiet nor --since"),
        (["ping", "192.0.2.1", "--pop", "pop1", "--plot", "/tmp/ping.pdf"], 64, "ends in .svg or .png"),
        (["ping", "--record", "/nonexistent", "--since", "24h"], 1, "/nonexistent: no such folder"),
        (["explain", "h1.pop1", "1.144.0.1"], 64, "expected --from HOST, the host that sends, found none"),
        (["explain", "1.1.1.1", "2.2.2.2", "--from", "h1.pop1"], 64, "expected one DESTINATION, found 1.1.1.1 2.2.2.2"),
        (["explain", "h1.pop1", "--from", "1.144.0.1"], 64, "netorch explain 1.144.0.1 --from h1.pop1"),
        (
            ["exec", "uptime", "--via", "northtel", "--on", "h1.pop1"],
            64,
            "--via stands behind the first word of COMMAND",
        ),
        (["exec", "--via", "northtel", "uptime"], 64, "Missing option '--on'"),
        (["drain", "provider", "northtle"], 64, "northtel"),
        (["parse", "show magic"], 64, "show protocols"),
        (["run", "--metrics", "/tmp/figures.txt"], 64, "expected a name that ends in .prom"),
        (["routes", "set", "edge"], 64, "Missing argument 'TARGET...'"),
        (["routes", "set", "edge", "pop1", "--file", "/nonexistent/file"], 64, "/nonexistent/file: No such file"),
        (["routes", "set", "edge", "pop1", "--file", "/bin/sh"], 64, "/bin/sh: expected text in UTF-8"),
        (["routes", "set", "edge", "pop1", "--file", "/dev/zero"], 64, "/dev/zero: expected at most 4194304 bytes"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments: list[str], status: int, said: str) -> None:
    """Exit code of the contract, a message on standard error, no traceback, nothing on standard output."""
    done = netorch(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["render", "sw1.pop1", "--out", "/proc/none"], ["plugin", "new", "mine", "--into", "/dev/null"]]
)
def test_a_place_that_cannot_be_written_is_named(arguments: list[str]) -> None:
    """Where, why, and what to do about it; no traceback."""
    done = netorch(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: " in done.stderr
    assert arguments[-1] in done.stderr
    assert "hint: name a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_below_standard_output_is_told() -> None:
    """One line and exit code 1: what was printed is not there."""
    command = f"{sys.executable} -m netorch schema > /dev/full"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "standard output: No space left on device\n"


def test_every_mistake_of_an_inventory_is_reported_with_its_place(tmp_path: Path) -> None:
    """Two mistakes in two files give two findings and exit code 1; nothing else happens."""
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory", folder)
    network, pop = folder / "network.yml", folder / "pops" / "pop1.yml"
    network.write_text(network.read_text().replace("asn: 64500", "asn: many"))
    pop.write_text(pop.read_text().replace("neighbor: 203.0.113.1}", "neighbor: 203.0.113.1/30}"))
    done = netorch("--inventory", str(folder), "validate")
    assert done.returncode == 1
    assert "network.yml:4:6: asn:" in done.stderr
    assert "neighbor: expected an IP" in done.stderr
    found = json.loads(netorch("--inventory", str(folder), "validate", "--format", "json").stdout)
    assert [problem["key"] for problem in found["problems"]] == ["asn", "circuits[0].ipv4.neighbor"]


def test_validate_tells_where_settings_of_plugins_are_wrong(tmp_path: Path) -> None:
    """What only a plugin knows is a finding like any other: all of them, with file, line and hint; mended it is none."""
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory", folder, ignore=shutil.ignore_patterns("examples"))
    network = folder / "network.yml"
    whole = network.read_text().partition("plugins:\n")[0]
    first = whole.count("\n") + 1
    wrong = (
        "plugins:\n  - drain\n  - name: arp_mirror\n    settings:\n      prot: 7000\n"
        "      hold_down: {changes: many, hold: 3}\n  - {name: routes, settings: {announce: [192.0.2.64/26, x]}}\n"
    )
    network.write_text(whole + wrong)
    done = netorch("--inventory", str(folder), "validate")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{network}:{first + 4}:7: plugins[1].settings.prot: unknown setting",
        "  hint: did you mean 'port'?",
        f"{network}:{first + 5}:28: plugins[1].settings.hold_down.changes: "
        "expected a whole number from 1 to 1000, found 'many'",
        "  hint: plugins/arp_mirror/README.md lists the settings",
        f"{network}:{first + 5}:34: plugins[1].settings.hold_down.hold: unknown setting",
        "  hint: there are changes, period_s, hold_s",
        f"{network}:{first + 6}:57: plugins[2].settings.announce[1]: expected a prefix, found 'x'",
    ]
    planned = netorch("--inventory", str(folder), "plan", "pop1")
    assert (planned.returncode, "arp_mirror: settings.prot: unknown setting" in planned.stderr) == (1, True)
    network.write_text(whole + wrong.replace("prot", "port").replace("many, hold", "3, hold_s").replace(", x", ""))
    assert netorch("--inventory", str(folder), "validate").returncode == 0


def test_render_writes_files_that_hold_no_secret(tmp_path: Path) -> None:
    """Without any secret at hand, configurations are written with references in their place."""
    done = netorch("render", "sw2.pop1", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "sw2.pop1" / "etc" / "bird" / "bird.conf").read_text()
    assert "@secret:file:" in text


def test_schema_is_a_json_schema() -> None:
    """Editors can be given the output as it is."""
    assert "$defs" in json.loads(netorch("schema").stdout)


def test_command_of_a_plugin_that_is_off(tmp_path: Path) -> None:
    """What it would decide were in force nowhere: refused, with the line that is missing."""
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory/examples/two-routers-rip", folder)
    done = netorch("--inventory", str(folder), "routes", "list")
    assert done.returncode == 64
    assert "netorch routes list is of the plugin routes, which is not enabled" in done.stderr
    assert "add routes to plugins: in network.yml" in done.stderr
