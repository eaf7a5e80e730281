"""Certificates of devices: what an authority issues, what a device is told to trust, what a device reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

DEVICE, CONTROLLER = "device", "controller"
"""Where a key was made. One made on its device has never left it."""

BACKDATE_S = 86400.0
"""Certificates hold from so long before they are made: a device whose clock is behind can use them at once."""


@dataclass(frozen=True)
class Certificate:
    """A certificate of a device. ``serial`` and fingerprints (SHA-256 of the DER form) are lower-case hexadecimal; times are
    seconds since the epoch. ``issuer`` is the fingerprint of the authority's own certificate, ``issued`` when it was made:
    it holds from somewhat before, since clocks differ."""

    serial: str
    fingerprint: str
    issuer: str
    issued: float
    not_after: float
    pem: str = field(repr=False)


@dataclass(frozen=True)
class Trust:
    """What a device needs to tell good certificates from others: the authorities (by fingerprint, and as PEM), and the serial
    numbers that they revoked with the number of that list, which only ever rises (and the lists as PEM, one an authority)."""

    authorities: Tuple[str, ...]
    crl_number: int
    revoked: Tuple[str, ...]
    authority_pem: str = field(repr=False)
    revoked_pem: str = field(repr=False)


@dataclass(frozen=True)
class CsrRequest:
    """A certificate signing request is wanted. A key that is there for it and was never used is taken, unless ``fresh``."""

    device: str
    fresh: bool = False


@dataclass(frozen=True)
class CertifyRequest:
    """Install ``certificate`` (None: keep the present one) and ``trust``, all of it or nothing. ``key`` only where the device
    could not make one itself."""

    device: str
    trust: Trust
    certificate: Optional[Certificate] = None
    key: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class CertificateFacts:
    """The certificate that a device uses, and what it trusts. ``problem`` says what is wrong with the files, "" while nothing
    is; ``clock`` is the device's time when it was asked."""

    serial: str
    fingerprint: str
    issuer: str
    issued: float
    not_after: float
    key_origin: str
    authorities: Tuple[str, ...]
    crl_number: int
    revoked: Tuple[str, ...] = ()
    problem: str = ""
    clock: float = 0.0


@dataclass(frozen=True)
class Bar:
    """Why a device gets no certificate until a person says so."""

    author: str
    time: float
    reason: str


@dataclass(frozen=True)
class Issued:
    """What the authority has on record for a device: its certificates that have not expired, newest first, and what
    the device was last seen to have: a certificate's serial number ("" for none), where its key was made, a list's number."""

    device: str
    certificates: Tuple[Certificate, ...] = ()
    installed: str = ""
    key_origin: str = DEVICE
    crl_number: int = 0
    bar: Optional[Bar] = None


@dataclass(frozen=True)
class Revocation:
    """A certificate that must not be believed any more. ``not_after`` is when it would have expired."""

    serial: str
    device: str
    author: str
    time: float
    reason: str
    not_after: float


@dataclass(frozen=True)
class Standing:
    """What an authority has, at one moment. ``issuer`` is the fingerprint of the certificate that it issues with; ``revoked``
    are all that it ever revoked, expired ones included, ``records`` by device. ``stage`` says how far another authority is on
    its way into this one's place: ``next`` (both are trusted, this one issues), ``former`` (both are trusted, the new one
    issues), "" while there is one alone."""

    issuer: str
    trust: Trust
    revoked: Tuple[Revocation, ...] = ()
    records: Mapping[str, Issued] = field(default_factory=dict)
    stage: str = ""

    def record(self, device: str) -> Issued:
        """What is on record for ``device``."""
        return self.records.get(device, Issued(device))

    @property
    def revoked_serials(self) -> Tuple[str, ...]:
        """The serial numbers of ``revoked``."""
        return tuple(one.serial for one in self.revoked)


def fingerprint_of(pem: str) -> str:
    """SHA-256 of the DER form of the first certificate in ``pem``, in hexadecimal; ValueError where there is none."""
    import base64
    import hashlib  # loads OpenSSL, and the agent imports this module

    body = pem.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0]
    if not body:
        raise ValueError("not a certificate in PEM")
    return hashlib.sha256(base64.b64decode(body)).hexdigest()
