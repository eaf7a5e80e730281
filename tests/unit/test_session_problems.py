"""Sessions that were closed over a limit: said in words, with what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.app.health import WARNING, assess
from netorch.app.session_problems import session_problem
from netorch.model.facts import DeviceFacts
from netorch.model.frr_words import OVER_LIMIT
from netorch.model.intent import Intent, Session
from netorch.model.policy import OverLimit
from netorch.model.state import Channel, Protocol
from netorch.testing import fake_facts
from tests.plugins.example import INTENT

SWITCH = "sw1.pop1"
NAME = "northtel_1_v4"
AGAIN = (
    "netorch drain circuit northtel-pop1-a and netorch undrain circuit northtel-pop1-a open it; so does a deploy with a "
    "higher max_prefixes"
)


def closed(error: str | None, channel: Channel | None = None, *, state: str = "Down") -> DeviceFacts:
    """A switch whose session was ended by ``error``."""
    channels = (channel or Channel("ipv4", import_limit=1_500_000, import_limit_hit=True),)
    said = Protocol(NAME, "BGP", state="down", bgp_state=state, last_error=error, channels=channels)
    return replace(fake_facts(SWITCH, protocols=[said]), generation=1)


def session(intent: Intent = INTENT) -> Session:
    return next(one for one in intent.device(SWITCH).sessions if one.name == NAME)


def restarting() -> Intent:
    """The example with sessions that are tried again."""

    def change(_: object, one: Session) -> Session:
        policy = one.import_policy
        again = OverLimit("restart", retry_minutes=7)
        return one if policy is None else replace(one, import_policy=replace(policy, over_limit=again))

    return INTENT.with_sessions(change)


@pytest.mark.parametrize(
    ("intent", "facts", "said"),
    [
        (
            INTENT,
            closed(OVER_LIMIT),
            "closed, since northtel sent more than the 1500000 prefixes that max_prefixes accepts; it stays closed: once it "
            f"sends fewer, {AGAIN}",
        ),
        (
            restarting(),
            closed(OVER_LIMIT),
            "closed, since northtel sent more than the 1500000 prefixes that max_prefixes accepts; it is tried again by "
            "itself, after 7 min at the latest",
        ),
        (
            INTENT,
            closed(OVER_LIMIT, Channel("ipv4", receive_limit=3_001_000, receive_limit_hit=True)),
            "closed, since northtel sent more than 3001000 prefixes in all, refused ones included; it stays closed: once it "
            f"sends fewer, {AGAIN}",
        ),
        (
            INTENT,
            closed("Received: Maximum number of prefixes reached", state="Active"),
            "northtel closed it: it takes fewer prefixes of us than it was sent; ask it for its limit",
        ),
        (INTENT, closed("Received: Administrative shutdown", state="Active"), None),
        (INTENT, closed(None, state="Established"), None),
        (INTENT, fake_facts(SWITCH), None),
    ],
)
def test_what_closed_a_session_is_said(intent: Intent, facts: DeviceFacts, said: str | None) -> None:
    """By which limit, and what opens it again; nothing of sessions that are up, or down for other reasons."""
    assert session_problem(intent, session(intent), facts) == said


def test_monitoring_is_told() -> None:
    """``check`` warns with the same words."""
    health = assess(INTENT, {SWITCH: closed(OVER_LIMIT)}, {}, (SWITCH,))
    said = [trouble.text for trouble in health.troubles if trouble.severity == WARNING]
    assert any(text.startswith(f"session {NAME}: closed, since northtel sent more than") for text in said), said
