"""What a person is shown of many devices at once, and what a pipe gets."""

from __future__ import annotations

import pytest

from netorch.app.results import DeployResult, DeviceResult
from netorch.cli.many import LONG, WHOLE, Block, Line, merge, shorten
from netorch.cli.plan_view import print_plan, print_results
from netorch.model.items import AliasItem
from netorch.model.plan import DevicePlan, Operation, Plan


def block(device: str, *lines: str, generation: int = 3, short: str = "some changes") -> Block:
    """What is said of one device."""
    return Block((device,), tuple(map(Line, lines)), short=short, generations=(generation,))


def test_the_same_said_of_several_is_said_once() -> None:
    """The first few by name, the others counted; generations as a range."""
    merged = merge([block(f"h{number}.pop1", "~ file", generation=3 + number % 2) for number in range(150)])
    assert [(one.names, one.generation) for one in merged] == [
        ("h0.pop1, h1.pop1, h2.pop1, h3.pop1 and 146 more", "generations 3 to 4")
    ]


def test_what_differs_is_kept_apart_in_its_order() -> None:
    """A device with another change has its own block."""
    merged = merge([block("a", "~ file"), block("b", "+ rule"), block("c", "~ file")])
    assert [one.devices for one in merged] == [("a", "c"), ("b",)]


def test_a_long_plan_is_cut_short() -> None:
    """The first blocks whole, the others in a few words, which may be the same words."""
    blocks = [block(f"h{number}", *(f"+ {number}.{line}" for line in range(25))) for number in range(50)]
    shown, is_cut = shorten(blocks)
    assert is_cut
    assert shown[:WHOLE] == tuple(blocks[:WHOLE])
    assert [(one.names, one.lines) for one in shown[WHOLE:]] == [
        ("h8, h9, h10, h11 and 38 more", (Line("some changes"),)),
    ]


def test_a_plan_that_can_be_read_is_left_alone() -> None:
    """Up to the length that a person takes in."""
    blocks = [block(f"h{number}", str(number)) for number in range(LONG // 2)]
    assert shorten(blocks) == (tuple(blocks), False)
    assert shorten([*blocks, block("one", "more")])[1]


def test_a_pipe_gets_every_device_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """For grep: a block for each of 200 devices, with every line."""
    change = Operation("add", AliasItem("eth0", "sw1.pop1 swp11"))
    print_plan(Plan(tuple(DevicePlan(f"h{n}.pop1", "b", 3, (change,)) for n in range(200))), str, diff=False)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 400
    assert said[:2] == ["h0.pop1 (generation 3)", "  + alias of eth0: sw1.pop1 swp11"]
    print_results(DeployResult(tuple(DeviceResult(f"h{n}.pop1", "changed", 4) for n in range(200))))
    assert capsys.readouterr().out.count("changed    generation 4\n") == 200
