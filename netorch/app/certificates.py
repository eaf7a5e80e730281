"""Certificates of devices: who needs which, and how it gets there. A run without any due asks no device for more than facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from netorch.app.controller import Controller
from netorch.app.results import CertificateResult
from netorch.errors import DeviceError, NetorchError, UsageError
from netorch.io.authority import Authority
from netorch.model.certificate import Certificate, CertificateFacts, CertifyRequest, CsrRequest, Standing
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Pki, Router
from netorch.model.request import FactsRequest

DAY_S = 86400.0
NEW_AUTHORITY = "certificate: one is issued, by an authority that is made for it"
CLOCK_TOLD_S = 3600.0
CLOCK_REFUSED_S = 12 * 3600.0
"""Half of what certificates are backdated by: with clocks further apart, a new one might be worse than the present one."""


@dataclass(frozen=True)
class Need:
    """What a device lacks. ``reason`` says why it gets a new certificate, "" where the present one will do; ``is_behind``: what
    it trusts is not what it should trust. ``refusal`` says why nothing is sent all the same; ``is_barred``: it gets no
    certificate, since somebody wanted it so."""

    reason: str = ""
    is_behind: bool = False
    refusal: str = ""
    hint: str = ""
    is_barred: bool = False

    @property
    def is_none(self) -> bool:
        """Nothing is to be done, and nothing is wrong."""
        return not (self.reason or self.is_behind or self.refusal)

    @property
    def note(self) -> str:
        """What a plan says."""
        if self.refusal:
            return f"certificate: nothing is sent: {self.refusal}"
        if self.reason:
            return f"certificate: a new one is issued: {self.reason}"
        if self.is_barred:
            return "certificate: none is issued, it was revoked by the device's name: netorch pki issue admits it again"
        return "certificate: gets the newest list of what is trusted and revoked" if self.is_behind else ""


def find_need(device: str, facts: CertificateFacts | None, standing: Standing, *, now: float) -> Need:
    """What ``device`` lacks, from what it reported and what the authority has. Pure; ``now`` is the controller's time."""
    record = standing.record(device)
    if facts is None:
        return Need(is_barred=True) if record.bar is not None else Need(reason="it has none")
    trust = standing.trust
    is_ours = bool(set(facts.authorities) & set(trust.authorities))
    unknown = sorted(set(facts.revoked) - set(standing.revoked_serials))
    if is_ours and unknown:
        return Need(
            refusal=f"it knows revoked certificates that the authority does not: {', '.join(unknown)}",
            hint="is the authority's folder an old copy? Put the newest one back, or netorch pki revoke these",
        )
    is_behind = (facts.authorities, facts.crl_number) != (trust.authorities, trust.crl_number)
    if record.bar is not None:
        return Need(is_behind=is_behind, is_barred=True)
    reason = _why_new(device, facts, standing, now=now)
    skew_s = facts.clock - now
    is_old = reason.startswith("expire")
    if is_old and abs(skew_s) > CLOCK_REFUSED_S and facts.not_after > facts.clock:
        refusal = f"its clock is {_skew(skew_s)} this one, and by its own its certificate is good"
        return Need(is_behind=is_behind, refusal=refusal, hint="set the clock that is wrong, here or there")
    return Need(reason, is_behind)


def _why_new(device: str, facts: CertificateFacts, standing: Standing, *, now: float) -> str:
    if facts.problem:
        return facts.problem
    if facts.issuer not in standing.trust.authorities:
        return "it is of another authority"
    if facts.serial in standing.revoked_serials:
        return "it is revoked"
    if facts.issuer != standing.issuer and standing.stage == "former":
        return "it is of the former authority"
    left_s, whole_s = facts.not_after - now, facts.not_after - facts.issued
    if left_s <= 0:
        return f"expired {_span(-left_s)} ago"
    if left_s < whole_s / 3:
        return f"expires in {_span(left_s)}"
    if facts.serial not in {one.serial for one in standing.record(device).certificates}:
        return "the authority has it not on record"
    return ""


def certificate_notes(controller: Controller, facts: Mapping[str, DeviceFacts], names: Iterable[str]) -> dict[str, str]:
    """What a plan says about certificates of ``names``, by device; {} where no certificates are issued."""
    keeper = CertificateKeeper.open(controller, facts)
    if keeper is None:
        return {}
    if keeper.is_first:
        return {name: NEW_AUTHORITY for name in names if name in facts and not keeper.has_no_agent(name)}
    notes = {name: keeper.need(name).note for name in names if name in facts}
    return {name: note for name, note in notes.items() if note}


