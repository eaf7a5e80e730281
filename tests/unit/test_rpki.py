"""Validators and registered prefixes: what is written for each daemon, what they say of it, and what is wrong."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest

from netorch.agent.frr_programs import missing_modules
from netorch.app.validator_states import validator_problems, validator_rows
from netorch.errors import ParseError, RenderError
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Session
from netorch.model.sources import (
    DOWN,
    EMPTY,
    STANDBY,
    UP,
    IrrAnswer,
    OriginFacts,
    Registered,
    ValidatorFacts,
)
from netorch.parse.rpki import judge, read_bird_validator, read_frr_servers, read_frr_table, read_frr_validators
from netorch.plan.bird.resets import foresee_resets as bird_resets
from netorch.plan.frr.resets import foresee_resets as frr_resets
from netorch.render import TemplateSource, render_device, seal
from netorch.testing import fake_facts
from tests.unit.inventory_texts import edited, example, load

RPKI = (
    "rpki: {validators: [{name: rpki-1, address: 198.18.9.1, port: 8282}, {name: rpki2, address: 198.18.9.2}], "
    "refresh_s: 60, expire_s: 7200}\nregistries: {irr: {server: 127.0.0.1}}\n\nplugins:"
)
ANSWER = IrrAnswer(
    "AS-MEADOW",
    0.0,
    (3000, 3001),
    (IPv4Network("20.0.0.0/16"), IPv4Network("20.1.0.0/25")),
    (IPv6Network("2400:1::/32"),),
)
TEMPLATES = TemplateSource(read_templates(None))

BIRD_UP = """Name       Proto      Table      State  Since         Info
validator_rpki1 RPKI       ---        up     2026-11-22 16:24:50  Established
  Description:    validator 198.18.9.1 port 8282
  Cache server:     198.18.9.1
  Cache port:       8282
  Status:           Established
  Transport:        Unprotected over TCP
  Protocol version: 1
  Session ID:       4628
  Serial number:    0
  Last update:      before 1.999 s
  Refresh timer   : 28.000/30
  Retry timer     : ---
  Expire timer    : 598.000/600
  Channel roa4
    State:          UP
    Table:          validated_ipv4
    Routes:         12 imported, 0 exported, 12 preferred
  Channel roa6
    State:          UP
    Table:          validated_ipv6
    Routes:         3 imported, 0 exported, 3 preferred
"""
BIRD_DOWN = BIRD_UP.replace("Established", "Transport-Error").replace("before 1.999", "before 301.5")
BIRD_NEVER = """validator_rpki1 RPKI       ---        start  2026-11-22 16:23:58  Transport-Error
  Description:        validator 198.18.9.1 port 8282
  Cache server:     198.18.9.1
  Cache port:       8282
  Status:           Transport-Error
  Last update:      ---
  Refresh timer   : ---
  Retry timer     : 2.993/5
  Expire timer    : ---
  Channel roa4
    State:          DOWN
    Table:          validated_ipv4
"""
BIRD_OFF = """validator_rpki1 RPKI       ---        flush  2026-11-22 19:50:38
  Description:    validator 198.18.9.1 port 8282
