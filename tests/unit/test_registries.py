"""What registries say: asked by real bgpq4 and over real HTTP, kept, held back; failures change nothing and are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netorch.app.inventory import read_inventory
from netorch.app.registries import registry_warnings
from netorch.app.rendering import render_inventory
from netorch.errors import RenderError
from netorch.io.registry_files import answer_path
from netorch.model.inventory import Inventory
from netorch.model.types import Family
from tests.registry_servers import CUT, EMPTY, REFUSED, SILENT, WELL, Database, Registry, peeringdb, whois
from tests.unit.inventory_texts import ROOT, small

DAY_S = 86400.0
BOTH = "irr: AS-NORTHTEL\n    peeringdb: true"
PREFIXES = [f"20.0.{number}.0/24" for number in range(20)]


@dataclass
class Bench:
    """A small network whose one provider is looked up in both registries."""

    folder: Path
    irr: Registry
    database: Database
    port: int
    url: str

    def configure(self, *, port: int = 0, url: str = "", more: str = "timeout_s: 30") -> None:
        """Write ``registries`` of the network; the servers that run unless told otherwise."""
        irr = f"irr: {{server: 127.0.0.1, port: {port or self.port}}}"
        text = f"registries: {{{irr}, peeringdb: {{url: '{url or self.url}'}}, {more}}}\n"
        (self.folder / "network.yml").write_text(small()["network.yml"] + text)

    def provide(self, keys: str, *, more: str = "") -> None:
        """Write the providers: northtel with ``keys``, ``more`` behind."""
        text = small()["providers.yml"].replace("relation: transit", f"relation: transit\n    {keys}", 1)
        (self.folder / "providers.yml").write_text(text + more)

    def run(self, *arguments: str, path: str = "/usr/sbin:/usr/bin:/sbin:/bin") -> subprocess.CompletedProcess[str]:
        """``netorch`` as cron runs it."""
        command = [sys.executable, "-m", "netorch", "--inventory", str(self.folder), *arguments]
        environment = {"PATH": path, "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def update(self, *arguments: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        return self.run("filters", "update", *arguments, path=path)

    @property
    def kept(self) -> Any:
        return json.loads(answer_path(str(self.folder / "../registries"), "irr", "northtel").read_text())

    @property
    def inventory(self) -> Inventory:
        return read_inventory(self.folder)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Both registries run, and know the provider."""
    irr = Registry(
        sets={"AS-NORTHTEL": ["AS3000", "AS-INNER"], "AS-INNER": ["AS3001", "AS-NORTHTEL"], "AS-OTHER": ["AS3002"]},
        routes={3000: [*PREFIXES, "2400:1::/32"], 3001: ["30.0.0.0/16"], 3002: ["40.0.0.0/16", "2400:2::/32"]},
    )
    database = Database({64496: {"info_prefixes4": 100, "info_prefixes6": 30}})
    with whois(irr) as port, peeringdb(database) as url:
        bench = Bench(tmp_path / "inventory", irr, database, port, url)
        for name, text in small().items():
            (bench.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (bench.folder / name).write_text(text)
        bench.configure()
        bench.provide(BOTH)
        yield bench


def test_update_keeps_what_registries_say(bench: Bench) -> None:
    """Members of sets in sets, prefixes of both families and counts are kept beside the inventory, and used."""
    done = bench.update()
    assert (done.stderr, done.returncode) == ("", 0)
    assert "northtel: irr: updated: 2 AS numbers, 21 IPv4 prefixes, 1 IPv6 prefix" in done.stdout
    assert bench.kept["asns"] == [3000, 3001]
    assert bench.kept["ipv4"] == [*sorted(PREFIXES, key=lambda text: int(text.split(".")[2])), "30.0.0.0/16"]
    held = bench.inventory.registered["northtel"]
    assert held.irr is not None
    assert held.peeringdb is not None
    assert held.peeringdb.prefixes(Family.IPV4) == 100


def test_quiet_update_that_changes_nothing_says_nothing(bench: Bench) -> None:
    """What cron runs is silent while all is well; the age is that of the last answer."""
    bench.update()
    first = bench.kept["fetched"]
    done = bench.update("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bench.kept["fetched"] > first


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        (SILENT, "had not answered after 0.5 s"),
        (CUT, "it hung up in the middle of its answer"),
        (EMPTY, "the answer is empty: AS-NORTHTEL has no AS number"),
        (REFUSED, "Error expanding !a4AS-NORTHTEL"),
    ],
)
def test_failed_answer_keeps_the_last_good_one(bench: Bench, manner: str, said: str) -> None:
    """A server that hangs, hangs up in the middle, or has lost its data changes nothing, and it is said."""
    bench.update()
    before = bench.kept
    bench.irr.manner = manner
    bench.configure(more="timeout_s: 0.5")
    done = bench.update("northtel")
    assert done.returncode == 1
    assert "northtel: irr: failed: " in done.stderr
    assert said in done.stderr
    assert f"the answer of {before['fetched_utc']} stays" in done.stderr
    assert bench.kept == before
    assert said in bench.run("filters", "show").stdout


