"""What ``netorch pki`` does: looks at the authority, and works on certificates when a person asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netorch.app.certificates import DAY_S, CertificateKeeper
from netorch.app.controller import Controller
from netorch.app.gather import facts_request
from netorch.app.results import CertificateResult
from netorch.errors import GuardRefused, NetorchError, UsageError
from netorch.io.authority import Authority
from netorch.model.certificate import Certificate, Issued, Standing
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Inventory
from netorch.model.overlay import Overlay
from netorch.model.text import did_you_mean, utc_text
from netorch.ports import Clock

NEXT_STEPS = {
    "next": "devices trust both authorities now; netorch pki roll, once more, issues with the new one",
    "former": "certificates are of the new authority now; netorch pki roll, once more, ends the trust in the former one",
    "": "the new authority is the only one now",
}


@dataclass(frozen=True)
class PkiResult:
    """What became of certificates that a person asked for, and the devices that could not be asked. ``told`` are remarks."""

    results: tuple[CertificateResult, ...] = ()
    failures: Mapping[str, NetorchError] | None = None
    told: tuple[str, ...] = ()


def authority_of(inventory: Inventory, clock: Clock) -> Authority:
    """The authority that the inventory names, whether it is there or not.

    Raises UsageError where it names none.
    """
    if inventory.pki is None:
        hint = "add 'pki: FOLDER' to network.yml; docs/pki.md tells what follows"
        raise UsageError("the inventory has no key pki: no certificates are issued", where=inventory.folder, hint=hint)
    return Authority(inventory.pki.folder, clock)


def make_authority(controller: Controller, *, anew: bool) -> PkiResult:
    """Make the authority. With ``anew`` the present one is set aside, and believed no more by any device that is reached
    afterwards."""
    authority = authority_of(controller.inventory, controller.clock)
    told: tuple[str, ...] = ()
    if anew and authority.is_there():
        told = (f"the former authority's files are in {authority.set_aside()}",)
    authority.create(controller.inventory.name)
    name = controller.inventory.name
    _record(controller, name, "created", message=str(authority.path))
    made = f"the certificate authority of {name} was made: {authority.path}"
    return PkiResult(told=(made, "keep a copy of the folder where nobody else can read it", *told))


def certificate_rows(inventory: Inventory, clock: Clock, names: Iterable[str]) -> list[dict[str, Any]]:
    """A row for each of ``names`` and, where these are all, each further device that has certificates. Times are UTC."""
    standing = authority_of(inventory, clock).standing()
    names = tuple(names)
    if len(names) == len(inventory.devices):
        names = (*names, *(name for name in standing.records if name not in names))
    devices = {device.name for device in inventory.devices}
    rows = [_row(standing.record(name), standing, clock.now()) for name in names]
    for row in rows:
        if row["device"] not in devices and row["state"] not in ("barred", "revoked", "expired", "none"):
            row["state"] = "not in the inventory"
    return rows


def _row(record: Issued, standing: Standing, now: float) -> dict[str, Any]:
    shown = _shown(record)
    return {
        "device": record.device,
        "state": _state(record, standing, now),
        "serial": shown.serial if shown is not None else None,
        "issued": utc_text(shown.issued) if shown is not None else None,
        "expires": utc_text(shown.not_after) if shown is not None else None,
        "days_left": round((shown.not_after - now) / DAY_S, 1) if shown is not None else None,
        "key_made_on": record.key_origin if record.installed else None,
        "knows_revoked": record.crl_number >= standing.trust.crl_number if record.installed else None,
        "fingerprint": shown.fingerprint if shown is not None else None,
        "revoked_by": record.bar.author if record.bar is not None else None,
        "reason": (record.bar.reason or None) if record.bar is not None else None,
    }


def _shown(record: Issued) -> Certificate | None:
    """The certificate that the device has; the newest one where it was never seen to have any."""
    installed = (one for one in record.certificates if one.serial == record.installed)
    return next(installed, None) or next(iter(record.certificates), None)


def _state(record: Issued, standing: Standing, now: float) -> str:
    shown = _shown(record)
    if record.bar is not None:
        return "barred"
    if shown is None:
        return "none"
    if shown.serial in standing.revoked_serials:
        return "revoked"
    if shown.not_after <= now:
        return "expired"
    if shown.serial != record.installed:
        return "not installed"
    if shown.issuer != standing.issuer:
        return "former authority"
    return "good" if shown.not_after - now >= (shown.not_after - shown.issued) / 3 else "due"


def describe(inventory: Inventory, clock: Clock) -> dict[str, Any]:
    """The authority: where it is, whom it trusts, what it issued and revoked. Times are UTC."""
    from netorch.io.authority_signing import describe_authority

    authority = authority_of(inventory, clock)
    standing = authority.standing()
    trusted = []
    for role, pem in authority.certificates().items():
        about = describe_authority(pem)
        trusted.append({"role": role, **about, "made": utc_text(about["made"]), "expires": utc_text(about["expires"])})
    assert inventory.pki is not None
    return {
        "folder": str(authority.path),
        "network": inventory.name,
        "life_days": inventory.pki.life_days,
        "authorities": trusted,
        "devices": len([record for record in standing.records.values() if record.certificates]),
        "crl_number": standing.trust.crl_number,
        "revoked": [
            {
                "serial": one.serial,
                "device": one.device or None,
                "revoked": utc_text(one.time),
                "author": one.author,
                "reason": one.reason or None,
                "is_listed": one.serial in standing.trust.revoked,
            }
            for one in standing.revoked
        ],
        "next_step": NEXT_STEPS[standing.stage] if standing.stage else None,
    }


def issue(controller: Controller, names: tuple[str, ...]) -> PkiResult:
    """Certificates for those of ``names`` that need one, devices included whose certificates were revoked by name."""
    authority = authority_of(controller.inventory, controller.clock)
    standing = authority.standing()
    barred = [name for name in names if standing.record(name).bar is not None]
    for name in barred:
        authority.admit(name)
        _record(controller, name, "admitted")
    return _bring(controller, names, reasons=dict.fromkeys(barred, f"{controller.author} admits it again"))


def renew(controller: Controller, names: tuple[str, ...]) -> PkiResult:
    """New keys and certificates for ``names``, whether they are due or not."""
    standing = authority_of(controller.inventory, controller.clock).standing()
    for name in names:
        bar = standing.record(name).bar
        if bar is not None:
            hint = f"netorch pki issue {name} gives it one again"
            raise NetorchError(f"has no certificate, since {bar.author} revoked it", where=name, hint=hint)
    return _bring(controller, names, reasons=dict.fromkeys(names, f"{controller.author} asked for it"))


def revoke(controller: Controller, word: str, *, reason: str) -> PkiResult:
    """Revoke all certificates of the device ``word``, or the one with that serial number, and tell every device at once.

    Raises UsageError for a word that is neither.
    """
    authority = authority_of(controller.inventory, controller.clock)
    standing = authority.standing()
    known = {device.name for device in controller.inventory.devices} | set(standing.records)
    if word in known:
        serials = authority.revoke_device(word, author=controller.author, reason=reason)
        count = f"{len(serials)} certificate{'' if len(serials) == 1 else 's'}"
        told = f"{word}: {count} revoked; it gets no other one until netorch pki issue {word}"
        _record(controller, word, "revoked", reason=reason, message=f"serial {', '.join(serials) or 'none'}")
    else:
        serial = _serial(word, known)
        device = authority.revoke_serial(serial, author=controller.author, reason=reason)
        owner = f"{device}: its certificate" if device else "a certificate that is not on record"
        told = f"{owner} {serial} is revoked"
        _record(controller, device or controller.inventory.name, "revoked", reason=reason, message=f"serial {serial}")
    done = distribute(controller)
    return PkiResult(done.results, done.failures, (told,))


def distribute(controller: Controller) -> PkiResult:
    """Tell every device that has a certificate what is trusted and revoked."""
    return _bring(controller, [device.name for device in controller.inventory.devices], trust_only=True)


def roll(controller: Controller, *, force: bool) -> PkiResult:
    """The next step of putting another authority in the present one's place; both are trusted meanwhile.

    Raises GuardRefused, unless ``force``, while devices are not yet where the step before was to bring them.
    """
    authority = authority_of(controller.inventory, controller.clock)
    standing = authority.standing()
    names = [device.name for device in controller.inventory.devices]
    if not standing.stage:
        authority.prepare_next(controller.inventory.name)
        done = distribute(controller)
        return _rolled(controller, done, "next")
    facts, failures = _ask(controller, names)
    missing = [f"{name} could not be asked" for name in failures]
    for name, one in facts.items():
        held = one.certificate
        if held is None or standing.record(name).bar is not None:
            continue
        if standing.stage == "next" and not set(standing.trust.authorities) <= set(held.authorities):
            missing.append(f"{name} does not trust both authorities")
        if standing.stage == "former" and held.issuer != standing.issuer:
            missing.append(f"{name} has a certificate of the former authority")
    if missing and not force:
        hint = "netorch run brings them there; --force goes on without them: their mirror stands still until it does"
        raise GuardRefused(f"not every device is ready: {'; '.join(missing)}", hint=hint)
    if standing.stage == "next":
        authority.switch_to_next()
        return _rolled(controller, _bring(controller, [name for name in names if _has_any(facts, name)]), "former")
    authority.drop_former()
    return _rolled(controller, distribute(controller), "")


def _has_any(facts: Mapping[str, DeviceFacts], name: str) -> bool:
    return name in facts and facts[name].certificate is not None


def _rolled(controller: Controller, done: PkiResult, stage: str) -> PkiResult:
    _record(controller, controller.inventory.name, "rolled", message=NEXT_STEPS[stage])
    return PkiResult(done.results, done.failures, (NEXT_STEPS[stage],))


def _bring(
    controller: Controller,
    names: Iterable[str],
    *,
    reasons: Mapping[str, str] | None = None,
    trust_only: bool = False,
) -> PkiResult:
    names = tuple(names)
    facts, failures = _ask(controller, names)
    if trust_only:
        facts = {name: one for name, one in facts.items() if one.certificate is not None}
    keeper = CertificateKeeper.open(controller, facts)
    assert keeper is not None
    if keeper.problem is not None:
        raise keeper.problem
    for reason in dict.fromkeys((reasons or {}).values()):
        keeper.bring_all([name for name in names if (reasons or {}).get(name) == reason], reason=reason)
    keeper.bring_all(names, trust_only=trust_only)
    return PkiResult(tuple(keeper.results[name] for name in names if name in keeper.results), failures)


def _ask(controller: Controller, names: Iterable[str]) -> tuple[dict[str, DeviceFacts], dict[str, NetorchError]]:
    intent = controller.intent(Overlay())

    def ask(name: str) -> DeviceFacts:
        controller.progress.step(name, "asking for its certificate")
        return controller.devices(name).facts(facts_request(intent.device(name), ("certificate",)))

    return controller.each(names, ask)


def _serial(word: str, known: Iterable[str]) -> str:
    digits = word.replace(":", "").lower().removeprefix("0x")
    try:
        number = int(digits, 16)
    except ValueError:
        number = 0
    if not 0 < number < 1 << 160 or len(digits) < 8:  # RFC 5280 section 4.1.2.2
        hint = did_you_mean(word, known, otherwise="devices are ")
        raise UsageError(f"expected a device or a serial number in hexadecimal, found {word!r}", hint=hint)
    return f"{number:x}"


def _record(controller: Controller, device: str, result: str, *, reason: str = "", message: str = "") -> None:
    if controller.audit is not None:
        controller.audit.record("pki", device, result=result, reason=reason, message=message)
