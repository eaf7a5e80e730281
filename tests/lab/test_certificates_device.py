"""A device's certificate: made, installed, replaced, revoked; tried with TLS between the devices' own files."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.app.certificates import CertificateKeeper
from netorch.app.results import CertificateResult
from netorch.errors import DeviceError, NetorchError
from netorch.io.authority import Authority
from netorch.io.clock import SystemClock
from netorch.io.device import Device
from netorch.model.certificate import CertificateFacts, CertifyRequest, CsrRequest, Trust
from netorch.model.codec import to_json
from netorch.model.inventory import Pki
from netorch.model.request import FactsRequest
from netorch.testing import small_inventory
from tests.lab.agent_device import LocalTransport, Namespace
from tests.unit.agents import controller_of
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

PKI = "/var/lib/netorch/pki"
LIFE = 86400.0
NAMES = ("sw1.pop1", "h1.pop1")


class Holder:
    """A device that has certificates, without a daemon; what it was asked and what it answered."""

    def __init__(self, name: str, authority: Authority) -> None:
        self.name, self.authority = name, authority
        self.namespace = Namespace()
        self.client = Device(name, LocalTransport(self.namespace))

    def path(self, file: str) -> Path:
        """A file of its certificate, as the test can open it."""
        return Path(f"/proc/{self.namespace.pid}/root{PKI}/{file}")

    def facts(self) -> CertificateFacts | None:
        """What it reports."""
        return self.client.facts(FactsRequest(self.name, "bird", wants=("certificate",))).certificate

    def held(self) -> CertificateFacts:
        """The certificate that it reports."""
        facts = self.facts()
        assert facts is not None
        return facts

    def enrol(self, *, life_s: float = LIFE, fresh: bool = False, trust: Trust | None = None) -> None:
        """A new certificate, as deploy gives it."""
        csr = self.client.certificate_request(CsrRequest(self.name, fresh)).csr
        certificate = self.authority.issue(self.name, csr, life_s=life_s)
        self.client.certify(CertifyRequest(self.name, trust or self.authority.standing().trust, certificate))

    def update(self) -> None:
        """What is trusted and revoked now, as a run brings it."""
        self.client.certify(CertifyRequest(self.name, self.authority.standing().trust))

    def context(self, kind: int) -> ssl.SSLContext:
        """TLS as the mirror's agents speak it, with this device's files."""
        context = ssl.SSLContext(kind)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.path("certificate.pem"), self.path("key.pem"))
        context.load_verify_locations(self.path("authority.pem"))
        context.load_verify_locations(self.path("revoked.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


def talk(client: Holder, server: Holder, *, name: str = "") -> str:
    """A TLS handshake of two devices, the client expecting the server by ``name``; "" or what is wrong."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    expected = name or server.name
    sides = [
        client.context(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(back, there, server_hostname=expected),
        server.context(ssl.PROTOCOL_TLS_SERVER).wrap_bio(there, back, server_side=True),
    ]
    for _ in range(4):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as exc:
                return exc.verify_message
            except ssl.SSLError as exc:
                return str(exc)
    assert not sides, "the handshake does not end"
    return ""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A new authority."""
    made = Authority(tmp_path / "pki", SystemClock())
    made.create("example")
    return made


@pytest.fixture
def devices(authority: Authority) -> Iterator[tuple[Holder, Holder]]:
    """A switch and a host, without certificates."""
    made: list[Holder] = []
    try:
        for name in NAMES:
            made.append(Holder(name, authority))
        yield made[0], made[1]
    finally:
        for holder in made:
            holder.namespace.close()


Pair = tuple[Holder, Holder]


def test_devices_speak_with_what_they_were_given(devices: Pair) -> None:
    """Two enrolled devices trust each other by name, in both directions, and nobody by a wrong one."""
    switch, host = devices
    assert host.facts() is None
    switch.enrol()
    host.enrol()
    assert talk(host, switch) == ""
    assert talk(switch, host) == ""
    assert "Hostname mismatch" in talk(host, switch, name="sw2.pop1")


def test_key_never_leaves_the_device(devices: Pair, authority: Authority) -> None:
    """The private key is in one file for root alone, and in no answer, command, or file of the authority."""
    _, host = devices
    transport = LocalTransport(host.namespace)
    replies: list[bytes] = []
    run = transport.run

    def listening(command: str, *, stdin: bytes = b"", timeout_s: float, doing: str = "") -> object:
        reply = run(command, stdin=stdin, timeout_s=timeout_s)
        replies.extend((command.encode(), stdin, reply.stdout, reply.stderr))
        return reply

    transport.run = listening  # type: ignore[assignment, method-assign]
    host.client = Device(host.name, transport)
    host.enrol()
    host.facts()
    key = host.path("key.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.path(".").stat().st_mode) == 0o700
    secrets = [line.encode() for line in key.read_text().splitlines()[1:-1]]
    said = b"".join(replies) + b"".join(p.read_bytes() for p in authority.path.rglob("*") if p.is_file())
    assert secrets
    assert not [line for line in secrets if line in said]
    assert b"PRIVATE KEY" not in b"".join(replies)


def test_state_holds_one_key_for_root_alone(devices: Pair) -> None:
    """After several renewals no former key is left on the device, and nothing of it can be read by others."""
    _, host = devices
    for _ in range(3):
        host.enrol(fresh=True)
    root = Path(f"/proc/{host.namespace.pid}/root{PKI}")
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path.name for path in files if "PRIVATE KEY" in path.read_text()] == ["key.pem"]
    assert not [path for path in files if path.stat().st_mode & 0o077]


def test_facts_are_those_of_the_certificate(devices: Pair, authority: Authority) -> None:
    """The device reports serial number, end, origin of its key, and what it trusts."""
    _, host = devices
    host.enrol()
    held, standing = host.held(), authority.standing()
    (issued,) = standing.record("h1.pop1").certificates
    assert (held.serial, held.fingerprint, held.not_after) == (issued.serial, issued.fingerprint, issued.not_after)
    assert (held.key_origin, held.problem, held.issuer) == ("device", "", standing.issuer)
    assert (held.authorities, held.crl_number) == (standing.trust.authorities, standing.trust.crl_number)


def test_device_without_openssl_is_sent_a_key(devices: Pair, authority: Authority) -> None:
    """It says that it has none; the controller's key works, is reported as such, and stays with a new list."""
    switch, host = devices
    switch.enrol()
    host.namespace.run("mount", "--bind", "/dev/null", "/usr/bin/openssl")
    answer = host.client.certificate_request(CsrRequest(host.name))
    assert (answer.csr, answer.message) == ("", "there is no openssl on the device")
    certificate, key = authority.issue_with_key(host.name, life_s=LIFE)
    host.client.certify(CertifyRequest(host.name, authority.standing().trust, certificate, key))
    authority.renumber()
    host.update()
    assert host.held().key_origin == "controller"
    assert talk(host, switch) == ""


def test_key_of_another_certificate_is_refused(devices: Pair, authority: Authority) -> None:
    """A certificate for a key that the device has not changes nothing."""
    _, host = devices
    host.enrol()
    before = host.held()
    other, _ = authority.issue_with_key(host.name, life_s=LIFE)
    with pytest.raises(DeviceError, match="no key that this certificate belongs to"):
        host.client.certify(CertifyRequest(host.name, authority.standing().trust, other))
    assert host.held().serial == before.serial


def test_certificate_with_another_name_is_refused(devices: Pair, authority: Authority) -> None:
    """What would not work once it is installed is not installed: the device tries it first."""
    switch, host = devices
    csr = host.client.certificate_request(CsrRequest(host.name)).csr
    wrong = authority.issue(switch.name, csr, life_s=LIFE)
    with pytest.raises(DeviceError, match="does not work here"):
        host.client.certify(CertifyRequest(host.name, authority.standing().trust, wrong))
    assert host.facts() is None


def test_foreign_authority_is_not_believed(devices: Pair, tmp_path: Path) -> None:
    """A device with a certificate of another authority is refused by both sides."""
    switch, host = devices
    switch.enrol()
    host.authority = Authority(tmp_path / "foreign", SystemClock())
    host.authority.create("example")
    host.enrol()
    assert talk(host, switch) == "self-signed certificate in certificate chain"
    assert talk(switch, host) == "self-signed certificate in certificate chain"


def test_certificate_of_a_foreign_authority_is_refused_by_the_device(devices: Pair, tmp_path: Path) -> None:
    """A certificate that is not of an authority that comes with it is not installed."""
    _, host = devices
    foreign = Authority(tmp_path / "foreign", SystemClock())
    foreign.create("example")
    with pytest.raises(DeviceError, match="does not work here"):
        host.enrol(trust=foreign.standing().trust)


def test_revoked_device_is_refused_by_who_has_the_list(devices: Pair, authority: Authority) -> None:
    """Once a device has the new list, a revoked one is refused as client and as server."""
    switch, host = devices
    switch.enrol()
    host.enrol()
    authority.revoke_device(host.name, author="ann", reason="stolen")
    assert talk(host, switch) == ""
    switch.update()
    assert talk(switch, host) == "certificate revoked"
    assert talk(host, switch) == "certificate revoked"
    with pytest.raises(NetorchError, match="has no certificate, since ann revoked it"):
        host.enrol(fresh=True)
    authority.admit(host.name)
    host.enrol(fresh=True)
    assert talk(host, switch) == talk(switch, host) == ""


def test_older_list_is_not_taken(devices: Pair, authority: Authority) -> None:
    """A controller that comes late with what it read before a revocation cannot undo it."""
    switch, _ = devices
    switch.enrol()
    late = authority.standing().trust
    authority.renumber()
    switch.update()
    with pytest.raises(DeviceError, match="a later list of revoked certificates"):
        switch.client.certify(CertifyRequest(switch.name, late))


def test_expired_certificate_is_refused_and_renewed(devices: Pair) -> None:
    """A certificate works until its last second, then not; the next renewal mends it."""
    switch, host = devices
    switch.enrol()
    host.enrol(life_s=3)
    assert talk(switch, host) == ""
    wait_until(
        lambda: talk(switch, host) == "certificate has expired", what="the certificate has expired", timeout_s=10
    )
    host.enrol(fresh=True)
    assert talk(switch, host) == ""


def test_both_authorities_are_believed_on_the_way(devices: Pair, authority: Authority) -> None:
    """While one authority takes another's place, devices of both speak with each other at every step."""
    switch, host = devices
    switch.enrol()
    host.enrol()
    authority.prepare_next("example")
    switch.update()
    assert talk(host, switch) == talk(switch, host) == ""
    host.update()
    authority.switch_to_next()
    host.enrol()
    assert host.held().issuer != switch.held().issuer
    assert talk(host, switch) == talk(switch, host) == ""
    switch.enrol()
    authority.drop_former()
    switch.update()
    assert talk(host, switch) == talk(switch, host) == ""
    host.update()
    assert len(host.held().authorities) == 1
    assert talk(host, switch) == talk(switch, host) == ""


def test_controllers_at_once_end_in_one_good_certificate(devices: Pair, tmp_path: Path) -> None:
    """Four controllers that share the folder find the same device without a certificate: none of them fails, and key and
    certificate belong together."""
    switch, host = devices
    switch.enrol()
    inventory = replace(small_inventory(), pki=Pki(str(tmp_path / "pki")))
    facts = {host.name: host.client.facts(FactsRequest(host.name, "bird", wants=("certificate",)))}
    results: list[CertificateResult] = []

    def run() -> None:
        client = Device(host.name, LocalTransport(host.namespace))
        base = controller_of(lambda _: client)  # type: ignore[arg-type, return-value]
        keeper = CertificateKeeper.open(replace(base, inventory=inventory, clock=SystemClock()), facts)
        assert keeper is not None
        keeper.bring_all([host.name])
        results.append(keeper.results[host.name])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [result.message for result in results if result.is_failure] == []
    assert len(results) == 4
    assert talk(host, switch) == ""
    assert host.held().problem == ""


def test_files_that_are_tampered_with_are_told(devices: Pair) -> None:
    """A missing or damaged key, a list that somebody emptied, and a key opened up are problems that facts report."""
    _, host = devices
    host.enrol()
    host.path("revoked.pem").write_text("")
    assert host.held().problem == "revoked.pem is not what was installed"
    host.enrol(fresh=True)
    host.path("key.pem").chmod(0o644)
    assert host.held().problem == "others may read key.pem"
    host.path("key.pem").unlink()
    assert host.held().problem == "key.pem is missing"
    host.enrol(fresh=True)
    host.path("key.pem").write_text("damaged")
    assert host.held().problem == "key.pem is not what was installed"
    host.enrol()
    assert host.held().problem == ""


def test_full_disk_leaves_the_certificate_in_use(devices: Pair) -> None:
    """Where nothing can be written the device says so, and keeps what it has."""
    switch, host = devices
    switch.enrol()
    host.enrol()
    before = host.held().serial
    host.namespace.run("sh", "-c", "mount -o remount,size=100% /var/lib; mount -o remount,ro /var/lib")
    with pytest.raises(DeviceError, match="cannot write to"):
        host.enrol(fresh=True)
    assert host.held().serial == before
    assert talk(host, switch) == ""


@pytest.mark.parametrize("after_ms", [0, 20, 40, 60, 80, 100, 130, 160, 200, 260])
def test_agent_that_is_killed_leaves_a_good_certificate(devices: Pair, after_ms: int) -> None:
    """kill -9 at any moment of a renewal leaves the old set or the new one, whole; the next renewal works."""
    switch, host = devices
    switch.enrol()
    host.enrol()
    serials = {host.held().serial}
    csr = host.client.certificate_request(CsrRequest(host.name)).csr
    certificate = host.authority.issue(host.name, csr, life_s=LIFE)
    serials.add(certificate.serial)
    request = json.dumps(to_json(CertifyRequest(host.name, host.authority.standing().trust, certificate))).encode()
    agent = sorted(Path(f"/proc/{host.namespace.pid}/root/var/lib/netorch/agent").iterdir())[0].name
    command = host.namespace.enter("python3", "-I", "-S", f"/var/lib/netorch/agent/{agent}", "certify")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0)
    assert process.stdin is not None
    process.stdin.write(request)
    process.stdin.close()
    try:
        process.wait(after_ms / 1000)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert host.held().problem == ""
    assert host.held().serial in serials
    is_done = host.held().serial == certificate.serial
    assert talk(host, switch) == ""
    host.enrol()
    # A request that was cut off is finished with the certificate that was issued for it.
    assert (host.held().serial == certificate.serial) is not is_done
    assert talk(host, switch) == ""
