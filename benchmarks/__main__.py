"""``python -m benchmarks [NAME...]``: run them, print a table each, write benchmarks/results/NAME.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.report import machine, table

HERE = Path(__file__).parent


def names() -> list[str]:
    """Every benchmark, by its folder."""
    return sorted(path.parent.name for path in HERE.glob("*/__init__.py"))


def main() -> int:
    """Run what the command line names, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; all by default")
    parser.add_argument(
        "--prepare", action="store_true", help="only install the peers that the benchmarks compare with"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names())
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: expected {', '.join(names())}")
    for name in arguments.names or names():
        module = importlib.import_module(f"benchmarks.{name}")
        if arguments.prepare:
            getattr(module, "prepare", lambda progress: None)(progress)
        else:
            _run(name, module)
    return 0


def _run(name: str, module: ModuleType) -> None:
    progress(f"{name} ...")
    result = {"benchmark": name, "machine": machine(), **module.run(progress)}
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\n{name}: {(module.__doc__ or '').strip().splitlines()[0]}\n\n{table(result['rows'])}\n", flush=True)
    progress(f"{name}: {path.relative_to(HERE.parent)}")


def progress(text: str) -> None:
    """What happens, on standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
