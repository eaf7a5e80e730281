"""What node_exporter finds of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netorch.errors import NetorchError
from netorch.io.metrics_file import RunMetrics, write_metrics

RUN = RunMetrics(
    finished=1_700_000_000.0,
    duration_s=2.5,
    exit_code=0,
    drift={"sw1.pop1": 0, "h1.pop1": 3},
    outcomes={"changed": 1, "unchanged": 1},
    drains=1,
    reverted=0,
)


def read(path: Path) -> dict[str, float]:
    """Every figure by name and labels."""
    families = text_string_to_metric_families(path.read_text())
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_figures_of_a_run(tmp_path: Path) -> None:
    """Names and units as they are documented; nothing else lies beside the file."""
    path = tmp_path / "netorch.prom"
    write_metrics(path, RUN)
    assert read(path) == {
        "netorch_run_last_success_timestamp_seconds": 1_700_000_000.0,
        "netorch_run_timestamp_seconds": 1_700_000_000.0,
        "netorch_run_duration_seconds": 2.5,
        "netorch_run_exit_code": 0,
        "netorch_drains": 1,
        "netorch_drift_operations{sw1.pop1}": 0,
        "netorch_drift_operations{h1.pop1}": 3,
        "netorch_run_devices{changed}": 1,
        "netorch_run_devices{unchanged}": 1,
        "netorch_reverted_total": 0,
    }
    assert [entry.name for entry in tmp_path.iterdir()] == ["netorch.prom"]


def test_a_failed_run_keeps_the_last_success(tmp_path: Path) -> None:
    """An alert on its age is what tells that runs fail."""
    path = tmp_path / "netorch.prom"
    write_metrics(path, RUN)
    write_metrics(path, replace(RUN, finished=RUN.finished + 300, exit_code=3))
    found = read(path)
    assert found["netorch_run_last_success_timestamp_seconds"] == RUN.finished
    assert found["netorch_run_timestamp_seconds"] == RUN.finished + 300


def test_reverted_changes_add_up(tmp_path: Path) -> None:
    """A counter over all runs, not of the last one."""
    path = tmp_path / "netorch.prom"
    for reverted in (1, 0, 2):
        write_metrics(path, replace(RUN, reverted=reverted, exit_code=6))
    assert read(path)["netorch_reverted_total"] == 3
    assert read(path)["netorch_run_last_success_timestamp_seconds"] == 0


@pytest.mark.parametrize("former", ["", "garbage {{{\n", "netorch_reverted_total not-a-number\n", "\x00\xff"])
def test_a_former_file_that_cannot_be_read_counts_for_nothing(tmp_path: Path, former: str) -> None:
    """It is replaced."""
    path = tmp_path / "netorch.prom"
    path.write_text(former)
    write_metrics(path, replace(RUN, reverted=1))
    assert read(path)["netorch_reverted_total"] == 1


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It names the place."""
    with pytest.raises(NetorchError, match="metrics cannot be written") as raised:
        write_metrics(tmp_path / "missing/netorch.prom", RUN)
    assert raised.value.where == str(tmp_path / "missing/netorch.prom")
