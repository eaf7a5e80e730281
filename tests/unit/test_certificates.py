"""Devices get the certificates that they need, and one device's trouble is its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from netorch.app.audit import Audit
from netorch.app.certificates import CertificateKeeper, certificate_expiries, certificate_notes
from netorch.app.controller import Controller
from netorch.app.pki import make_authority, revoke, roll
from netorch.errors import DeviceError, GuardRefused, TimedOut, UsageError
from netorch.io.authority import Authority
from netorch.model.certificate import CertificateFacts, CertifyRequest, CsrRequest
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Pki
from netorch.model.request import Answer, FactsRequest
from netorch.testing import FakeClock, fake_facts, small_inventory
from tests.golden.write import underlay_inventory
from tests.unit.agents import Agent, controller_of
from tests.unit.test_authority import new_key, signing_request

DAY = 86400.0


@dataclass
class CertifiedAgent(Agent):
    """A device that asks for certificates and installs them. ``has_openssl`` False: it cannot make a key."""

    name: str = "h1.pop1"
    has_openssl: bool = True
    held: CertificateFacts | None = None
    on_csr: Exception | None = None
    on_certify: Exception | None = None
    installed: list[CertifyRequest] = field(default_factory=list)
    csr: str = field(default_factory=lambda: signing_request(new_key()))

    def facts(self, request: FactsRequest) -> DeviceFacts:
        if self.on_facts is not None:
            raise self.on_facts
        return replace(fake_facts(request.device), certificate=self.held)

    def certificate_request(self, request: CsrRequest) -> Answer:
        if self.on_csr is not None:
            raise self.on_csr
        self.asked.append(f"csr fresh={request.fresh}")
        return Answer("csr", csr=self.csr) if self.has_openssl else Answer("csr", "there is no openssl on the device")

    def certify(self, request: CertifyRequest) -> Answer:
        if self.on_certify is not None:
            raise self.on_certify
        self.asked.append("certify")
        self.installed.append(request)
        one, trust = request.certificate, request.trust
        if one is not None:
            origin = "device" if request.key is None else "controller"
            clock = one.issued
            self.held = CertificateFacts(
                one.serial, one.fingerprint, one.issuer, one.issued, one.not_after, origin, (), 0, clock=clock
            )
        assert self.held is not None
        self.held = replace(
            self.held, authorities=trust.authorities, crl_number=trust.crl_number, revoked=trust.revoked
        )
        return Answer("certified", certificate=self.held)


class Network:
    """The small network with certificates: the authority in ``folder``, a switch and a host."""

    def __init__(self, folder: Path) -> None:
        self.agents = {name: CertifiedAgent(name=name) for name in ("sw1.pop1", "h1.pop1")}
        inventory = replace(small_inventory(), pki=Pki(str(folder)))
        self.lines: list[str] = []
        audit = Audit(self.lines.append, FakeClock(), lambda text: text, "ann", "local", "/inventory", "abc")
        self.clock = FakeClock()
        base = controller_of(lambda name: self.agents[name])
        self.controller: Controller = replace(base, inventory=inventory, clock=self.clock, audit=audit)
        self.authority = Authority(folder, self.clock)

    def facts(self) -> dict[str, DeviceFacts]:
        """What the devices that answer report now."""
        asked = FactsRequest("", "bird")
        return {
            name: replace(agent.facts(asked), device=name)
            for name, agent in self.agents.items()
            if agent.on_facts is None
        }

    def bring(self, *, makes_authority: bool = True) -> CertificateKeeper:
        """One run's work on certificates."""
        keeper = CertificateKeeper.open(self.controller, self.facts(), makes_authority=makes_authority)
        assert keeper is not None
        keeper.bring_all(self.agents)
        return keeper

    def held(self, name: str) -> CertificateFacts:
        """The certificate of a device that has one."""
        held = self.agents[name].held
        assert held is not None
        return held

    def outcomes(self) -> dict[str, str]:
        """What became of each device in one run."""
        return {name: result.outcome for name, result in self.bring().results.items()}


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path / "pki")


def test_first_deploy_makes_the_authority_and_tells_it(network: Network) -> None:
    """With an empty folder the authority is made, every device gets a certificate, and the second run does nothing."""
    first = network.bring()
    assert {name: one.outcome for name, one in first.results.items()} == {
        "": "created",
        "sw1.pop1": "issued",
        "h1.pop1": "issued",
    }
    assert str(network.authority.path) in first.results[""].message
    asked = [list(agent.asked) for agent in network.agents.values()]
    assert network.bring().results == {}
    assert [agent.asked for agent in network.agents.values()] == asked