"""
FRR_TABLE = """RPKI/RTR prefix table
Prefix                                   Prefix Length  Origin-AS
20.0.0.0                                    16 -  20         3000
20.0.0.0                                    8 -  8           3001
2400:1::                                    32 -  48         3000
Number of IPv4 Prefixes: 2
Number of IPv6 Prefixes: 1
"""
FRR_CONNECTIONS = """{"connectedGroup":%s, "connections":[
 {"mode":"tcp","host":"198.18.9.1","port":"8282","preference":1,"state":"%s"},
 {"mode":"tcp","host":"198.18.9.2","port":"323","preference":2,"state":"%s"}]}"""


def switch(daemon: str = "bird", version: str = "2.0.12", *, longer: bool = False) -> DeviceIntent:
    """A switch of the example that asks two validators, with a peer that registers its routes."""
    as_set = "{as_set: AS-MEADOW, longer_prefixes: true}" if longer else "AS-MEADOW"
    files = edited(example(), "network.yml", ("plugins:", RPKI))
    files = edited(files, "providers.yml", ("relation: peer", f"relation: peer\n    irr: {as_set}"))
    files = edited(
        files, "pops/pop1.yml", ("  - name: sw1\n", f"  - name: sw1\n    daemon: {daemon}\n    version: '{version}'\n")
    )
    inventory = replace(load(files), registered={"meadow": Registered(ANSWER)})
    return derive_intent(inventory).device("sw1.pop1")


def written(device: DeviceIntent) -> str:
    """All of its files."""
    return "\n".join(file.text for file in render_device(device, TEMPLATES))


def without(device: DeviceIntent) -> DeviceIntent:
    """The same without validators."""
    sessions = tuple(
        replace(one, import_policy=replace(one.import_policy, rpki=False)) if one.import_policy else one
        for one in device.sessions
    )
    return replace(device, rpki=replace(device.rpki, validators=()), sessions=sessions)


def test_bird_asks_validators_and_refuses_by_reason(tmp_path: Path) -> None:
    """One protocol for each, the inventory's seconds kept, each check with its reason; BIRD itself reads it."""
    text = render_device(switch(), TEMPLATES)[0].text
    assert "protocol rpki validator_rpki_1 {" in text
    assert "remote 198.18.9.1 port 8282;\n    refresh keep 60;\n    expire keep 7200;\n" in text
    assert "remote 198.18.9.2 port 323;" in text
    assert "if roa_check(validated_ipv4, net, bgp_path.last) = ROA_INVALID then refuse(40);" in text
    assert "    20.0.0.0/16,\n    20.1.0.0/25\n];" in text
    assert "if !in_registered_meadow_ipv4() then refuse(41);" in text
    assert "if bgp_path.last !~ registered_meadow_origins then refuse(42);" in text
    path = tmp_path / "bird.conf"
    path.write_text(seal(text, lambda _: "a secret", daemon="bird"))
    done = subprocess.run(["bird", "-p", "-c", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_longer_prefixes_end_at_the_policys_bound() -> None:
    """Inside of what is registered, no longer than /24; what is registered longer is itself alone."""
    assert "    20.0.0.0/16{16,24},\n    20.1.0.0/25\n];" in written(switch(longer=True))
    lists = [
        line
        for line in written(switch("frr", "8.4.4", longer=True)).splitlines()
        if " prefix-list registered_meadow_ipv" in line and " seq " in line
    ]
    assert lists[:3] == [
        "ip prefix-list registered_meadow_ipv4 seq 1 permit 20.0.0.0/16 le 24",
        "ip prefix-list registered_meadow_ipv4 seq 2 permit 20.1.0.0/25",
        "ipv6 prefix-list registered_meadow_ipv6 seq 1 permit 2400:1::/32 le 48",
    ]


@pytest.mark.parametrize(("version", "word"), [("8.4.4", ""), ("10.3", "tcp ")])
def test_frr_is_told_as_it_shows_it(version: str, word: str) -> None:
    """Only what is no default of FRR's, in its order; the transport where the release shows it; the module of bgpd."""
    text = written(switch("frr", version))
    caches = f" rpki cache {word}198.18.9.1 8282 preference 1\n rpki cache {word}198.18.9.2 323 preference 2\n"
    block = f"rpki\n rpki polling_period 60\n{caches}exit\n"
    assert block in text
    assert "route-map northtel_1_v4_in deny 30\n match rpki invalid\nexit\n" in text
    assert "bgp as-path access-list registered_meadow_origins seq 2 permit _3001$" in text
    assert 'bgpd_options="   -A 127.0.0.1 -M rpki"' in text


@pytest.mark.parametrize(("daemon", "version"), [("bird", "2.0.12"), ("frr", "8.4.4")])
def test_without_validators_nothing_is_asked(daemon: str, version: str) -> None:
    """Neither a table nor a module nor a copy of what neighbours sent."""
    text = written(without(switch(daemon, version)))
    assert not [
        word
        for word in ("protocol rpki", "roa_check", "import table", "match rpki invalid\n", "-M rpki")
        if word in text.split("why_rpki_invalid")[0]
    ]


def test_plan_foresees_what_validators_restart() -> None:
    """For the first time: sessions with providers with BIRD, all with FRR. Another validator restarts nothing."""
    for daemon, version, foresee in (("bird", "2.0.12", bird_resets), ("frr", "8.4.4", frr_resets)):
        device = switch(daemon, version)
        main = render_device(device, TEMPLATES)[0].text
        first = foresee(render_device(without(device), TEMPLATES)[0].text, main)
        wanted = {one.name for one in device.sessions if daemon == "frr" or one.kind == "provider"}
        assert {reset.session for reset in first if reset.effect == "restart"} == wanted
        fewer = replace(device, rpki=replace(device.rpki, validators=device.validators[:1]))
        assert foresee(main, render_device(fewer, TEMPLATES)[0].text) == ()


def test_module_that_is_not_installed_is_named() -> None:
    """Before anything is changed: FRR's program would not start."""
    assert missing_modules('bgpd_options="   -A 127.0.0.1 -M nosuch"\nzebra_options=" -s 1"\n') == ("bgpd_nosuch.so",)
    assert missing_modules('bgpd_options="   -A 127.0.0.1 -M rpki"\n') == ()


@pytest.mark.parametrize(
    ("text", "state", "age_s", "entries"),
    [(BIRD_UP, UP, 1.999, 15), (BIRD_DOWN, DOWN, 301.5, 15), (BIRD_NEVER, EMPTY, None, 0), (BIRD_OFF, EMPTY, None, 0)],
)
def test_birds_validator_is_read(text: str, state: str, age_s: float | None, entries: int) -> None:
    """Up, away with an answer that is still good, never there, and while BIRD begins anew, which tells nothing of it."""
    found = read_bird_validator(text)
    assert found is not None
    assert (str(found.address), found.port) == ("198.18.9.1", 8282)
    assert (found.state, found.age_s, found.entries) == (state, age_s, entries)
    assert bool(found.error) == (state != UP)


def test_validator_of_an_older_configuration_is_read() -> None:
    """Without our description there is what BIRD tells itself, which leaves out RTR's own port."""
    text = BIRD_UP.replace("  Description:    validator 198.18.9.1 port 8282\n", "").replace(
        "  Cache port:       8282\n", ""
    )
    found = read_bird_validator(text)
    assert found is not None
    assert (str(found.address), found.port, found.state) == ("198.18.9.1", 323, UP)


@pytest.mark.parametrize("changed", [("198.18.9.1", "rpki.example.net"), ("  Cache server:     198.18.9.1\n", "")])
def test_validator_that_somebody_else_wrote_is_left_out(changed: tuple[str, str]) -> None:
    """A name in place of an address, or nothing while it does not run, is none that the inventory has."""
    text = BIRD_UP.replace("  Description:    validator 198.18.9.1 port 8282\n", "  Description:    the old one\n")
    assert read_bird_validator(text.replace(*changed)) is None


def test_other_protocols_are_no_validators() -> None:
    """A text that is not of RPKI is an error, not an empty validator."""
    with pytest.raises(ParseError):
        read_bird_validator("device1    Device     ---        up     2026-11-22 16:24:50  \n")


@pytest.mark.parametrize(
    ("group", "first", "second", "states"),
    [
        (1, "connected", "disconnected", (UP, STANDBY)),
        (2, "disconnected", "connected", (EMPTY, UP)),
        (1, "disconnected", "disconnected", (DOWN, EMPTY)),
    ],
)
def test_frrs_validators_are_read(group: int, first: str, second: str, states: tuple[str, str]) -> None:
    """FRR has one table: it counts as that of the validator that is asked, or was last."""
    table = read_frr_table(FRR_TABLE, ())
    found = read_frr_validators(FRR_CONNECTIONS % (group, first, second), table)
    assert tuple(one.state for one in found) == states
    assert sum(one.entries or 0 for one in found) == 3


def test_entry_of_two_validators_counts_once() -> None:
    """FRR keeps the list of the validator that it came from beside that of the one that it went over to."""
    lines = FRR_TABLE.splitlines(keepends=True)
    table = read_frr_table("".join([*lines[:2], *lines[2:5], *lines[2:5], *lines[5:]]), ())
    assert (table.ipv4, table.ipv6) == (2, 1)


@pytest.mark.parametrize("connections", ["{\n}\n", '{"error":"No connection to RPKI cache server."}'])
def test_frr_without_any_answer_has_empty_validators(connections: str) -> None:
    """As 8.4.4 and 10.3 say it before the first answer, and after the last one expired."""
    table = read_frr_table("No connection to RPKI cache server.\n", ())
    assert (table.ipv4, table.ipv6, read_frr_validators(connections, table)) == (0, 0, ())
    found = read_frr_servers('{"servers":[{"mode":"tcp","host":"198.18.9.1","port":"8282","preference":1}]}')
    assert [(str(one.address), one.port, one.state) for one in found] == [("198.18.9.1", 8282, EMPTY)]


def test_other_entries_are_another_table() -> None:
    """Whatever order FRR shows them in; and one that differs in its AS number alone is another one."""
    lines = FRR_TABLE.splitlines(keepends=True)
    same = "".join([*lines[:2], *reversed(lines[2:5]), *lines[5:]])
    other = FRR_TABLE.replace("3000", "3009", 1)
    assert read_frr_table(same, ()).digest == read_frr_table(FRR_TABLE, ()).digest
    assert read_frr_table(other, ()).digest != read_frr_table(FRR_TABLE, ()).digest


def test_cut_table_is_an_error() -> None:
    """Half a table does not count as a small one."""
    with pytest.raises(ParseError, match="cut"):
        read_frr_table(FRR_TABLE[:200], ())


@pytest.mark.parametrize(
    ("prefix", "asn", "state"),
    [
        ("20.0.0.0/16", 3000, "valid"),
        ("20.0.16.0/20", 3000, "valid"),
        ("20.0.0.0/24", 3000, "invalid"),
        ("20.0.0.0/16", 3001, "invalid"),
        ("20.9.0.0/16", 3001, "invalid"),
        ("20.0.0.0/8", 3001, "valid"),
        ("21.0.0.0/16", 3000, "not-found"),
        ("2400:1:2::/48", 3000, "valid"),
        ("2400:1:2::/49", 3000, "invalid"),
    ],
)
def test_origins_are_judged_as_daemons_do(prefix: str, asn: int, state: str) -> None:
    """RFC 6811 section 2, on FRR's table."""
    network = ip_network(prefix)
    assert judge(network, asn, read_frr_table(FRR_TABLE, (network,))).state == state


def held(*validators: ValidatorFacts, origins: tuple[OriginFacts, ...] = ()) -> DeviceFacts:
    return replace(fake_facts("sw1.pop1"), validators=validators, origins=origins)


def seen(number: int, state: str, entries: int, *, before: int = 100, error: str = "") -> ValidatorFacts:
    port = 8282 if number == 1 else 323
    return ValidatorFacts(ip_address(f"198.18.9.{number}"), port, state, error, 1.0, 600.0, entries, 0, before)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (held(seen(1, UP, 100), seen(2, UP, 81)), []),
        (held(seen(1, UP, 100), seen(2, STANDBY, 0)), []),
        (held(seen(1, UP, 100), seen(2, UP, 79)), ["validator rpki2: lists 79 entries, and had 100 within a day"]),
        (held(seen(1, UP, 100), seen(2, UP, 0, before=0)), ["validator rpki2: lists nothing"]),
        (
            held(seen(1, UP, 100), seen(2, DOWN, 100, error="Transport-Error")),
            ["validator rpki2: does not answer (Transport-Error); its last answer stays, good for another 10 min"],
        ),
        (
            held(seen(1, UP, 100)),
            ["validator rpki2: is not asked: the configuration that is live has no such validator"],
        ),
    ],
)
def test_what_is_wrong_with_validators_is_said(facts: DeviceFacts, said: list[str]) -> None:
    """A fifth less is told, a little less is not."""
    assert [text for _, text in validator_problems(switch(), facts)] == said


