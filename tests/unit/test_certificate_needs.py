"""Which certificate a device needs, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.app.certificates import find_need
from netorch.model.certificate import (
    BACKDATE_S,
    Bar,
    Certificate,
    CertificateFacts,
    Issued,
    Revocation,
    Standing,
    Trust,
)

NOW = 1_700_000_000.0
DAY = 86400.0
TRUST = Trust(("aa",), 7, ("bad",), "", "")
OWN = Certificate("1234", "ff", "aa", NOW - DAY, NOW + 29 * DAY, "")
STANDING = Standing(
    "aa",
    TRUST,
    (Revocation("bad", "h9.pop1", "ann", NOW, "", NOW + DAY),),
    {"h1.pop1": Issued("h1.pop1", (OWN,), installed="1234", crl_number=7)},
)
HELD = CertificateFacts("1234", "ff", "aa", NOW - DAY, NOW + 29 * DAY, "device", ("aa",), 7, ("bad",), clock=NOW)


def reason(facts: CertificateFacts | None, standing: Standing = STANDING, *, now: float = NOW) -> str:
    """Why h1.pop1 gets a new certificate."""
    return find_need("h1.pop1", facts, standing, now=now).reason


def test_good_certificate_needs_nothing() -> None:
    """A device whose certificate and list are those of the authority is left alone."""
    assert find_need("h1.pop1", HELD, STANDING, now=NOW).is_none


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (None, "it has none"),
        (replace(HELD, problem="key.pem is missing"), "key.pem is missing"),
        (replace(HELD, issuer="bb", authorities=("bb",)), "it is of another authority"),
        (replace(HELD, serial="bad"), "it is revoked"),
        (replace(HELD, serial="5678"), "the authority has it not on record"),
        (replace(HELD, not_after=NOW - 2 * DAY), "expired 2 days ago"),
        (replace(HELD, not_after=NOW + 9 * DAY, issued=NOW - 21 * DAY), "expires in 9 days"),
    ],
)
def test_new_certificate_has_a_reason(facts: CertificateFacts | None, why: str) -> None:
    """A certificate that is missing, damaged, foreign, revoked, unknown, old or soon old is replaced."""
    assert reason(facts) == why


def test_certificate_is_renewed_when_a_third_of_its_life_is_left() -> None:
    """Not before, and from then on."""
    assert reason(HELD, now=NOW + 18.9 * DAY) == ""
    late = replace(HELD, clock=NOW + 19.1 * DAY)
    assert reason(late, now=NOW + 19.1 * DAY) == "expires in 10 days"


def test_certificates_of_the_former_authority_are_replaced_once_the_new_one_issues() -> None:
    """While the next authority is only trusted, certificates of the present one stay."""
    both = replace(TRUST, authorities=("aa", "bb"))
    facts = replace(HELD, authorities=("aa", "bb"))
    assert reason(facts, replace(STANDING, trust=both, stage="next")) == ""
    issued = replace(TRUST, authorities=("bb", "aa"))
    assert (
        reason(facts, replace(STANDING, issuer="bb", trust=issued, stage="former")) == "it is of the former authority"
    )


def test_device_that_was_revoked_by_name_gets_none() -> None:
    """Nothing is issued to it by itself, but it is told what is revoked."""
    barred = replace(STANDING, records={"h1.pop1": Issued("h1.pop1", bar=Bar("ann", NOW, "stolen"))})
    assert find_need("h1.pop1", None, barred, now=NOW).is_none
    held = find_need("h1.pop1", replace(HELD, serial="bad", crl_number=6), barred, now=NOW)
    assert (held.reason, held.is_behind) == ("", True)
    assert "netorch pki issue admits it again" in held.note


def test_older_list_is_replaced() -> None:
    """A device with a former list, or another set of authorities, gets the present one."""
    assert find_need("h1.pop1", replace(HELD, crl_number=6), STANDING, now=NOW).is_behind
    assert find_need("h1.pop1", replace(HELD, authorities=("aa", "bb")), STANDING, now=NOW).is_behind


def test_authority_that_forgot_revocations_sends_nothing() -> None:
    """A folder that is an old copy must not make a revoked certificate good again."""
    need = find_need("h1.pop1", replace(HELD, revoked=("bad", "worse"), crl_number=9), STANDING, now=NOW)
    assert "revoked certificates that the authority does not: worse" in need.refusal
    assert not need.is_behind
    assert "old copy" in need.hint


@pytest.mark.parametrize("days", [-3, 25])
def test_clocks_far_apart_renew_nothing(days: int) -> None:
    """Where a certificate is old by this clock and good by the device's, one of them is wrong: a new one may be worse."""
    facts = replace(HELD, not_after=NOW + 5 * DAY, issued=NOW - 25 * DAY, clock=NOW + min(days, 4) * DAY)
    need = find_need("h1.pop1", facts, STANDING, now=NOW)
    assert need.reason == ""
    assert "its clock is" in need.refusal


def test_clocks_an_hour_apart_are_no_reason_to_wait() -> None:
    """Certificates are backdated by a day: smaller differences do not count."""
    facts = replace(HELD, not_after=NOW + 5 * DAY, issued=NOW - 25 * DAY, clock=NOW - 3600)
    assert reason(facts) == "expires in 5 days"
    assert BACKDATE_S == DAY
