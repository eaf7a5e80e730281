"""Pings on record: lines of JSON in files of a day, written by one at a time, read back for plots, drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address
from itertools import combinations
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netorch.app.ping_figures import Sample
from netorch.app.ping_keeping import recording
from netorch.app.ping_panels import panels_of
from netorch.app.ping_records import record_of, tracks_of
from netorch.app.ping_tracks import ProviderState, Spell, Track
from netorch.app.pinging import Pings
from netorch.errors import NetorchError, UsageError
from netorch.io.ping_folder import DAY_S, PingFolder
from netorch.io.ping_metrics import write_ping_metrics
from netorch.io.ping_plot import check_plot, draw_plot, write_plot
from netorch.testing import FakeClock

NOON = 1_700_049_600.0
"""2023-11-15T12:00:00Z."""


def track(
    provider: str = "northtel", *, start_s: float = NOON, rtts: tuple[float | None, ...] = (10.0, None, 11.0)
) -> Track:
    found = Track("pop1", "h1.pop1", provider, 1001, ip_address("198.51.100.1"))
    for second, rtt in enumerate(rtts):
        found.add(Sample(start_s + second, rtt))
    found.spells = [Spell(start_s, start_s + len(rtts), "ok")]
    return found


def written(*records: object) -> list[str]:
    return [json.dumps(record) for record in records]


# ---- lines -------------------------------------------------------------------------------------------------------


def test_a_track_comes_back_as_it_was() -> None:
    """Samples, spells and the state survive a line of the record."""
    before = track()
    before.provider_state = ProviderState("drained", "by ann")
    (after,), damaged = tracks_of(written(record_of(before, NOON, NOON + 3)), since_s=NOON)
    assert (after.document(), list(after.samples), after.spells) == (
        before.document(),
        list(before.samples),
        before.spells,
    )
    assert damaged == 0


def test_runs_of_cron_become_one_drain() -> None:
    """A drain that one run saw and the next one too lasted all the time between; one that the next did not see ended."""
    lines = []
    for minutes, state in ((0, "drained"), (5, "drained"), (10, "ok")):
        one = track(start_s=NOON + 60 * minutes, rtts=())
        one.spells = [Spell(NOON + 60 * minutes, NOON + 60 * minutes + 1, state)]
        lines += written(record_of(one, NOON + 60 * minutes, NOON + 60 * minutes + 1))
    (found,), _ = tracks_of(lines, since_s=NOON)
    assert [(s.start_s - NOON, s.end_s - NOON, s.state) for s in found.spells] == [
        (0, 301, "drained"),
        (600, 601, "ok"),
    ]


def test_damaged_lines_are_counted_and_left_out() -> None:
    """A line that a crash cut short costs that line alone."""
    good = written(record_of(track(), NOON, NOON + 3))
    found, damaged = tracks_of([good[0][:50], *good, "[]", '{"end_s": 1e12}'], since_s=NOON)
    assert (len(found), damaged) == (1, 3)


# ---- files -------------------------------------------------------------------------------------------------------


def test_a_file_for_each_day_and_old_ones_go(tmp_path: Path) -> None:
    """What is too old is deleted by the day; other people's files stay."""
    folder = PingFolder(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    for day in range(3):
        folder.append([{"day": day}], NOON + day * DAY_S)
    folder.forget(NOON + 1 * DAY_S)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.txt",
        "ping-2023-11-16.jsonl",
        "ping-2023-11-17.jsonl",
    ]
    assert list(folder.lines(NOON + 2 * DAY_S)) == ['{"day":1}', '{"day":2}']


def test_a_line_cut_short_does_not_swallow_the_next(tmp_path: Path) -> None:
    """After a crash in the middle of a line the next run begins a new one."""
    folder = PingFolder(tmp_path)
    folder.append([{"run": 1}], NOON)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    folder.append([{"run": 2}], NOON)
    assert list(folder.lines(NOON)) == ['{"run":', '{"run":2}']