def test_without_any_list_it_is_critical() -> None:
    """Nothing counts as invalid then."""
    facts = held(seen(1, EMPTY, 0, error="Transport-Error"), seen(2, UP, 0))
    problems = list(validator_problems(switch(), facts))
    assert problems[0] == (True, "no validator has a list: nothing counts as invalid, whoever announces it")
    assert [row["state"] for row in validator_rows(switch(), facts)] == [EMPTY, UP]


def test_own_prefix_that_is_invalid_is_told() -> None:
    """Others refuse what we announce: only a prefix of this POP is this switch's business."""
    origins = (
        OriginFacts(ip_network("192.0.2.0/24"), 64500, "invalid"),
        OriginFacts(ip_network("198.51.100.0/24"), 64500, "invalid"),
    )
    facts = held(seen(1, UP, 100), seen(2, UP, 100), origins=origins)
    assert [text for _, text in validator_problems(switch(), facts)] == [
        "192.0.2.0/24 from AS64500, our own, is invalid by RPKI: others refuse it"
    ]


def test_more_than_frr_844_loads_in_time_is_refused() -> None:
    """8.4.4 takes minutes for thousands of entries: told before anything is sent. 10.3 and BIRD take them."""
    many = replace(ANSWER, ipv4=tuple(IPv4Network((0x14000000 + (number << 8), 24)) for number in range(1100)))

    def with_many(device: DeviceIntent) -> DeviceIntent:
        def filled(one: Session) -> Session:
            policy = one.import_policy
            if policy is None or policy.irr is None:
                return one
            return replace(
                one, import_policy=replace(policy, irr=replace(policy.irr, prefixes=many.prefixes(one.family)))
            )

        return replace(device, sessions=tuple(map(filled, device.sessions)))

    with pytest.raises(RenderError, match="expected at most 1000 prefixes and AS numbers, found 1103"):
        written(with_many(switch("frr", "8.4.4")))
    for daemon, version in (("frr", "10.3"), ("bird", "2.0.12")):
        assert "20.4.75.0/24" in written(with_many(switch(daemon, version)))