def test_refused_connection_keeps_the_last_good_answer(bench: Bench) -> None:
    """Where nobody listens, the error names server and port."""
    bench.update()
    before = bench.kept
    bench.configure(port=1, url="http://127.0.0.1:1")
    done = bench.update()
    assert done.returncode == 1
    assert "127.0.0.1 port 1: All attempts to connect 127.0.0.1 failed" in done.stderr
    assert "http://127.0.0.1:1/net?asn=64496: cannot be asked: [Errno 111] Connection refused" in done.stderr
    assert bench.kept == before


def test_one_failure_does_not_hold_up_the_other(bench: Bench) -> None:
    """PeeringDB's counts are kept though the IRR is away."""
    bench.irr.manner = CUT
    done = bench.update()
    assert done.returncode == 1
    assert "northtel: peeringdb: updated: 100 IPv4 prefixes, 30 IPv6 prefixes" in done.stdout
    assert "there is none to go on with" in done.stderr


def test_large_change_is_held_back_until_it_is_accepted(bench: Bench) -> None:
    """Exit 7, what would change, and how to accept it; the last good answer is used until then."""
    bench.update()
    before = bench.kept
    bench.irr.routes[3000] = PREFIXES[:10]
    done = bench.update()
    assert done.returncode == 7
    assert "northtel: irr: held back: IPv4 prefixes +0 -10 of 21" in done.stderr
    assert "netorch filters update northtel --accept" in done.stderr
    assert bench.kept == before
    done = bench.update("northtel", "--accept")
    assert done.returncode == 0
    assert len(bench.kept["ipv4"]) == 11


def test_family_that_vanishes_is_held_back_whatever_the_share(bench: Bench) -> None:
    """One IPv6 prefix less is few, but it was all."""
    bench.update()
    bench.irr.routes[3000] = PREFIXES
    done = bench.update()
    assert done.returncode == 7
    assert "IPv6 prefixes +0 -1 of 1 (2400:1::/32)" in done.stderr
    assert bench.kept["ipv6"] == ["2400:1::/32"]


def test_small_change_goes_through(bench: Bench) -> None:
    """A prefix more is no reason to ask."""
    bench.update()
    bench.irr.routes[3001] += ["31.0.0.0/16"]
    done = bench.update()
    assert done.returncode == 0
    assert "IPv4 prefixes +1 -0 of 21 (31.0.0.0/16)" in done.stdout
    assert "31.0.0.0/16" in bench.kept["ipv4"]


@pytest.mark.parametrize(
    ("manner", "status", "said"),
    [
        (SILENT, 200, "no whole answer after 0.5 s"),
        (CUT, 200, "bytes are missing"),
        (EMPTY, 200, "the answer is empty: it has nothing of AS64496"),
        (WELL, 503, "answered 503"),
    ],
)
def test_peeringdb_failure_keeps_the_last_count(bench: Bench, manner: str, status: int, said: str) -> None:
    """Hanging, cut, empty and refused answers change nothing."""
    bench.update()
    bench.database.manner, bench.database.status = manner, status
    bench.configure(more="timeout_s: 0.5")
    done = bench.update()
    assert done.returncode == 1
    assert "northtel: peeringdb: failed: " in done.stderr
    assert said in done.stderr
    held = bench.inventory.registered["northtel"].peeringdb
    assert held is not None
    assert held.ipv4 == 100


def test_count_that_drops_is_held_back(bench: Bench) -> None:
    """A limit that would close the session waits for a person."""
    bench.update()
    bench.database.networks[64496] = {"info_prefixes4": 10, "info_prefixes6": 30}
    done = bench.update()
    assert done.returncode == 7
    assert "northtel: peeringdb: held back: IPv4 prefixes from 100 to 10" in done.stderr


