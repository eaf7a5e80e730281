"""What a certificate authority signs: itself, certificates of devices, lists of those that it revoked.

Source: RFC 5280, RFC 5480 (P-256). Imports ``cryptography``: only who signs something imports this module.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netorch.errors import NetorchError
from netorch.model.certificate import BACKDATE_S, Certificate, Revocation, fingerprint_of

AUTHORITY_LIFE = timedelta(days=7305)
BACKDATE = timedelta(seconds=BACKDATE_S)
_USAGES = """digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign
crl_sign"""


def make_authority(network: str, now: float) -> tuple[bytes, bytes]:
    """A new authority of ``network``: its private key and its certificate, as PEM."""
    key = make_key()
    # Lists of revoked certificates are found by the name of who signed them: no two authorities have the same one.
    common = f"netorch {network} {secrets.token_hex(4)}"
    names = [(NameOID.ORGANIZATION_NAME, network), (NameOID.COMMON_NAME, common)]
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names])
    begin = _time(now)
    certificate = (
        _builder(subject, subject, key.public_key(), begin=begin - BACKDATE, end=begin + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, SHA256())
    )
    return private_pem(key), certificate.public_bytes(Encoding.PEM)


class Signer:
    """An authority that signs. ``where`` names its key's file in errors.

    Raises NetorchError where the key is none, or not that of the certificate.
    """

    def __init__(self, key_pem: bytes, certificate_pem: str, *, where: str) -> None:
        try:
            key = load_pem_private_key(key_pem, None)
            self.certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        except (ValueError, TypeError):  # what they say may show a part of the key
            raise NetorchError("expected a key in PEM that needs no passphrase", where=where) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self.certificate.public_key():
            hint = "put the authority's files back from the folder's backup"
            raise NetorchError("is not the key of the certificate beside it", where=where, hint=hint)
        self._key = key
        self._fingerprint = fingerprint_of(certificate_pem)

    def sign_certificate(
        self, device: str, key: ec.EllipticCurvePublicKey, *, now: float, life_s: float
    ) -> Certificate:
        """A certificate of ``device``, both as TLS server and as client; it ends with the authority at the latest."""
        begin = _time(now)
        end = min(begin + timedelta(seconds=life_s), self.certificate.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        signed = (
            _builder(self.certificate.subject, subject, key, begin=begin - BACKDATE, end=end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(device)]), critical=False)
            .add_extension(self._identifier(), critical=False)
            .sign(self._key, SHA256())
        )
        text = signed.public_bytes(Encoding.PEM).decode()
        return Certificate(
            serial=f"{signed.serial_number:x}",
            fingerprint=fingerprint_of(text),
            issuer=self._fingerprint,
            issued=begin.timestamp(),
            not_after=end.timestamp(),
            pem=text,
        )

    def sign_list(self, number: int, revoked: Iterable[Revocation], *, now: float) -> str:
        """The list of revoked certificates with this number. It is good for as long as the authority: one that ends sooner
        would break the mirror when no controller is left."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(_time(now) - BACKDATE)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._identifier(), critical=False)
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16)).revocation_date(_time(one.time))
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()

    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def describe_authority(pem: str) -> dict[str, Any]:
    """Name, fingerprint, and both ends of the life (seconds since the epoch) of an authority's certificate."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return {
        "name": certificate.subject.rfc4514_string(),
        "fingerprint": fingerprint_of(pem),
        "made": (certificate.not_valid_before_utc + BACKDATE).timestamp(),
        "expires": certificate.not_valid_after_utc.timestamp(),
    }


def requested_key(csr: str, device: str) -> ec.EllipticCurvePublicKey:
    """The key of a signing request of ``device``.

    Raises NetorchError for one that is not signed with its own key, or whose key is not P-256.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
    except ValueError:
        raise NetorchError("expected a certificate signing request, found something else", where=device) from None
    if not request.is_signature_valid:
        raise NetorchError("the certificate signing request is not signed with its own key", where=device)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise NetorchError("expected a signing request for a P-256 key, found another one", where=device)
    return key


def certified_key(pem: str) -> Any:
    """The public key of a certificate."""
    return x509.load_pem_x509_certificate(pem.encode()).public_key()


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key in the open: for a file of mode 0600, or the standard input of a device."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*allowed: str) -> x509.KeyUsage:
    flags: dict[str, bool] = {name: name in allowed for name in _USAGES.split()}
    return x509.KeyUsage(**flags, encipher_only=False, decipher_only=False)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
