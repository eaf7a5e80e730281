"""The agents' figures, read by the library that node_exporter's collectors are tested with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from netorch.agent.metrics import metrics_text, write_metrics

MIRROR: dict[str, Any] = {
    "service": "mirror",
    "started": 0.0,
    "memory_bytes": 20_000_000,
    "cpu_s": 1.5,
    "problem": "",
    "counters": {"changes": 7, "rejected": 1},
    "feeds": [{"switch": "sw1.pop1", "up": True}, {"switch": "sw2.pop1", "up": False}],
    "entries": [
        {
            "address": "203.0.113.1",
            "interface": "eth0",
            "provider": "northtel",
            "circuit": 1,
            "state": "mirrored",
            "since": 1.0,
        },
        {
            "address": "2001:db8:c::1",
            "interface": "eth0",
            "provider": "northtel",
            "circuit": 1,
            "state": "kept",
            "since": None,
        },
    ],
}
FEED: dict[str, Any] = {**MIRROR, "service": "feed", "subscribers": [{"host": "h1.pop1"}], "counters": {"sent": 9}}


def samples(status: dict[str, Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics_text(status))
        for sample in family.samples
    }


def test_figures_of_a_mirror() -> None:
    """Feeds, entries by state, ages of those that are in the kernel, and counters."""
    found = samples(MIRROR)
    assert found["netorch_mirror_feed_up", (("switch", "sw1.pop1"),)] == 1
    assert found["netorch_mirror_feed_up", (("switch", "sw2.pop1"),)] == 0
    assert found["netorch_mirror_entries", (("state", "kept"),)] == 1
    assert found["netorch_mirror_changes_total", ()] == 7
    assert found["netorch_agent_memory_bytes", (("service", "mirror"),)] == 20_000_000
    assert [dict(labels)["address"] for name, labels in found if name == "netorch_mirror_entry_age_seconds"] == [
        "203.0.113.1"
    ]


def test_figures_of_a_feed() -> None:
    """How many hosts it serves, and what it has sent."""
    found = samples(FEED)
    assert found["netorch_feed_subscribers", ()] == 1
    assert found["netorch_feed_sent_total", ()] == 9


def test_label_cannot_end_early() -> None:
    """A quote or line break in a name stays inside of its label."""
    hostile = {**MIRROR, "feeds": [{"switch": 'x"} 1\ny', "up": True}]}
    assert (("switch", 'x"} 1\ny'),) in [
        labels for name, labels in samples(hostile) if name == "netorch_mirror_feed_up"
    ]


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    """Readable by the collector, and nothing else is left in its folder."""
    path = tmp_path / "netorch.prom"
    write_metrics(str(path), MIRROR)
    write_metrics(str(path), MIRROR)
    assert [child.name for child in tmp_path.iterdir()] == ["netorch.prom"]
    assert path.stat().st_mode & 0o777 == 0o644
