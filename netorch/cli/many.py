"""What a person is shown of many devices: the same said of several is said once, and a long plan is cut short.

On a terminal only. Pipes and files get a block for each device, whole, so that grep finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

LONG = 200
"""Lines of a plan from which on it is cut short: nobody reads more before answering a question."""

WHOLE = 8
"""Blocks of a long plan that are shown whole."""

NAMED = 4
"""Devices of a block that are named."""


@dataclass(frozen=True)
class Line:
    """A line and its colour."""

    text: str
    colour: str | None = None


@dataclass(frozen=True)
class Block:
    """What is said of ``devices``, which are at ``generations``: one ``word``, "" for none, and lines; ``short`` says these in a
    few words."""

    devices: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    word: str = ""
    short: str = ""
    generations: tuple[int, ...] = ()

    @property
    def names(self) -> str:
        """The first devices by name, the others counted."""
        more = f" and {len(self.devices) - NAMED} more" if len(self.devices) > NAMED else ""
        return ", ".join(self.devices[:NAMED]) + more

    @property
    def generation(self) -> str:
        """The generations in words; "" for none."""
        if not self.generations:
            return ""
        first, last = min(self.generations), max(self.generations)
        return f"generation {first}" if first == last else f"generations {first} to {last}"


def merge(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Blocks that say the same become one, in the place of the first."""
    merged: dict[tuple[str, tuple[Line, ...]], Block] = {}
    for block in blocks:
        key = (block.word, block.lines)
        held = merged.get(key)
        if held is not None:
            devices, generations = (*held.devices, *block.devices), (*held.generations, *block.generations)
            block = replace(held, devices=devices, generations=generations)
        merged[key] = block
    return tuple(merged.values())


def shorten(blocks: Sequence[Block]) -> tuple[tuple[Block, ...], bool]:
    """The blocks as a person can take them in, and whether any of them was cut short."""
    if sum(len(block.lines) + 1 for block in blocks) <= LONG:
        return tuple(blocks), False
    cut = [replace(block, lines=(Line(block.short),)) if block.short else block for block in blocks[WHOLE:]]
    return (*blocks[:WHOLE], *merge(cut)), True
