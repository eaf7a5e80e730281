"""``netorch pki``, deploy and run with certificates, over SSH: what operators type, and what cron does by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.io.authority import Authority
from netorch.io.clock import SystemClock
from netorch.lab import exec_in, set_service
from netorch.testing import FakeClock
from tests.lab.labs import Lab
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import Project, QuickLab, only_pop2, quick_lab
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

PKI = "/var/lib/netorch/pki"
DEVICES = ("sw1.pop2", "h1.pop2", "h2.pop2")
DAY = 86400.0


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """POP2 with a folder for the authority, deployed once; certificates are all that its agents are given here."""
    files = only_pop2()
    lines = [line for line in files["network.yml"].splitlines() if not line.startswith("pki:")]
    text = "\n".join([*lines, "pki: ../pki", ""])
    files = edited({**files, "network.yml": text}, "network.yml", ("  - arp_mirror\n", ""))
    with quick_lab(tmp_path_factory.mktemp("pki"), files, name="pki") as up:
        plan = up.project("plan", "pop2").out
        assert "h1.pop2: certificate: one is issued, by an authority that is made for it" in plan
        assert not (up.project.folder / "pki").exists()
        said = up.project("deploy", "pop2", "--yes")
        assert f"the certificate authority of example was made: {up.project.folder / 'pki'}" in said.out
        yield up


@pytest.fixture
def project(quick: QuickLab) -> Project:
    return quick.project


@pytest.fixture
def lab(quick: QuickLab) -> Lab:
    return quick.lab


def rows(project: Project) -> dict[str, dict[str, object]]:
    """``netorch pki list`` by device."""
    return {row["device"]: row for row in project("pki", "list", "-o", "json").document}


def authority(project: Project, clock: FakeClock | SystemClock | None = None) -> Authority:
    """The project's authority, as another program sees it."""
    return Authority(project.folder / "pki", clock or SystemClock())


def held(lab: Lab, device: str) -> dict[str, object]:
    """What the device has on record of its certificate."""
    found: dict[str, object] = json.loads(lab.run(device, "cat", f"{PKI}/certificate.json"))
    return found


def run(project: Project, *arguments: str, code: int = 0) -> Said:
    """``netorch run`` as cron starts it."""
    inventory = str(project.folder / "inventory")
    return project("run", "--inventory", inventory, *arguments, code=code, environment=cron_environment())


def make_old(lab: Lab, project: Project, device: str) -> str:
    """Give ``device`` a certificate that was issued 25 of its 30 days ago; its serial number."""
    from netorch.model.certificate import CertifyRequest
    from netorch.model.codec import to_json

    past = FakeClock(SystemClock().now() - 25 * DAY)
    folder = authority(project, past)
    certificate, key = folder.issue_with_key(device, life_s=30 * DAY)
    request = json.dumps(to_json(CertifyRequest(device, authority(project).standing().trust, certificate, key)))
    agent = lab.sh(device, "ls -t /var/lib/netorch/agent | head -n 1").strip()
    answer = lab.run(device, "python3", "-I", "-S", f"/var/lib/netorch/agent/{agent}", "certify", stdin=request)
    assert json.loads(answer)["outcome"] == "certified", answer
    return certificate.serial


def test_first_deploy_gives_every_device_a_certificate(lab: Lab, project: Project) -> None:
    """Keys are made on the devices, the list says that all is good, OpenSSL agrees, and nothing is left to do."""
    found = rows(project)
    assert {
        name: (row["state"], row["key_made_on"], row["knows_revoked"]) for name, row in found.items()
    } == dict.fromkeys(DEVICES, ("good", "device", True))
    for device in DEVICES:
        command = f"openssl verify -x509_strict -crl_check -CAfile {PKI}/authority.pem -CRLfile {PKI}/revoked.pem"
        assert lab.sh(device, f"{command} -verify_hostname {device} {PKI}/certificate.pem").endswith("OK\n")
    said = project("plan", "pop2", "--detailed-exitcode")
    assert "certificate" not in said.out


def test_run_without_anything_due_is_silent_and_opens_no_further_session(lab: Lab, project: Project) -> None:
    """No device is asked for more than its facts, and no record changes."""
    before = {device: held(lab, device)["serial"] for device in DEVICES}
    said = run(project)
    assert (said.out, said.err) == ("", "")
    assert {device: held(lab, device)["serial"] for device in DEVICES} == before


def test_run_renews_before_expiry(lab: Lab, project: Project, tmp_path: Path) -> None:
    """The certificate that is old is replaced without a word; audit and metrics tell of it."""
    old = make_old(lab, project, "h1.pop2")
    assert "h1.pop2: certificate: a new one is issued: expires in 5 days" in project("plan", "pop2").out
    metrics = tmp_path / "run.prom"
    said = run(project, "--metrics", str(metrics))
    assert (said.out, said.err) == ("", "")
    assert held(lab, "h1.pop2")["serial"] != old
    text = metrics.read_text()
    assert 'netorch_run_certificates{outcome="renewed"} 1.0' in text
    expiry = float(text.partition('netorch_certificate_expiry_seconds{device="h1.pop2"} ')[2].split()[0])
    assert expiry > SystemClock().now() + 29 * DAY
    lines = (project.folder / ".lab/audit.jsonl").read_text().splitlines()
    told = [line for line in map(json.loads, lines) if line["action"] == "certificate" and line["device"] == "h1.pop2"]
    assert (told[-1]["result"], told[-1]["reason"]) == ("renewed", "expires in 5 days")


