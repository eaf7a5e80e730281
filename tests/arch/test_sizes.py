"""Files and functions stay small enough to be read in one go."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES = 600
FUNCTION_LINES = 60


def sources() -> list[Path]:
    return sorted(
        path for folder in ("netorch", "plugins", "benchmarks", "tests") for path in ROOT.glob(f"{folder}/**/*.py")
    )


def test_no_file_is_long() -> None:
    """No source file has more than 600 lines, and 19 of 20 have at most 400."""
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}
    assert sum(lines > 400 for lines in lengths.values()) <= len(lengths) / 20


def test_no_function_is_long() -> None:
    """No function has more than 60 lines."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    ]
    assert long == []