def test_run_makes_no_authority(network: Network) -> None:
    """A folder that is not there, as when it is not mounted, is told by netorch run, and none is made."""
    keeper = network.bring(makes_authority=False)
    assert {one.outcome for one in keeper.results.values()} == {"failed"}
    assert "there is no certificate authority here" in keeper.results["h1.pop1"].message
    assert not network.authority.path.exists()


def test_lost_folder_is_not_replaced_by_itself(network: Network) -> None:
    """Where devices have certificates but the folder is empty, nothing is made: a backup may be at hand."""
    network.bring()
    other = Network(network.authority.path.with_name("elsewhere"))
    other.agents = network.agents
    other.clock.wait(25 * DAY)
    keeper = other.bring()
    assert not other.authority.is_there()
    assert {one.outcome for one in keeper.results.values()} == {"failed"}
    assert "the folder is empty, but sw1.pop1 has a certificate" in keeper.results["h1.pop1"].message


def test_plan_notes_what_deploy_will_do(network: Network) -> None:
    """A plan tells of the authority that will be made, then of nothing, then of what is due."""
    names = tuple(network.agents)
    first = certificate_notes(network.controller, network.facts(), names)
    assert set(first.values()) == {"certificate: one is issued, by an authority that is made for it"}
    network.bring()
    assert certificate_notes(network.controller, network.facts(), names) == {}
    network.clock.wait(21 * DAY)
    network.agents["h1.pop1"].held = replace(network.held("h1.pop1"), clock=network.clock.now())
    assert certificate_notes(network.controller, network.facts(), ["h1.pop1"]) == {
        "h1.pop1": "certificate: a new one is issued: expires in 9 days"
    }


def test_router_of_an_underlay_needs_none(network: Network) -> None:
    """No agent of the mirror runs there: it is asked for no request, and plans say nothing of it."""
    (pop,) = network.controller.inventory.pops
    router = replace(underlay_inventory().pop("rip").routers[0], name="r1.pop1", pop=pop.name)
    inventory = replace(network.controller.inventory, pops=(replace(pop, routers=(router,)),))
    network.controller = replace(network.controller, inventory=inventory)
    network.agents["r1.pop1"] = CertifiedAgent(name="r1.pop1")
    names = tuple(network.agents)
    assert "r1.pop1" not in certificate_notes(network.controller, network.facts(), names)
    assert "r1.pop1" not in network.bring().results
    assert network.agents["r1.pop1"].asked == []


def test_device_that_is_named_twice_is_asked_once(network: Network) -> None:
    """A connection belongs to one thread: nothing is done twice at the same time."""
    keeper = CertificateKeeper.open(network.controller, network.facts(), makes_authority=True)
    assert keeper is not None
    keeper.bring_all(["h1.pop1", "h1.pop1"])
    assert network.agents["h1.pop1"].asked == ["csr fresh=False", "certify"]


def test_renewal_leaves_others_alone(network: Network) -> None:
    """Only the device whose certificate is due is asked for a signing request."""
    network.bring()
    held = network.held("h1.pop1")
    network.agents["h1.pop1"].held = replace(held, issued=held.issued - 25 * DAY, not_after=held.not_after - 25 * DAY)
    network.agents["h1.pop1"].csr = signing_request(new_key())
    assert network.outcomes() == {"h1.pop1": "renewed"}


@pytest.mark.parametrize("error", [TimedOut("no answer within 20 s"), DeviceError("no space left on device")])
def test_device_in_trouble_is_alone_with_it(network: Network, error: Exception) -> None:
    """One that hangs or fails half-way is told; the others get theirs, and the next run mends it."""
    network.agents["sw1.pop1"].on_certify = error
    assert network.outcomes() == {"": "created", "sw1.pop1": "failed", "h1.pop1": "issued"}
    network.agents["sw1.pop1"].on_certify = None
    assert network.outcomes() == {"sw1.pop1": "issued"}
    records = network.authority.standing().record("sw1.pop1").certificates
    assert len(records) == 1  # the same request, the same certificate


def test_device_without_openssl_gets_a_key(network: Network) -> None:
    """Its key is made by the controller and sent; the record tells so, and the audit log does without the key."""
    network.agents["h1.pop1"].has_openssl = False
    message = network.bring().results["h1.pop1"].message
    (sent,) = network.agents["h1.pop1"].installed
    assert sent.key is not None
    assert "its key was made here and sent, since there is no openssl on the device" in message
    assert network.authority.standing().record("h1.pop1").key_origin == "controller"
    assert "PRIVATE" not in repr(sent) + "".join(network.lines) + message