def test_device_that_is_down_does_not_stall_the_others(lab: Lab, project: Project) -> None:
    """One device cannot be reached, another one's certificate is renewed all the same; the next run brings the rest."""
    old = {device: make_old(lab, project, device) for device in ("h1.pop2", "h2.pop2")}
    set_service("h2.pop2", "sshd", lab.settings, running=False)
    try:
        said = run(project, code=3)
        assert "h2.pop2" in said.out + said.err
        assert held(lab, "h1.pop2")["serial"] != old["h1.pop2"]
        assert held(lab, "h2.pop2")["serial"] == old["h2.pop2"]
    finally:
        set_service("h2.pop2", "sshd", lab.settings, running=True)
    run(project)
    assert held(lab, "h2.pop2")["serial"] != old["h2.pop2"]


def test_revoked_device_is_known_everywhere_at_once(lab: Lab, project: Project) -> None:
    """Its serial number is in every device's list, runs give it nothing, and issue lets it in again."""
    serial = held(lab, "h1.pop2")["serial"]
    said = project("pki", "revoke", "h1.pop2", "--reason", "stolen")
    assert "h1.pop2: 1 certificate revoked" in said.out or "certificates revoked" in said.out
    for device in DEVICES:
        text = lab.sh(device, f"openssl crl -noout -text -in {PKI}/revoked.pem").lower().replace(":", "")
        assert str(serial) in text
    assert run(project).out == ""
    assert held(lab, "h1.pop2")["serial"] == serial
    found = rows(project)["h1.pop2"]
    assert (found["state"], found["reason"]) == ("barred", "stolen")
    assert "h1.pop2: certificate renewed" in project("pki", "issue", "h1.pop2").out
    assert held(lab, "h1.pop2")["serial"] != serial
    assert rows(project)["h1.pop2"]["state"] == "good"


def test_renew_replaces_key_and_certificate(lab: Lab, project: Project) -> None:
    """Asked for by name, also where nothing is due: another key, another certificate."""
    key = lab.run("h2.pop2", "sha256sum", f"{PKI}/key.pem")
    assert "h2.pop2: certificate renewed" in project("pki", "renew", "h2.pop2").out
    assert lab.run("h2.pop2", "sha256sum", f"{PKI}/key.pem") != key


def test_device_without_openssl_gets_its_key_over_ssh(lab: Lab, project: Project) -> None:
    """The list tells whose key was made by the controller; once the device has the program, renew makes one there."""
    path = lab.sh("h2.pop2", "command -v openssl").strip()
    lab.run("h2.pop2", "mount", "--bind", "/dev/null", path)
    try:
        said = project("pki", "renew", "h2.pop2")
        assert "its key was made here and sent, since there is no openssl on the device" in said.out
        assert rows(project)["h2.pop2"]["key_made_on"] == "controller"
    finally:
        lab.run("h2.pop2", "umount", path)
    project("pki", "renew", "h2.pop2")
    assert rows(project)["h2.pop2"]["key_made_on"] == "device"


def certificates_verify(lab: Lab) -> bool:
    """Whether every device has a key, and a certificate for it that OpenSSL believes with the files beside it."""
    verify = f"openssl verify -x509_strict -crl_check -CAfile {PKI}/authority.pem -CRLfile {PKI}/revoked.pem"
    script = f"""
        {verify} {PKI}/certificate.pem >/dev/null
        test "$(openssl x509 -in {PKI}/certificate.pem -noout -pubkey)" = "$(openssl pkey -in {PKI}/key.pem -pubout)"
        echo good
    """
    said = [exec_in(device, ("sh", "-euc", script), lab.settings) for device in DEVICES]
    return all((one.returncode, one.stdout) == (0, b"good\n") for one in said)


@pytest.mark.parametrize("after_s", [0.4, 0.55, 0.7, 0.85, 1.0, 1.2])
def test_controller_that_is_killed_leaves_good_certificates(lab: Lab, project: Project, after_s: float) -> None:
    """kill -9 at any moment of a renewal: every device keeps a certificate that verifies, and the next run is whole."""
    clock = SystemClock()
    with project.running("pki", "renew", "pop2") as process:
        end = clock.monotonic() + after_s
        wait_until(
            lambda: clock.monotonic() >= end or process.poll() is not None, timeout_s=10, what="the moment to kill it"
        )
    # A device that has been asked already brings what it began to its end: key and certificate are two files.
    wait_until(lambda: certificates_verify(lab), timeout_s=30, what="every certificate verifies")
    run(project)
    assert {row["state"] for row in rows(project).values()} == {"good"}


