"""The audit log: what a line holds, and where it goes."""

from __future__ import annotations

import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from netorch.app.audit import Audit, plan_hash
from netorch.app.redaction import secret_redactor
from netorch.io.audit_log import AuditLog
from netorch.model.items import AliasItem
from netorch.model.plan import DevicePlan, Operation
from netorch.model.sessions import SecretRef
from netorch.testing import FakeClock, FakeSecrets, small_inventory

PLAN = DevicePlan("h1.pop1", "base", 1, (Operation("add", AliasItem("eth0", "sw1.pop1 swp11")),))
KEYS = {
    "time",
    "action",
    "device",
    "result",
    "who",
    "from",
    "inventory",
    "commit",
    "plan",
    "generation",
    "reason",
    "message",
}


def audit(written: list[str], *secrets: str) -> Audit:
    """An audit log that is kept in a list."""

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "(hidden)")
        return text

    return Audit(written.append, FakeClock(), redact, "ann@noc", "198.51.100.7", "/srv/inventory", "")


def test_a_line_says_who_did_what_when_and_from_where() -> None:
    """One JSON object with stable keys; what is not known is null."""
    written: list[str] = []
    audit(written).record("deploy", "h1.pop1", result="changed", plan=PLAN, generation=7, reason="CHG-4711")
    (line,) = written
    assert "\n" not in line
    document = json.loads(line)
    assert document.keys() == KEYS
    assert document["time"] == "2023-11-14T22:13:20.000+00:00"
    assert [document[key] for key in ("action", "device", "result", "who", "from")] == [
        "deploy",
        "h1.pop1",
        "changed",
        "ann@noc",
        "198.51.100.7",
    ]
    assert (document["generation"], document["reason"]) == (7, "CHG-4711")
    assert document["plan"] == plan_hash(PLAN)
    assert document["commit"] is document["message"] is None


def test_plans_differ_by_what_they_do_and_start_from() -> None:
    """The same plan has the same hash."""
    other = replace(PLAN, operations=(Operation("add", AliasItem("eth0", "another")),))
    assert len({plan_hash(PLAN), plan_hash(replace(PLAN)), plan_hash(other), plan_hash(replace(PLAN, base="b"))}) == 3


def test_no_line_holds_a_secret() -> None:
    """Messages quote daemons, reasons people: both are redacted."""
    written: list[str] = []
    audit(written, "hunter2").record("deploy", "sw1.pop1", result="failed", reason="hunter2", message='at "hunter2"')
    assert "hunter2" not in written[0]
    assert written[0].count("(hidden)") == 2


def test_secrets_of_the_inventory_are_masked() -> None:
    """Those that can be resolved; the others are nowhere to leak from."""
    inventory = small_inventory()
    first, second = inventory.circuits
    pop = replace(
        inventory.pops[0],
        circuits=(replace(first, password=SecretRef("env", "A")), replace(second, password=SecretRef("env", "B"))),
    )
    redact = secret_redactor(replace(inventory, pops=(pop,)), FakeSecrets({"env:A": "hunter2"}))
    assert redact("neighbour said hunter2") == "neighbour said (hidden)"


def test_file_is_for_its_owner_and_grows(tmp_path: Path) -> None:
    """Folders are made, the mode is 0600, and what was there stays."""
    path = tmp_path / "state/netorch/audit.jsonl"
    warnings: list[str] = []
    for text in ("one", "two"):
        AuditLog(path, warnings.append, syslog="/nonexistent").write(text)
    assert path.read_text() == "one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert warnings == []


def test_lines_of_several_programs_never_mix(tmp_path: Path) -> None:
    """Each line is one append."""
    path = tmp_path / "audit.jsonl"
    lines = [f"{number:04d}" * 300 for number in range(200)]
    logs = [AuditLog(path, lambda text: None, syslog="/nonexistent") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: logs[at % 4].write(lines[at]), range(200)))
    assert sorted(path.read_text().splitlines()) == lines


def test_a_log_that_cannot_be_written_warns_once_and_stops_nobody(tmp_path: Path) -> None:
    """The place that fails is named; nothing is raised."""
    (tmp_path / "file").write_text("")
    warnings: list[str] = []
    log = AuditLog(tmp_path / "file/audit.jsonl", warnings.append, syslog="/nonexistent")
    log.write("one")
    log.write("two")
    (warning,) = warnings
    assert warning.startswith(f"the audit log cannot be written: {tmp_path}/file/audit.jsonl: ")


def test_syslog_is_told_where_it_listens(tmp_path: Path) -> None:
    """The same line, with priority and name, also when the file cannot be written."""
    place = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(place)
        listener.settimeout(5)
        AuditLog(Path("/proc/nowhere"), lambda text: None, syslog=place).write('{"action": "deploy"}')
        heard = listener.recv(10_000).decode()
    assert heard.startswith("<85>netorch[")
    assert heard.endswith(']: {"action": "deploy"}')
