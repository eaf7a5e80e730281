"""The certificate authority: what it signs, what it keeps, and what is left of it when a program dies."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netorch.errors import Locked, NetorchError, UsageError
from netorch.io.authority import Authority
from netorch.io.authority_folder import AuthorityFolder
from netorch.io.authority_signing import describe_authority
from netorch.io.clock import SystemClock
from netorch.model.certificate import Certificate
from netorch.testing import FakeClock

DAY = 86400.0
LIFE = 30 * DAY


def authority(folder: Path, clock: FakeClock | SystemClock | None = None) -> Authority:
    """A new authority of the network ``example``."""
    made = Authority(folder, clock or FakeClock())
    made.create("example")
    return made


def signing_request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "h1.pop1") -> str:
    """A certificate signing request, as a device sends it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key of the kind that devices make."""
    return ec.generate_private_key(ec.SECP256R1())


def loaded(certificate: Certificate) -> x509.Certificate:
    """A certificate as cryptography reads it."""
    return x509.load_pem_x509_certificate(certificate.pem.encode())


def crls(made: Authority) -> list[x509.CertificateRevocationList]:
    """Every list of revoked certificates that devices are given."""
    pem = made.standing().trust.revoked_pem
    blocks = [f"{block}-----END X509 CRL-----\n" for block in pem.split("-----END X509 CRL-----\n") if block]
    return [x509.load_pem_x509_crl(block.encode()) for block in blocks]


# ---- what it signs ------------------------------------------------------------------------------------------------


def test_authority_may_sign_devices_only(tmp_path: Path) -> None:
    """Its own certificate names the network, allows certificates and lists, and no authority below it."""
    made = authority(tmp_path / "pki")
    own = x509.load_pem_x509_certificate(made.certificates()["issuer"].encode())
    limits = own.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = own.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert own.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "example"


def test_certificate_is_for_its_device_as_server_and_client(tmp_path: Path) -> None:
    """It holds the device's name and key and both uses, whatever else the request asked for, and signs nothing."""
    key = new_key()
    issued = authority(tmp_path / "pki").issue("h1.pop1", signing_request(key, "sw1.pop1"), life_s=LIFE)
    leaf = loaded(issued)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(names) == [x509.DNSName("h1.pop1")]
    assert set(uses) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.public_key() == key.public_key()
    assert int(issued.serial, 16) == leaf.serial_number


def test_certificate_holds_from_a_day_before(tmp_path: Path) -> None:
    """A device whose clock is up to a day behind can use it at once; its life counts from now."""
    clock = FakeClock()
    leaf = loaded(authority(tmp_path / "pki", clock).issue("h1.pop1", signing_request(new_key()), life_s=LIFE))
    assert leaf.not_valid_before_utc.timestamp() == clock.now() - DAY
    assert leaf.not_valid_after_utc.timestamp() == clock.now() + LIFE


def test_certificate_ends_with_its_authority(tmp_path: Path) -> None:
    """Nothing that is issued outlives who issued it; afterwards nothing is issued at all."""
    clock = FakeClock()
    made = authority(tmp_path / "pki", clock)
    end = describe_authority(made.certificates()["issuer"])["expires"]
    clock.wait(end - clock.now() - DAY)
    assert made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE).not_after == end
    clock.wait(2 * DAY)
    with pytest.raises(NetorchError, match="the certificate authority has expired"):
        made.issue("h2.pop1", signing_request(new_key()), life_s=LIFE)


def test_serial_numbers_are_random(tmp_path: Path) -> None:
    """No two are alike, and they hold 64 bits of chance at least."""
    made = authority(tmp_path / "pki")
    serials = {made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE).serial for _ in range(5)}
    assert len(serials) == 5
    assert all(len(serial) > 16 for serial in serials)


@pytest.mark.parametrize(
    ("csr", "message"),
    [
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "found something else"),
        ("", "found something else"),
        (signing_request(rsa.generate_private_key(65537, 2048)), "expected a signing request for a P-256 key"),
    ],
)
def test_requests_of_another_kind_are_refused(tmp_path: Path, csr: str, message: str) -> None:
    """What is no request, or for another kind of key, gets no certificate."""
    with pytest.raises(NetorchError, match=message):
        authority(tmp_path / "pki").issue("h1.pop1", csr, life_s=LIFE)


def test_request_is_signed_with_its_own_key(tmp_path: Path) -> None:
    """Who cannot prove to have the key gets no certificate for it."""
    request = x509.load_pem_x509_csr(signing_request(new_key()).encode())
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    with pytest.raises(NetorchError, match="not signed with its own key"):
        authority(tmp_path / "pki").issue("h1.pop1", broken, life_s=LIFE)


def test_same_request_gets_the_same_certificate(tmp_path: Path) -> None:
    """A request that was cut off, or made by two controllers, ends in one certificate; once a third of its life is gone, in
    another one."""
    clock = FakeClock()
    made = authority(tmp_path / "pki", clock)
    request = signing_request(new_key())
    first = made.issue("h1.pop1", request, life_s=LIFE)
    assert made.issue("h1.pop1", request, life_s=LIFE) == first
    clock.wait(LIFE / 2)
    assert made.issue("h1.pop1", request, life_s=LIFE).serial != first.serial