def test_renewal_that_was_cut_off_is_finished(lab: Lab, project: Project) -> None:
    """A controller dies between signing and sending: the device keeps its old certificate, and gets the very one that was
    signed with the next run that finds it due."""
    old = make_old(lab, project, "h1.pop2")
    record = project.folder / "pki/issued/h1.pop2.json"
    before = record.read_bytes()
    with project.running("pki", "issue", "h1.pop2") as process:
        wait_until(
            lambda: record.read_bytes() != before or process.poll() is not None,
            timeout_s=20,
            what="a new certificate on record",
        )
    signed = authority(project).standing().record("h1.pop2").certificates[0].serial
    assert certificates_verify(lab)
    assert held(lab, "h1.pop2")["serial"] in (old, signed)
    run(project)
    assert held(lab, "h1.pop2")["serial"] == signed != old


def test_rollback_keeps_certificates(lab: Lab, project: Project) -> None:
    """Certificates are no part of a generation: going back brings no former one with it."""
    project.edit("providers.yml", "id: 1", "id: 1\n    local_preference: 120")
    project("deploy", "h1.pop2", "sw1.pop2", "--yes")
    project("pki", "renew", "sw1.pop2")
    serial = held(lab, "sw1.pop2")["serial"]
    project("rollback", "sw1.pop2", "--yes")
    assert held(lab, "sw1.pop2")["serial"] == serial
    project("deploy", "pop2", "--yes")


def test_old_copy_of_the_folder_revokes_nothing(lab: Lab, project: Project) -> None:
    """A controller whose folder is older than what devices know is told so, and sends nothing."""
    folder = project.folder / "pki"
    copies = {path: path.read_bytes() for path in folder.glob("*.json")}
    present = held(lab, "h2.pop2")["serial"]
    project("pki", "revoke", str(present))
    newest = {path: path.read_bytes() for path in folder.glob("*.json")}
    for path, data in copies.items():
        path.write_bytes(data)
    try:
        said = run(project, code=3)
        assert "it knows revoked certificates that the authority does not" in said.err
        assert "old copy" in said.err
    finally:
        for path, data in newest.items():
            path.write_bytes(data)
    run(project)
    assert held(lab, "h2.pop2")["serial"] != present


def test_roll_changes_authorities_in_three_steps(lab: Lab, project: Project) -> None:
    """Both are trusted, then the new one issues, then the former one is gone; every step is on the devices when it ends."""
    old = project("pki", "show", "-o", "json").document["authorities"][0]["fingerprint"]
    assert "devices trust both" in project("pki", "roll").out
    assert all(len(held(lab, device)["authorities"]) == 2 for device in DEVICES)  # type: ignore[arg-type]
    assert "certificates are of the new authority" in project("pki", "roll").out
    assert all(held(lab, device)["issuer"] != old for device in DEVICES)
    assert "the new authority is the only one" in project("pki", "roll").out
    assert all(old not in held(lab, device)["authorities"] for device in DEVICES)  # type: ignore[operator]
    assert run(project).out == ""


def test_lost_folder_stops_renewals_but_no_deploy(lab: Lab, project: Project) -> None:
    """Without the folder nothing is made by itself; devices keep what they have, and an authority can be begun anew."""
    before = {device: held(lab, device)["serial"] for device in DEVICES}
    folder = project.folder / "pki"
    folder.rename(project.folder / "pki.lost")
    assert "h1.pop2" in project("plan", "pop2").out
    said = run(project)
    assert said.out == ""
    assert not folder.exists()
    assert {device: held(lab, device)["serial"] for device in DEVICES} == before
    project("pki", "init")
    run(project)
    assert {row["state"] for row in rows(project).values()} == {"good"}
    assert not {device: held(lab, device)["serial"] for device in DEVICES}.items() & before.items()


def test_no_private_key_was_ever_shown(lab: Lab, project: Project) -> None:
    """Nothing that was printed or put on record in all of these tests holds a key, and no file with one is readable."""
    printed = "".join(said.out + said.err for said in project.said)
    recorded = (project.folder / ".lab/audit.jsonl").read_text()
    keys = [path.read_text() for path in (project.folder / "pki").glob("*.key")]
    keys += [lab.run(device, "cat", f"{PKI}/key.pem") for device in DEVICES]
    bodies = [line for key in keys for line in key.splitlines()[1:-1]]
    assert len(bodies) >= 2 * len(DEVICES)
    assert not [body for body in bodies if body in printed + recorded]
    assert "PRIVATE KEY" not in printed + recorded
    for device in DEVICES:
        finding = "find /var/lib/netorch /etc /run /tmp -xdev -type f -perm /077 -exec grep -l 'PRIVATE KEY' {} +"
        names = lab.sh(device, f"{finding} 2>/dev/null || true").split()
        assert [name for name in names if "ssh" not in name and ".lab" not in name] == []
