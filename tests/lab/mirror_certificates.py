"""Certificates for tests of the mirror's agents: an authority, leaves good and bad, revocation lists."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - certificates hold for real time
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Leaf:
    """A device's certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class TestAuthority:
    """Signs whatever it is asked to."""

    __test__ = False

    def __init__(self, name: str = "example") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (
            self._builder(self.name, self.key.public_key(), NOW - DAY, NOW + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, SHA256())
        )

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, since: datetime.datetime, until: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def leaf(
        self, name: str, *, since: datetime.datetime = NOW - DAY, until: datetime.datetime = NOW + 30 * DAY
    ) -> Leaf:
        """A certificate for the device ``name``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        certificate = (
            self._builder(subject, key.public_key(), since, until)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usages, critical=False)
            .sign(self.key, SHA256())
        )
        return Leaf(certificate, key)

    def revoked(self, *leaves: Leaf) -> bytes:
        """A revocation list with these certificates."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(NOW - DAY)
            .next_update(NOW + 3650 * DAY)
        )
        for leaf in leaves:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(leaf.certificate.serial_number)
                .revocation_date(NOW - DAY)
                .build()
            )
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def install(self, folder: Path, leaf: Leaf, *, revoked: bytes | None = None) -> None:
        """Write what an agent looks for, each file in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "key.pem": pem_of_key(leaf.key),
            "certificate.pem": leaf.certificate.public_bytes(Encoding.PEM),
            "authority.pem": self.certificate.public_bytes(Encoding.PEM),
        }
        if revoked is not None:
            files["revoked.pem"] = revoked
        for name, data in files.items():
            replace(folder / name, data)


def replace(path: Path, data: bytes) -> None:
    """Replace a file in one step, as the agent's writer does."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