def test_audit_tells_of_each_certificate(network: Network) -> None:
    """Issuing, failing and revoking are on record with their reason."""
    network.agents["sw1.pop1"].on_csr = DeviceError("full")
    network.bring()
    revoke(network.controller, "h1.pop1", reason="stolen")
    text = "\n".join(network.lines)
    assert '"result": "created"' in text
    assert '"result": "issued"' in text
    assert '"result": "failed"' in text
    assert '"action": "pki", "device": "h1.pop1", "result": "revoked"' in text
    assert '"reason": "stolen"' in text


def test_expiries_are_those_after_the_run(network: Network) -> None:
    """Metrics tell when the certificates in use now expire."""
    before = network.facts()
    results = network.bring().results.values()
    expiries = certificate_expiries(before, results)
    assert expiries == {name: network.held(name).not_after for name in ("sw1.pop1", "h1.pop1")}


# ---- what people ask for ------------------------------------------------------------------------------------------


def test_revoked_device_is_told_to_the_others(network: Network) -> None:
    """Every other device gets the list with its serial number at once; it gets no new certificate by itself."""
    network.bring()
    serial = network.held("h1.pop1").serial
    done = revoke(network.controller, "h1.pop1", reason="stolen")
    assert network.held("sw1.pop1").revoked == (serial,)
    assert {one.outcome for one in done.results} == {"updated"}
    assert network.outcomes() == {}


def test_revoked_serial_number_is_replaced_by_the_next_run(network: Network) -> None:
    """One certificate is revoked, in whatever way its number is written; its device gets another one."""
    network.bring()
    former = network.held("h1.pop1")
    written = ":".join(former.serial.upper().zfill(40)[at : at + 2] for at in range(0, 40, 2))
    revoke(network.controller, written, reason="")
    network.agents["h1.pop1"].csr = signing_request(new_key())
    assert network.outcomes() == {"h1.pop1": "renewed"}
    assert network.held("h1.pop1").serial != former.serial


def test_what_is_neither_device_nor_serial_number_is_refused(network: Network) -> None:
    """A mistyped name revokes nothing."""
    network.bring()
    with pytest.raises(UsageError, match="expected a device or a serial number") as caught:
        revoke(network.controller, "h1.pop2", reason="")
    assert "h1.pop1" in caught.value.hint
    assert network.authority.standing().revoked == ()


def test_unreachable_device_does_not_hold_up_a_revocation(network: Network) -> None:
    """It is told as missing; the next run brings it the list."""
    network.bring()
    network.agents["sw1.pop1"].on_facts = TimedOut("no answer", where="sw1.pop1")
    done = revoke(network.controller, "h1.pop1", reason="")
    assert set(done.failures or {}) == {"sw1.pop1"}
    network.agents["sw1.pop1"].on_facts = None
    assert network.outcomes() == {"sw1.pop1": "updated"}


def test_roll_waits_for_every_device(network: Network) -> None:
    """Each step wants every device where the step before brings it; one that is away is named, and can be gone without."""
    network.bring()
    old = network.authority.standing().issuer
    network.agents["sw1.pop1"].on_facts = TimedOut("no answer", where="sw1.pop1")
    roll(network.controller, force=False)
    assert len(network.held("h1.pop1").authorities) == 2
    with pytest.raises(GuardRefused, match=r"sw1\.pop1 could not be asked"):
        roll(network.controller, force=False)
    network.agents["sw1.pop1"].on_facts = None
    with pytest.raises(GuardRefused, match=r"sw1\.pop1 does not trust both"):
        roll(network.controller, force=False)
    network.bring()
    for agent in network.agents.values():
        agent.csr = signing_request(new_key())
    roll(network.controller, force=False)
    assert {network.held(name).issuer for name in network.agents}.isdisjoint({old})
    roll(network.controller, force=False)
    assert {network.held(name).authorities for name in network.agents} == {(network.authority.standing().issuer,)}
    assert network.outcomes() == {}


def test_authority_made_anew_replaces_every_certificate(network: Network) -> None:
    """After a compromise the former authority is set aside, and the next run leaves no trust in it."""
    network.bring()
    old = network.authority.standing().issuer
    network.clock.wait(60)
    make_authority(network.controller, anew=True)
    for agent in network.agents.values():
        agent.csr = signing_request(new_key())
    assert set(network.outcomes().values()) == {"renewed"}
    assert all(old not in network.held(name).authorities for name in network.agents)