def test_limit_is_the_count_with_its_margin(bench: Bench) -> None:
    """120 of 100 announced; a limit in the inventory wins."""
    bench.update()
    assert "import limit 120 " in rendered(bench)
    bench.provide(f"{BOTH}\n    max_prefixes: {{ipv4: 77}}")
    assert "import limit 77 " in rendered(bench)


def rendered(bench: Bench) -> str:
    return "".join(file.text for _, file in render_inventory(bench.inventory, ["sw1.pop1"]))


def test_first_deploy_without_an_answer_is_refused(bench: Bench) -> None:
    """Neither all nor nothing is let in: the error names switch, session, AS-SET, file and command."""
    with pytest.raises(RenderError) as caught:
        rendered(bench)
    assert str(caught.value).startswith("sw1.pop1: northtel_1_v4: expected what is registered under AS-NORTHTEL")
    assert str(bench.folder.parent / "registries/irr/northtel.json") in str(caught.value)
    assert caught.value.hint == "netorch filters update northtel"


def test_answer_about_another_set_is_none(bench: Bench) -> None:
    """Who changes the AS-SET gets the new one's list or an error, never the old one's."""
    bench.update()
    bench.provide("irr: AS-OTHER")
    with pytest.raises(RenderError, match="AS-OTHER, found AS-NORTHTEL"):
        rendered(bench)
    assert bench.update("northtel").returncode == 0
    assert "40.0.0.0/16" in rendered(bench)