def test_only_one_writes(tmp_path: Path) -> None:
    """A second run finds the folder held, and free once the first has ended."""
    folder = PingFolder(tmp_path / "new")
    with folder.only_writer() as first, PingFolder(tmp_path / "new").only_writer() as second:
        assert (first, second) == (True, False)
    with folder.only_writer() as again:
        assert again


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Reading a record that nobody wrote says how one is written."""
    with pytest.raises(NetorchError, match="no such folder") as caught:
        list(PingFolder(tmp_path / "none").lines(NOON))
    assert "--record" in caught.value.hint


def test_a_measurement_is_on_record_when_it_ends(tmp_path: Path) -> None:
    """Everything from the beginning to the end, less the hosts that could not be asked."""
    clock = FakeClock(NOON)
    away = track("meadow", rtts=())
    away.host = "h2.pop1"
    pings = Pings({"h1.pop1": [track()], "h2.pop1": [away]}, failures={"h2.pop1": NetorchError("gone")})
    with recording(pings, PingFolder(tmp_path), clock, keep_s=DAY_S):
        clock.wait(3.0)
    (found,), _ = tracks_of(PingFolder(tmp_path).lines(NOON), since_s=NOON)
    assert (found.provider, found.sent, found.received) == ("northtel", 3, 2)


# ---- figures and plots -------------------------------------------------------------------------------------------


def test_figures_for_prometheus(tmp_path: Path) -> None:
    """Seconds and ratios; a drained way has a state, and no loss."""
    drained = track("meadow", rtts=())
    drained.provider_state = ProviderState("drained")
    path = tmp_path / "ping.prom"
    write_ping_metrics(path, [track(rtts=(10.0, None)).document(), drained.document()], finished=NOON)
    found = {
        (
            sample.name,
            sample.labels.get("provider"),
            sample.labels.get("state") or sample.labels.get("quantile"),
        ): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert found["netorch_ping_rtt_seconds", "northtel", "0.5"] == 0.01
    assert found["netorch_ping_loss_ratio", "northtel", None] == 0.5
    assert found["netorch_ping_state", "meadow", "drained"] == 1
    assert ("netorch_ping_loss_ratio", "meadow", None) not in found


def test_a_panel_has_bands_losses_and_drains() -> None:
    """A point is a slice of time: its median and 10th to 90th percentile; a drain is a shade, and breaks no figures."""
    found = track(rtts=tuple(10.0 + number % 10 for number in range(1000)))
    found.spells = [Spell(NOON + 100, NOON + 200, "drained"), Spell(NOON + 200, NOON + 1000, "ok")]
    (panel,) = panels_of([found])
    (line,) = panel.lines
    assert len(line.points) == 66
    assert all(10 <= p.p10_ms <= 11 and 13 <= p.median_ms <= 16 and 17 <= p.p90_ms <= 19 for p in line.points)
    assert [(shade.start_s, shade.end_s, shade.state) for shade in line.shades] == [(NOON + 100, NOON + 200, "drained")]
    assert (line.loss_percent, len(line.losses)) == (0.0, 10)


def test_hosts_are_drawn_together() -> None:
    """Packets of several hosts through one provider are one line; a shade is what most of them saw."""
    one, two, three = (track(rtts=(10.0,) * 20) for _ in range(3))
    two.host, three.host = "h2.pop1", "h3.pop1"
    one.spells = two.spells = [Spell(NOON, NOON + 5, "drained")]
    three.spells = [Spell(NOON + 3, NOON + 9, "no route")]
    (panel,) = panels_of([one, two, three])
    assert "3 hosts of pop1" in panel.subtitle
    shades = [(shade.start_s, shade.state, shade.hosts) for shade in panel.lines[0].shades]
    assert shades == [(NOON, "drained", ""), (NOON + 3, "no route", "1 of 3 hosts")]


def test_of_two_hosts_one_is_not_most() -> None:
    """The shade says that it is one of them."""
    one, two = track(rtts=(10.0,) * 20), track(rtts=(10.0,) * 20)
    two.host, two.spells = "h2.pop1", [Spell(NOON, NOON + 5, "drained")]
    (panel,) = panels_of([one, two])
    assert [(shade.end_s, shade.hosts) for shade in panel.lines[0].shades] == [(NOON + 5, "1 of 2 hosts")]


def test_names_of_shades_lie_beside_each_other(tmp_path: Path) -> None:
    """Three providers that cannot be used at the same time, one of them for one host alone: four names in the picture, none over
    another, all inside of it."""
    tracks = [track(name, rtts=(10.0,) * 60) for name in ("northtel", "southnet", "meadow", "northtel")]
    tracks[3].host = "h2.pop1"
    for number, one in enumerate(tracks):
        one.spells = [Spell(NOON + 50 + number, NOON + 60, "drained")]
    tracks[0].spells = [Spell(NOON + 2, NOON + 9, "down")]
    figure = draw_plot(panels_of(tracks))
    figure.savefig(tmp_path / "laid-out.png")
    upper = figure.subfigs[0].axes[0]
    boxes = [text.get_window_extent() for text in upper.texts if "ms" not in text.get_text()]
    assert len(boxes) == 4
    assert all(box.x1 <= upper.get_window_extent().x1 + 3 for box in boxes)
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_plots_are_written(tmp_path: Path, kind: str) -> None:
    """Two destinations, one provider drained all the time, one packet of another: all of it can be drawn, twice the same."""
    lone, gone = track("southnet", rtts=(30.0,)), track("meadow", rtts=())
    gone.spells = [Spell(NOON, NOON + 3, "drained")]
    other = track()
    other.destination = ip_address("2001:db8::1")
    for name in ("a", "b"):
        path = tmp_path / f"{name}.{kind}"
        check_plot(path)
        write_plot(path, panels_of([track(), lone, gone, other]))
    a, b = sorted(tmp_path.iterdir())
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes()[:5] == (b"<?xml" if kind == "svg" else b"\x89PNG\r")


def test_a_plot_of_nothing_is_no_crash(tmp_path: Path) -> None:
    """No host could be reached: an empty picture, since the errors are told elsewhere."""
    write_plot(tmp_path / "empty.svg", panels_of([track(rtts=())]))
    assert (tmp_path / "empty.svg").stat().st_size > 0


def test_other_pictures_are_refused() -> None:
    """Before anything is sent, not after."""
    with pytest.raises(NetorchError, match=r"\.svg or \.png"):
        check_plot(Path("ping.pdf"))


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped name is told before anything is sent, with the folder and the command that makes it."""
    missing = tmp_path / "not there"
    with pytest.raises(UsageError, match=f"there is no folder {missing}") as refused:
        check_plot(missing / "ping.svg")
    assert refused.value.hint == f"make it first: mkdir -p '{missing}'"
    assert not missing.exists()


def test_without_matplotlib_the_extra_is_named() -> None:
    """Controllers that draw nothing do without it; those that would are told what to install, before anything is sent."""
    arguments = ["ping", "192.0.2.1", "--pop", "pop1", "--plot", "ping.svg"]
    code = (
        f"import sys; sys.modules['matplotlib'] = None; from netorch.cli.main import main; sys.exit(main({arguments}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'netorch[plot]'" in done.stderr


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """In words, with the file's name, once the measurement has ended."""
    (tmp_path / "ping-2023-11-15.jsonl").mkdir()
    keeping = recording(Pings({"h1.pop1": [track()]}), PingFolder(tmp_path), FakeClock(NOON), keep_s=DAY_S)
    with pytest.raises(NetorchError, match="cannot be written"), keeping:
        pass
