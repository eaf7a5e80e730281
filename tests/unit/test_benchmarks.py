"""The benchmarks still measure what they say."""

from __future__ import annotations

from benchmarks import render


def test_template_by_hand_renders_what_netorch_does() -> None:
    """A change of templates/bird for switches is also made in benchmarks/render/by_hand.conf.j2."""
    assert render.texts_agree()