def test_key_that_is_made_for_a_device_is_kept_nowhere(tmp_path: Path) -> None:
    """It fits its certificate, and no file of the folder holds any of it."""
    made = authority(tmp_path / "pki")
    certificate, key = made.issue_with_key("sw1.pop1", life_s=LIFE)
    (tmp_path / "leaf.pem").write_text(certificate.pem)
    (tmp_path / "leaf.key").write_text(key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tmp_path / "leaf.pem", tmp_path / "leaf.key")
    body = key.splitlines()[1]
    assert not any(body in file.read_text() for file in (tmp_path / "pki").rglob("*") if file.is_file())


# ---- revoking -----------------------------------------------------------------------------------------------------


def test_list_holds_what_was_revoked_and_its_number_rises(tmp_path: Path) -> None:
    """Devices are given a list that names the certificate, and that is higher than the one before."""
    made = authority(tmp_path / "pki")
    issued = made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)
    before = made.standing().trust.crl_number
    assert made.revoke_serial(issued.serial, author="ann", reason="lost") == "h1.pop1"
    standing = made.standing()
    (crl,) = crls(made)
    assert crl.get_revoked_certificate_by_serial_number(int(issued.serial, 16)) is not None
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == standing.trust.crl_number
    assert standing.trust.crl_number > before
    assert standing.trust.revoked == (issued.serial,)


def test_list_is_good_for_as_long_as_the_authority(tmp_path: Path) -> None:
    """Lists do not expire while certificates may still be good, even if no controller ever comes again."""
    made = authority(tmp_path / "pki")
    (crl,) = crls(made)
    own = x509.load_pem_x509_certificate(made.certificates()["issuer"].encode())
    assert crl.next_update_utc == own.not_valid_after_utc
    assert crl.is_signature_valid(own.public_key())  # type: ignore[arg-type]


def test_expired_certificates_leave_the_list_but_not_the_record(tmp_path: Path) -> None:
    """The list stays short; who revoked what, and why, is kept."""
    clock = FakeClock()
    made = authority(tmp_path / "pki", clock)
    issued = made.issue("h1.pop1", signing_request(new_key()), life_s=DAY)
    made.revoke_serial(issued.serial, author="ann", reason="lost")
    clock.wait(3 * DAY)
    standing = made.standing()
    assert standing.trust.revoked == ()
    assert [(one.serial, one.author, one.reason) for one in standing.revoked] == [(issued.serial, "ann", "lost")]


def test_revoked_device_gets_no_certificate_until_it_is_admitted(tmp_path: Path) -> None:
    """All of its certificates are revoked, and no controller gives it another one by itself."""
    made = authority(tmp_path / "pki")
    serials = {made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE).serial for _ in range(2)}
    assert set(made.revoke_device("h1.pop1", author="ann", reason="stolen")) == serials
    with pytest.raises(NetorchError, match="has no certificate, since ann revoked it"):
        made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)
    made.admit("h1.pop1")
    assert made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE).serial not in serials


def test_revoked_certificate_is_not_given_once_more(tmp_path: Path) -> None:
    """The same request gets a new certificate once the one before is revoked."""
    made = authority(tmp_path / "pki")
    request = signing_request(new_key())
    first = made.issue("h1.pop1", request, life_s=LIFE)
    made.revoke_serial(first.serial, author="ann", reason="")
    assert made.issue("h1.pop1", request, life_s=LIFE).serial != first.serial


def test_number_of_a_new_folder_is_higher_than_that_of_a_lost_one(tmp_path: Path) -> None:
    """Devices never take an older list; those of an authority that was made anew are newer."""
    clock = FakeClock()
    lost = authority(tmp_path / "lost", clock).standing().trust.crl_number
    clock.wait(60)
    assert authority(tmp_path / "new", clock).standing().trust.crl_number > lost


# ---- what it keeps ------------------------------------------------------------------------------------------------


def test_folder_is_for_one_user_alone(tmp_path: Path) -> None:
    """Nothing in it can be read by others, whatever the umask."""
    made = authority(tmp_path / "pki")
    made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").rglob("*") if path.is_file()}
    assert {name for name, mode in modes.items() if mode != 0o600} == set()
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    """A key whose file was opened up is refused, with what to do."""
    made = authority(tmp_path / "pki")
    (key,) = (tmp_path / "pki").glob("authority-*.key")
    key.chmod(0o644)
    with pytest.raises(NetorchError, match="others may use the file") as caught:
        made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)
    assert "chmod 600" in caught.value.hint


def test_second_authority_is_not_made_over_the_first(tmp_path: Path) -> None:
    """There is one authority in a folder; asking for another is a mistake."""
    made = authority(tmp_path / "pki")
    own = made.certificates()
    with pytest.raises(UsageError, match="there is a certificate authority already"):
        made.create("example")
    assert made.certificates() == own


