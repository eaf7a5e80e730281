"""netorch's certificate authority: issues, revokes, and hands its place on to another one.

``cryptography`` is imported when something is signed; to look at what is there takes none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, UsageError
from netorch.io.authority_folder import AuthorityFolder, RevokedList, Roles
from netorch.model.certificate import (
    BACKDATE_S,
    Bar,
    Certificate,
    CertificateFacts,
    Revocation,
    Standing,
    Trust,
    fingerprint_of,
)
from netorch.ports import Clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from netorch.io.authority_signing import Signer

DAY_S = 86400.0
KEPT = 32
"""So many certificates of a device are kept on record: one that can be given none must not fill the disk."""


class Authority:
    """The authority in ``folder``, which may be there or not. Several programs may use it at once: whatever it does it does
    under the folder's lock, from what is then there. Every method raises NetorchError where files are missing or damaged."""

    def __init__(self, folder: str | Path, clock: Clock) -> None:
        self._folder = AuthorityFolder(Path(folder), clock)
        self._clock = clock

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    def is_there(self) -> bool:
        """Whether there is an authority in the folder."""
        return self._folder.has_roles()

    def create(self, network: str) -> None:
        """Make the authority of ``network``.

        Raises UsageError where there is one.
        """
        with self._folder.lock():
            if self.is_there():
                hint = "netorch pki show tells about it; netorch pki roll puts another one in its place"
                raise UsageError("there is a certificate authority already", where=str(self.path), hint=hint)
            roles = Roles(self._make(network))
            self._folder.keep_revoked(self._list(RevokedList(0), (), roles))
            self._folder.keep_roles(roles)

    def standing(self) -> Standing:
        """What there is now."""
        self._roles()  # before the lock, which makes the folder
        with self._folder.lock():
            roles = self._roles()
            texts = [self._folder.certificate(name) for name in roles.trusted]
            authorities = tuple(fingerprint_of(text) for text in texts)
            revoked = self._folder.revoked()
            if revoked.authorities != authorities:  # something ended half-way
                revoked = self._revoke(())
            return Standing(
                issuer=authorities[0],
                trust=Trust(
                    authorities=authorities,
                    crl_number=revoked.number,
                    revoked=tuple(one.serial for one in revoked.revoked if _is_listed(one, self._clock.now())),
                    authority_pem="".join(texts),
                    revoked_pem=revoked.crl,
                ),
                revoked=revoked.revoked,
                records=self._folder.records(),
                stage=roles.stage,
            )

    # ---- issuing ------------------------------------------------------------------------------------------------

    def issue(self, device: str, csr: str, *, life_s: float) -> Certificate:
        """A certificate for the key of a signing request, whose other wishes do not count. The newest certificate of the same
        key, where it is still good for two thirds of its life, is given once more: a request that was cut off is repeated.

        Raises NetorchError for a request that cannot be trusted, and for a device that is barred.
        """
        from netorch.io.authority_signing import certified_key, requested_key

        key = requested_key(csr, device)
        with self._folder.lock():
            former = next(iter(self._folder.record(device).certificates), None)
            if former is not None and self._is_fresh(former) and certified_key(former.pem) == key:
                return former
            return self._issue(device, key, life_s=life_s)

    def issue_with_key(self, device: str, *, life_s: float) -> tuple[Certificate, str]:
        """A certificate and its key as PEM, for a device that cannot make one. The key is kept nowhere."""
        from netorch.io.authority_signing import make_key, private_pem

        key = make_key()
        with self._folder.lock():
            made = self._issue(device, key.public_key(), life_s=life_s)
        return made, private_pem(key).decode()

    def note_installed(self, device: str, facts: CertificateFacts) -> None:
        """Put on record what ``device`` was seen to have."""
        with self._folder.lock():
            record = self._folder.record(device)
            seen = replace(record, installed=facts.serial, crl_number=facts.crl_number, key_origin=facts.key_origin)
            if seen != record:
                self._folder.keep(seen)

    def _issue(self, device: str, key: EllipticCurvePublicKey, *, life_s: float) -> Certificate:
        record = self._folder.record(device)
        if record.bar is not None:
            hint = f"netorch pki issue {device} gives it one again"
            raise NetorchError(f"has no certificate, since {record.bar.author} revoked it", where=device, hint=hint)
        name = self._roles().issuer
        now = self._clock.now()
        made = self._signer(name).sign_certificate(device, key, now=now, life_s=life_s)
        if made.not_after <= now:
            hint = "netorch pki roll puts another one in its place"
            raise NetorchError("the certificate authority has expired", where=str(self.path), hint=hint)
        good = [one for one in record.certificates if one.not_after > now - DAY_S]
        kept = tuple(one for at, one in enumerate(good) if at < KEPT or one.serial == record.installed)
        # On record before anybody has it: what cannot be found cannot be revoked.
        self._folder.keep(replace(record, certificates=(made, *kept)))
        return made

    def _is_fresh(self, certificate: Certificate) -> bool:
        left_s, whole_s = certificate.not_after - self._clock.now(), certificate.not_after - certificate.issued
        is_revoked = certificate.serial in {one.serial for one in self._folder.revoked().revoked}
        issuer = fingerprint_of(self._folder.certificate(self._roles().issuer))
        return left_s > whole_s * 2 / 3 and certificate.issuer == issuer and not is_revoked

    # ---- revoking -----------------------------------------------------------------------------------------------

    def revoke_device(self, device: str, *, author: str, reason: str) -> tuple[str, ...]:
        """Revoke every certificate of ``device``, and give it no other one until ``admit``; the serial numbers."""
        with self._folder.lock():
            self._roles()
            record = self._folder.record(device)
            # The bar first: whatever happens in between, nobody issues another one.
            self._folder.keep(replace(record, bar=Bar(author, self._clock.now(), reason)))
            self._revoke(self._revocation(device, one, author=author, reason=reason) for one in record.certificates)
            return tuple(one.serial for one in record.certificates)

    def revoke_serial(self, serial: str, *, author: str, reason: str) -> str:
        """Revoke one certificate; the name of its device, "" where there is no record of it."""
        with self._folder.lock():
            for record in self._folder.records().values():
                for one in record.certificates:
                    if one.serial == serial:
                        self._revoke([self._revocation(record.device, one, author=author, reason=reason)])
                        return record.device
            until = self._signer(self._roles().issuer).certificate.not_valid_after_utc.timestamp()
            self._revoke([Revocation(serial, "", author, self._clock.now(), reason, until)])
            return ""

    def admit(self, device: str) -> None:
        """Let ``device`` have certificates again."""
        with self._folder.lock():
            record = self._folder.record(device)
            if record.bar is not None:
                self._folder.keep(replace(record, bar=None))

    def renumber(self, *, above: int = 0) -> None:
        """Sign the lists anew, with a number that is higher than theirs and than ``above``."""
        with self._folder.lock():
            self._revoke((), above=above)

    def _revocation(self, device: str, one: Certificate, *, author: str, reason: str) -> Revocation:
        return Revocation(one.serial, device, author, self._clock.now(), reason, one.not_after)

    def _revoke(self, more: Iterable[Revocation], *, above: int = 0) -> RevokedList:
        former = self._folder.revoked()
        former = replace(former, number=max(former.number, above))
        made = self._list(former, more, self._roles())
        self._folder.keep_revoked(made)
        return made

    def _list(self, former: RevokedList, more: Iterable[Revocation], roles: Roles) -> RevokedList:
        known = {one.serial for one in former.revoked}
        revoked = (*former.revoked, *(one for one in more if one.serial not in known))
        now = self._clock.now()
        # Higher than any before, also than those of a folder that was lost: it follows the clock.
        number = max(former.number + 1, int(now))
        listed = [one for one in revoked if _is_listed(one, now)]
        texts = (self._signer(name).sign_list(number, listed, now=now) for name in roles.trusted)
        authorities = tuple(fingerprint_of(self._folder.certificate(name)) for name in roles.trusted)
        return RevokedList(number, revoked, authorities, "".join(texts))

    # ---- another authority in its place ---------------------------------------------------------------------------

    def prepare_next(self, network: str) -> None:
        """Make the authority that is to follow; from now on both are trusted."""
        with self._folder.lock():
            self._change_roles(replace(self._roles(), next=self._make(network)))

    def switch_to_next(self) -> None:
        """Issue with the next authority; the present one stays trusted as the former one."""
        with self._folder.lock():
            roles = self._roles()
            if roles.next:
                self._change_roles(Roles(roles.next, former=roles.issuer))

    def drop_former(self) -> None:
        """Trust the former authority no more, and forget its key."""
        with self._folder.lock():
            roles = self._roles()
            self._change_roles(replace(roles, former=""))
            if roles.former:
                self._folder.forget_authority(roles.former)

    def set_aside(self) -> Path:
        """Move everything into a folder of its own, for an authority that nobody may believe any more; that folder."""
        with self._folder.lock():
            when = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
            return self._folder.set_aside(f"set-aside-{when}")

    def _change_roles(self, roles: Roles) -> None:
        self._folder.keep_roles(roles)
        self._revoke(())

    # ---- keys -----------------------------------------------------------------------------------------------------

    def certificates(self) -> dict[str, str]:
        """The certificates of the authorities that are trusted, as PEM, by what they are: ``issuer``, ``next``, ``former``."""
        roles = self._roles()
        named = {"issuer": roles.issuer, "next": roles.next, "former": roles.former}
        return {role: self._folder.certificate(name) for role, name in named.items() if name}

    def _roles(self) -> Roles:
        if not self.is_there():
            hint = "netorch pki init makes one; if there was one, put its folder back from the backup"
            raise NetorchError("there is no certificate authority here", where=str(self.path), hint=hint)
        return self._folder.roles()

    def _make(self, network: str) -> str:
        from netorch.io.authority_signing import make_authority

        key, certificate = make_authority(network, self._clock.now())
        return self._folder.keep_authority(key, certificate)

    def _signer(self, name: str) -> Signer:
        from netorch.io.authority_signing import Signer

        key, where = self._folder.key(name)
        return Signer(key, self._folder.certificate(name), where=where)


def _is_listed(revocation: Revocation, now: float) -> bool:
    """What has expired, also for a clock that is behind, needs no place in a list."""
    return revocation.not_after > now - BACKDATE_S
