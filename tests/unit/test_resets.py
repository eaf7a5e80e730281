"""Which sessions a new BIRD configuration resets."""

from __future__ import annotations

from netorch.model.plan import Reset
from netorch.plan.bird import foresee_resets

CONFIG = """
router id 10.0.0.1;
define NETORCH_STAMP = "a";
template bgp provider {
  local as 64500;
  hold time 30;
}
protocol bgp north_v4 from provider {
  description "north; { circuit 1 }";
  neighbor 203.0.113.1 as 64496;
  password "old";
  ipv4 {
    import filter { if net ~ [ 10.0.0.0/8+ ] then reject; accept; };
    export filter to_north;
    import limit 100 action disable;
  };
}
protocol bgp south_v4 from provider {
  neighbor 203.0.113.5 as 64497;
  ipv4 { import all; export none; };
}
"""


def effects(new: str) -> dict[str, str]:
    """Session to effect, of CONFIG becoming ``new``."""
    return {reset.session: reset.effect for reset in foresee_resets(CONFIG, new)}


def test_the_same_configuration_resets_nothing() -> None:
    """A configuration that replaces itself leaves every session alone."""
    assert foresee_resets(CONFIG, CONFIG) == ()


def test_filters_limits_and_descriptions_are_changed_in_place() -> None:
    """What BIRD applies to a running session is not foreseen as a reset."""
    new = CONFIG.replace("10.0.0.0/8+", "172.16.0.0/12+").replace("limit 100", "limit 200").replace("circuit 1", "x")
    assert new != CONFIG
    assert effects(new.replace("export filter to_north", "export none")) == {}


def test_a_password_restarts_its_session_and_is_not_named() -> None:
    """A changed password restarts that session alone, and no password is in the reason."""
    (reset,) = foresee_resets(CONFIG, CONFIG.replace('"old"', '"new"'))
    assert (reset.session, reset.effect) == ("north_v4", "restart")
    assert "password" in reset.reason
    assert "old" not in reset.reason
    assert "new" not in reset.reason


def test_a_change_in_a_template_restarts_every_session_made_from_it() -> None:
    """What a session inherits counts as its own."""
    assert effects(CONFIG.replace("hold time 30", "hold time 90")) == {"north_v4": "restart", "south_v4": "restart"}


def test_a_channel_option_restarts_its_session() -> None:
    """Next hop handling and ADD-PATH are not changed in place."""
    assert effects(CONFIG.replace("export none;", "export none; add paths tx;")) == {"south_v4": "restart"}


def test_the_router_id_restarts_all_sessions() -> None:
    """The router id is part of every session's OPEN."""
    assert effects(CONFIG.replace("router id 10.0.0.1", "router id 10.0.0.2")) == {
        "north_v4": "restart",
        "south_v4": "restart",
    }


def test_disabling_closes_and_enabling_starts() -> None:
    """``disabled`` in the file closes a session; taking it away starts it."""
    closed = CONFIG.replace("neighbor 203.0.113.5", "disabled;\n  neighbor 203.0.113.5")
    assert effects(closed) == {"south_v4": "close"}
    assert [reset.effect for reset in foresee_resets(closed, CONFIG)] == ["start"]


def test_sessions_of_a_new_device_start_and_vanished_ones_close() -> None:
    """Sessions that only one of the configurations has."""
    assert foresee_resets("", CONFIG) == (Reset("north_v4", "start", "new"), Reset("south_v4", "start", "new"))
    assert {reset.effect for reset in foresee_resets(CONFIG, "protocol device {}")} == {"close"}