def test_looking_at_a_missing_folder_makes_none(tmp_path: Path) -> None:
    """A path that was mistyped is told, and nothing is left there."""
    with pytest.raises(NetorchError, match="there is no certificate authority here"):
        Authority(tmp_path / "pik", FakeClock()).standing()
    assert not (tmp_path / "pik").exists()


def test_damaged_record_is_told_with_its_file(tmp_path: Path) -> None:
    """A record that cannot be read stops the authority: it may be the one of what was revoked."""
    made = authority(tmp_path / "pki")
    (tmp_path / "pki/revoked.json").write_text("{")
    with pytest.raises(NetorchError, match=r"revoked\.json: is damaged"):
        made.standing()


def test_records_hold_no_key(tmp_path: Path) -> None:
    """What is printed or logged of an authority's objects has no PEM in it."""
    made = authority(tmp_path / "pki")
    made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)
    assert "-----BEGIN" not in repr(made.standing())


def test_two_programs_at_once_lose_nothing(tmp_path: Path) -> None:
    """Certificates that are issued and revoked by several programs at the same time are all on record."""
    authority(tmp_path / "pki", SystemClock())
    serials: list[str] = []

    def work(number: int) -> None:
        mine = Authority(tmp_path / "pki", SystemClock())
        for _ in range(3):
            issued = mine.issue(f"h{number}.pop1", signing_request(new_key()), life_s=LIFE)
            mine.revoke_serial(issued.serial, author="ann", reason="")
            serials.append(issued.serial)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    standing = Authority(tmp_path / "pki", SystemClock()).standing()
    assert set(standing.trust.revoked) == set(serials)
    assert len(serials) == 12


def test_lock_that_is_held_is_told(tmp_path: Path) -> None:
    """A program that waits for another one's lock gives up in the end, and changes nothing."""
    made = authority(tmp_path / "pki")
    with AuthorityFolder(tmp_path / "pki", FakeClock()).lock(), pytest.raises(Locked, match="in use for 30 s"):
        made.renumber()


def test_authority_that_was_half_made_is_none(tmp_path: Path) -> None:
    """A program that died before the authority was complete leaves room for one."""
    made = authority(tmp_path / "pki")
    (tmp_path / "pki/authorities.json").unlink()
    assert not made.is_there()
    made.create("example")
    made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)


# ---- another authority in its place -------------------------------------------------------------------------------


def verified(certificate: Certificate, made: Authority) -> bool:
    """Whether OpenSSL believes ``certificate``, with what devices are given now."""
    trust = made.standing().trust
    folder = made.path
    (folder / "t.pem").write_text(trust.authority_pem)
    (folder / "r.pem").write_text(trust.revoked_pem)
    (folder / "c.pem").write_text(certificate.pem)
    command = ["openssl", "verify", "-crl_check", "-x509_strict", "-CAfile", "t.pem", "-CRLfile", "r.pem", "c.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def test_both_authorities_are_trusted_on_the_way(tmp_path: Path) -> None:
    """OpenSSL believes certificates of both, and neither's revoked ones, until the former one is dropped."""
    made = authority(tmp_path / "pki", SystemClock())
    old, bad = (made.issue(f"h{n}.pop1", signing_request(new_key()), life_s=LIFE) for n in (1, 2))
    made.revoke_serial(bad.serial, author="ann", reason="")
    assert (verified(old, made), verified(bad, made)) == (True, False)
    made.prepare_next("example")
    assert made.standing().stage == "next"
    assert (verified(old, made), verified(bad, made)) == (True, False)
    made.switch_to_next()
    new = made.issue("h1.pop1", signing_request(new_key()), life_s=LIFE)
    assert made.standing().stage == "former"
    assert new.issuer != old.issuer
    assert (verified(old, made), verified(new, made), verified(bad, made)) == (True, True, False)
    made.drop_former()
    assert (verified(old, made), verified(new, made), verified(bad, made)) == (False, True, False)
    assert len(list((tmp_path / "pki").glob("authority-*"))) == 2


def test_change_that_ended_half_way_is_made_good(tmp_path: Path) -> None:
    """Where a program died between the roles and the lists, the next look signs the lists that are missing."""
    made = authority(tmp_path / "pki")
    before = (tmp_path / "pki/revoked.json").read_bytes()
    made.prepare_next("example")
    (tmp_path / "pki/revoked.json").write_bytes(before)
    assert len(made.standing().trust.authorities) == 2
    assert len(crls(made)) == 2


def test_authority_that_is_set_aside_leaves_room(tmp_path: Path) -> None:
    """After a compromise everything is kept for whoever looks into it, and a new authority can be made."""
    made = authority(tmp_path / "pki")
    old = made.standing().issuer
    place = made.set_aside()
    assert not made.is_there()
    made.create("example")
    assert made.standing().issuer != old
    assert json.loads((place / "authorities.json").read_text())["issuer"]
