"""The samples of daemon output: ``samples/DAEMON/NAME.raw`` as the daemon printed it, ``NAME.json`` what it means.

``NAME.raw`` is what ``birdc`` printed, ``NAME.socket.raw`` what came from the control socket, ``NAME.verbose.raw`` what
``birdc -v`` printed for the command followed by ``eval 0``. ``NAME.json`` has the command and the result without its null
and empty values, or the error. ``python -m tests.parse.samples`` writes what is missing, for people to check:

    echo '{"command": "show protocols all"}' > tests/parse/samples/bird_2.0.12/new.json
    birdc show protocols all > tests/parse/samples/bird_2.0.12/new.raw

``tests.parse.scenario`` takes all of them anew, for another version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netorch.errors import NetorchError
from netorch.parse import parse_command

FOLDER = Path(__file__).with_name("samples")


@dataclass(frozen=True)
class Sample:
    """One pair of files. ``coded`` tells whether its lines carry reply codes."""

    raw: Path
    command: str
    expected: Any
    error: str | None

    @property
    def name(self) -> str:
        return f"{self.raw.parent.name}/{self.raw.name[:-4]}"

    @property
    def text(self) -> str:
        return self.raw.read_bytes().decode()

    @property
    def coded(self) -> bool:
        return self.raw.name.endswith((".socket.raw", ".verbose.raw"))

    @property
    def details(self) -> bool:
        return " all" in self.command.replace("table all", "")


def load_samples() -> tuple[Sample, ...]:
    """All samples, sorted by name."""
    return tuple(_load(raw) for raw in sorted(FOLDER.glob("*/*.raw")))


def _load(raw: Path) -> Sample:
    content = json.loads(raw.with_suffix(".json").read_text())
    return Sample(raw=raw, command=content["command"], expected=content.get("result"), error=content.get("error"))


def pruned(value: Any) -> Any:
    """``value`` without null members and empty lists, so that an expectation shows what is there."""
    if isinstance(value, dict):
        return {key: pruned(member) for key, member in value.items() if member is not None and member != []}
    if isinstance(value, list):
        return [pruned(member) for member in value]
    return value


def outcome(command: str, text: str) -> dict[str, Any]:
    """What a sample's JSON file says: the command, and the result or the error."""
    try:
        return {"command": command, "result": pruned(parse_command(command, text))}
    except NetorchError as error:
        return {"command": command, "error": f"{type(error).__name__}: {error}"}


def _written(content: dict[str, Any]) -> str:
    """JSON with one line per element of the result."""
    result = content.get("result")
    if not isinstance(result, list) or not result:
        return json.dumps(content, ensure_ascii=False) + "\n"
    lines = ",\n".join(json.dumps(member, ensure_ascii=False) for member in result)
    return f'{{"command": {json.dumps(content["command"])}, "result": [\n{lines}\n]}}\n'


def main() -> None:
    for raw in sorted(FOLDER.glob("*/*.raw")):
        expected = raw.with_suffix(".json")
        content = json.loads(expected.read_text())
        if content.keys() == {"command"}:
            expected.write_text(_written(outcome(content["command"], raw.read_bytes().decode())))


if __name__ == "__main__":
    main()
