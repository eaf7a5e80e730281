"""What devices run needs no newer Python than 3.9, neither in syntax nor in the standard library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("errors", "data", "model", "ports", "parse", "plan", "api", "loader", "agent", "io/netlink", "mark")
FOR_TYPE_CHECKERS = ("importlib.resources.abc",)  # imported under TYPE_CHECKING, so never on a device


def sources() -> list[Path]:
    found = [ROOT / "netorch/__init__.py", *ROOT.glob("netorch/io/__init__.py"), *ROOT.glob("plugins/**/*.py")]
    for name in SHARED:
        found += ROOT.glob(f"netorch/{name}.py")
        found += ROOT.glob(f"netorch/{name}/**/*.py")
    return sorted(path for path in found if not path.name.startswith("test_"))


def vermin(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run vermin with annotations evaluated, since the JSON codec evaluates them on devices."""
    options = ["--no-tips", "--no-parse-comments", "--eval-annotations", "--violations", "--target=3.9-"]
    for name in FOR_TYPE_CHECKERS:
        options += ["--exclude", name]
    command = [str(Path(sys.executable).with_name("vermin")), *options, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            yield node.returns


def unions(path: Path) -> list[str]:
    """Where annotations say X | Y although Python evaluates them, which fails in 3.9.

    The JSON codec evaluates those of netorch.model; elsewhere ``from __future__ import annotations`` keeps them text.
    """
    text = path.read_text(encoding="utf-8")
    if "\nfrom __future__ import annotations\n" in text and "model" not in path.relative_to(ROOT).parts:
        return []
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for annotation in annotations(ast.parse(text))
        for node in ast.walk(annotation)
        if isinstance(node, ast.BinOp)
    ]


def test_shared_code_needs_no_newer_python() -> None:
    """No module that devices run uses syntax or library features from after Python 3.9."""
    result = vermin(*map(str, sources()))
    assert result.returncode == 0, result.stdout + result.stderr


def test_shared_annotations_can_be_evaluated() -> None:
    """Annotations that are evaluated on devices say Optional[X] and Union[X, Y]."""
    assert "\n".join(place for path in sources() for place in unions(path)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "match 1:\n    case 1:\n        pass\n",
        "from itertools import pairwise\n",
        "import asyncio\nasyncio.TaskGroup\n",
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    pass\n",
        "zip((), (), strict=True)\n",
    ],
)
def test_newer_features_would_be_found(tmp_path: Path, text: str) -> None:
    """The check above sees what Python 3.10 and 3.11 brought."""
    (tmp_path / "newer.py").write_text(text)
    result = vermin(str(tmp_path / "newer.py"))
    assert (result.returncode, "require" in result.stdout) == (1, True), result.stdout + result.stderr