def certificate_expiries(facts: Mapping[str, DeviceFacts], results: Iterable[CertificateResult]) -> dict[str, float]:
    """When each device's certificate expires, in seconds since the epoch, after what ``results`` changed."""
    found = {name: one.certificate.not_after for name, one in facts.items() if one.certificate is not None}
    found.update({one.device: one.not_after for one in results if one.not_after is not None})
    return found


@dataclass
class CertificateKeeper:
    """The authority at work on the devices of one run. ``standing`` None: there is no authority that could be used, ``problem``
    says why; ``is_first``: there never was one, as far as its folder and the devices tell. ``results`` has a row for each device
    to which something was done, or failed."""

    controller: Controller
    pki: Pki
    authority: Authority
    facts: Mapping[str, DeviceFacts]
    standing: Standing | None = None
    problem: NetorchError | None = None
    is_first: bool = False
    results: dict[str, CertificateResult] = field(default_factory=dict)

    @classmethod
    def open(
        cls, controller: Controller, facts: Mapping[str, DeviceFacts], *, makes_authority: bool = False
    ) -> CertificateKeeper | None:
        """The keeper for devices that reported ``facts``; None where the inventory asks for no certificates.

        ``makes_authority``: where the folder is empty, and no device has a certificate of some other authority.
        """
        pki = controller.inventory.pki
        if pki is None:
            return None
        keeper = cls(controller, pki, Authority(pki.folder, controller.clock), facts)
        try:
            keeper.is_first = not keeper.authority.is_there() and not keeper._holders()
            if makes_authority:
                keeper._make_authority()
            keeper.standing = keeper.authority.standing()
        except NetorchError as error:
            keeper.problem = error
        return keeper

    def _holders(self) -> list[str]:
        return [name for name, facts in self.facts.items() if facts.certificate is not None]

    def _make_authority(self) -> None:
        if self.authority.is_there():
            return
        holders = self._holders()
        if holders:
            hint = "put the folder back from its backup; if it is lost, netorch pki init begins anew (docs/pki.md)"
            message = f"the folder is empty, but {holders[0]} has a certificate of an authority"
            raise NetorchError(message, where=str(self.authority.path), hint=hint)
        try:
            self.authority.create(self.controller.inventory.name)
        except UsageError:
            return  # someone else was quicker
        message = f"the certificate authority of {self.controller.inventory.name} was made: {self.authority.path}"
        hint = "keep a copy of the folder where nobody else can read it (docs/pki.md)"
        self._keep(CertificateResult("", "created", message, hint))

    def has_no_agent(self, name: str) -> bool:
        """Whether no agent of the mirror ever runs on ``name``: routers of an underlay need no certificate."""
        return isinstance(self.controller.inventory.device(name), Router)

    def need(self, name: str) -> Need:
        """What ``name`` lacks. Without an authority only what its own facts show."""
        facts = self.facts[name].certificate
        now = self.controller.clock.now()
        if facts is None and self.has_no_agent(name):
            return Need()
        if self.standing is not None:
            return find_need(name, facts, self.standing, now=now)
        is_due = facts is None or facts.problem or facts.not_after - now < (facts.not_after - facts.issued) / 3
        if self.problem is None or not is_due:
            return Need()
        return Need(refusal=str(self.problem), hint=self.problem.hint)

    def bring(self, name: str, *, reason: str = "", trust_only: bool = False) -> None:
        """Give ``name`` what it needs, once; never raises for what may go wrong with one device. ``reason`` is why it gets a new
        certificate although it needs none; with ``trust_only`` it gets none although it does."""
        if name in self.results or name not in self.facts:
            return
        need = self.need(name)
        new = "" if trust_only or need.refusal else reason or need.reason
        if new or need.is_behind:
            self._send(name, new, is_fresh=bool(reason))
        else:
            self._note_installed(name)
        if need.refusal:
            self._keep(CertificateResult(name, "failed", need.refusal, need.hint, error=self.problem))

    def bring_all(self, names: Iterable[str], *, reason: str = "", trust_only: bool = False) -> None:
        """Give each of ``names`` what it needs, all at once: one that hangs is in no other one's way."""
        due = [name for name in dict.fromkeys(names) if name in self.facts and name not in self.results]
        if not reason:
            quiet = [name for name in due if self.need(name).is_none]
            for name in quiet:
                self._note_installed(name)
            due = [name for name in due if name not in quiet]
        _, failures = self.controller.each(due, lambda name: self.bring(name, reason=reason, trust_only=trust_only))
        for name, error in failures.items():
            self._keep(CertificateResult(name, "failed", error.message, error.hint, error=error))

    def _send(self, name: str, reason: str, *, is_fresh: bool) -> None:
        try:
            self._keep(self._install(name, reason, is_fresh=is_fresh), reason=reason)
        except NetorchError as error:
            if isinstance(error, DeviceError) and self._is_done_by_another(name):
                self._keep(CertificateResult(name, "updated", "another controller did it at the same time"))
                return
            message = str(error).removeprefix(f"{name}: ")
            self._keep(
                CertificateResult(
                    name, "failed", f"{reason}, but {message}" if reason else message, error.hint, error=error
                ),
                reason=reason,
            )

    def _is_done_by_another(self, name: str) -> bool:
        """Whether the device, which took nothing from here, has what it needs all the same."""
        former = self.facts[name]
        request = FactsRequest(name, former.daemon.name, wants=("certificate",))
        try:
            held = self.controller.devices(name).facts(request).certificate
            need = find_need(name, held, self.authority.standing(), now=self.controller.clock.now())
        except NetorchError:
            return False
        changed = former.certificate is None or held is None or held.serial != former.certificate.serial
        return need.is_none and changed

    def _install(self, name: str, reason: str, *, is_fresh: bool) -> CertificateResult:
        device, former = self.controller.devices(name), self.facts[name].certificate
        certificate: Certificate | None = None
        key: str | None = None
        remarks: list[str] = []
        if reason:
            self.controller.progress.step(name, "a new certificate")
            asked = device.certificate_request(CsrRequest(name, is_fresh))
            life_s = self.pki.life_days * DAY_S
            if asked.csr:
                certificate = self.authority.issue(name, asked.csr, life_s=life_s)
            else:
                certificate, key = self.authority.issue_with_key(name, life_s=life_s)
                remarks.append(f"its key was made here and sent, since {asked.message}")
        if former is not None and self.standing is not None and former.crl_number > self.standing.trust.crl_number:
            self.authority.renumber(above=former.crl_number)
        trust = self.authority.standing().trust
        done = device.certify(CertifyRequest(name, trust, certificate, key))
        now = done.certificate
        if now is None:
            raise NetorchError("expected to be told the certificate that is in use now, found nothing", where=name)
        self.authority.note_installed(name, now)
        skew_s = now.clock - self.controller.clock.now()
        if abs(skew_s) > CLOCK_TOLD_S:
            remarks.append(f"its clock is {_skew(skew_s)} this one")
        remarks += done.notes
        outcome = ("renewed" if former is not None else "issued") if reason else "updated"
        until = datetime.fromtimestamp(now.not_after, UTC).strftime("%Y-%m-%d %H:%M UTC")
        said = f"{reason}; good until {until}" if reason else "what it trusts is up to date"
        return CertificateResult(name, outcome, "; ".join([said, *remarks]), not_after=now.not_after)

    def _note_installed(self, name: str) -> None:
        """The record follows what a device has, as after a controller that died before it could write it down."""
        facts = self.facts[name].certificate
        record = self.standing.record(name) if self.standing is not None else None
        if facts is None or record is None or (record.installed, record.crl_number) == (facts.serial, facts.crl_number):
            return
        try:
            self.authority.note_installed(name, facts)
        except NetorchError as error:
            self._keep(CertificateResult(name, "failed", str(error), error.hint, error=error))

    def _keep(self, result: CertificateResult, *, reason: str = "") -> None:
        self.results[result.device] = result
        if self.controller.audit is not None:
            place = result.device or self.controller.inventory.name
            self.controller.audit.record(
                "certificate", place, result=result.outcome, reason=reason, message=result.message
            )


def _skew(seconds: float) -> str:
    return f"{_span(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _span(seconds: float) -> str:
    """``9 days``, ``5 hours``, ``40 minutes``, ``12 seconds``."""
    for unit, size in (("day", DAY_S), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}s"
    return f"{seconds:.0f} seconds"