@pytest.mark.parametrize("damage", ["cut", "emptied", "NaN", "deep"])
def test_damaged_or_emptied_file_is_no_answer(bench: Bench, damage: str) -> None:
    """A file that somebody cut or emptied by hand lets nothing in; a new answer waits, since nobody can tell what changes."""
    bench.update()
    path = answer_path(str(bench.folder / "../registries"), "irr", "northtel")
    whole = path.read_text()
    texts = {
        "cut": whole[: len(whole) // 2],
        "emptied": json.dumps({**json.loads(whole), "ipv4": [], "ipv6": []}),
        "NaN": json.dumps({**json.loads(whole), "fetched": float("nan")}),
        "deep": "[" * 100_000,
    }
    path.write_text(texts[damage])
    with pytest.raises(RenderError, match="found no good answer"):
        rendered(bench)
    assert bench.run("filters", "show").returncode == 0
    done = bench.update()
    assert done.returncode == 7
    assert "irr/northtel.json cannot be read, so how much changes is not known: nothing is kept" in done.stderr
    assert path.read_text() == texts[damage]
    assert bench.update("--accept").returncode == 0
    assert bench.kept["ipv4"] == json.loads(whole)["ipv4"]


def test_first_answer_without_a_family_waits_for_a_person(bench: Bench) -> None:
    """An empty list of a family that a circuit carries would refuse all of it."""
    bench.irr.routes[3000] = PREFIXES
    done = bench.update()
    assert done.returncode == 7
    assert "no IPv6 prefix is registered, and northtel-pop1 carries them: nothing is kept" in done.stderr
    assert bench.update("--accept").returncode == 0
    assert bench.kept["ipv6"] == []


def test_what_nobody_can_hold_is_left_out(bench: Bench) -> None:
    """A registered default route would let in all that is inside of it."""
    bench.irr.routes[3001] += ["0.0.0.0/0", "::/0"]
    done = bench.update()
    assert done.returncode == 0
    assert "21 IPv4 prefixes, 1 IPv6 prefix (left out, since nobody holds so much: 0.0.0.0/0, ::/0)" in done.stdout
    assert bench.kept["ipv6"] == ["2400:1::/32"]
    bench.irr.routes = {3000: ["0.0.0.0/0"], 3001: ["::/0"]}
    assert "the answer is empty: 0.0.0.0/0, ::/0 is more than anybody holds" in bench.update("--accept").stderr


@pytest.mark.parametrize(
    ("question", "entries"),
    [
        ("-t", [-5]),
        ("-t", [2**32]),
        ("-t", [{"asn": 3000}]),
        ("-4", [{"prefix": "2400:1::/32"}]),
        ("-4", ["20.0.0.0/24"]),
        ("-6", [{"prefix": None}]),
    ],
)
def test_lists_of_another_shape_are_failures(bench: Bench, tmp_path: Path, question: str, entries: list[Any]) -> None:
    """Whatever bgpq4 is in the path: numbers out of range, another family, other keys; the others are asked all the same."""
    bench.update()
    before = bench.kept
    good = {"-t": [3000], "-4": [{"prefix": "20.0.0.0/24"}], "-6": [{"prefix": "2400:1::/32"}], question: entries}
    program = tmp_path / "bin" / "bgpq4"
    program.parent.mkdir()
    answers = json.dumps({key: json.dumps({"list": value}) for key, value in good.items()})
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint(next(v for k, v in {answers}.items() if k in sys.argv))\n"
    )
    program.chmod(0o755)
    done = bench.update(path=f"{program.parent}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "northtel: irr: failed: bgpq4 said what is no" in done.stderr
    assert "northtel: peeringdb: unchanged" in done.stdout
    assert bench.kept == before


def test_folder_that_cannot_be_written_is_told_of_each(bench: Bench) -> None:
    """Every provider is asked; each failure is told, none ends the command."""
    (bench.folder.parent / "registries").write_text("not a folder")
    done = bench.update()
    assert "northtel: irr: failed: " in done.stderr
    assert "northtel: peeringdb: failed: " in done.stderr
    assert "cannot be written: " in done.stderr


def test_count_of_nobody_is_no_limit(bench: Bench) -> None:
    """A number that no network announces is a mistake of who typed it."""
    bench.update()
    bench.database.networks[64496] = {"info_prefixes4": 3_000_000_000, "info_prefixes6": 30}
    done = bench.update()
    assert done.returncode == 1
    assert "expected at most 10000000 prefixes, AS64496 says 3000000000" in done.stderr
    assert "import limit 120 " in rendered(bench)


def test_answers_of_tomorrow_are_warned_of(bench: Bench) -> None:
    """A clock that was wrong would let an answer never grow old."""
    bench.update()
    warnings = registry_warnings(bench.inventory, now=bench.kept["fetched"] - 2 * DAY_S)
    assert warnings[0].startswith("northtel: what the IRR says is dated ")


def test_old_answers_are_used_and_warned_of(bench: Bench) -> None:
    """Older than max_age_days: the filters stay, the warning says how old and what to type."""
    bench.update()
    inventory = bench.inventory
    now = bench.kept["fetched"] + 8 * DAY_S
    warnings = registry_warnings(inventory, now=now)
    assert registry_warnings(inventory, now=now - 2 * DAY_S) == ()
    assert [text.partition(" is ")[0] for text in warnings] == [
        "northtel: what the IRR says",
        "northtel: what PeeringDB says",
    ]
    assert warnings[0].endswith("is 8.0 days old, more than 7: netorch filters update northtel")
    assert "registered_northtel_ipv4" in rendered(bench)


def test_providers_are_asked_about_at_once(bench: Bench) -> None:
    """As many as the inventory allows: each waits until all are there."""
    others = "".join(
        f"  - {{name: p{number}, id: {number}, asn: {50000 + number}, relation: peer, irr: AS-OTHER}}\n"
        for number in range(10, 14)
    )
    bench.provide("irr: AS-NORTHTEL", more=others)
    bench.configure(more="timeout_s: 30, parallel: 5")
    bench.irr.together = 5
    assert bench.update().returncode == 0
    assert bench.irr.most_at_once == 5


def test_another_checkout_uses_the_same_folder(bench: Bench, tmp_path: Path) -> None:
    """The folder may be anywhere; what one has fetched, the other deploys."""
    shared = tmp_path / "shared"
    bench.configure(more=f"folder: '{shared}'")
    bench.update()
    other = tmp_path / "deeper" / "other" / "inventory"
    other.parent.mkdir(parents=True)
    bench.folder.rename(other)
    bench.folder = other
    assert "registered_northtel_ipv4" in rendered(bench)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["nosuch"], "expected a provider, found 'nosuch'"), (["meadow"], "meadow is looked up nowhere")],
)
def test_wrong_names_are_usage_errors(bench: Bench, arguments: list[str], said: str) -> None:
    """Nothing is asked."""
    done = bench.update(*arguments)
    assert done.returncode == 64
    assert said in done.stderr
    assert bench.irr.asked == []
