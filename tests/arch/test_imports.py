"""Who imports whom, where import-linter has no words for it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED_WITH_DEVICES = {"errors", "model", "ports", "data", "parse", "plan", "api", "loader", "agent"}
ON_A_DEVICE = {"pyroute2", "textfsm"}
STANDARD = sys.stdlib_module_names | {"_sha256", "_sha2"}  # one module, named so until and since Python 3.12


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("netorch", include_external_packages=True, cache_dir=None)


def plugin_folders() -> list[Path]:
    return sorted(path for path in ROOT.glob("plugins/*") if path.is_dir() and any(path.glob("*.py")))


def imported_names(path: Path) -> Iterator[tuple[int, int, str]]:
    """Line, level (dots of a relative import) and module of every import, at any depth of the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == "netorch":
                yield from ((node.lineno, node.level, f"netorch.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.level, node.module or ""


def on_a_device(module: str) -> bool:
    parts = module.split(".")
    if parts[0] != "netorch":
        return parts[0] in ON_A_DEVICE or parts[0] in STANDARD
    return len(parts) == 1 or parts[1] in SHARED_WITH_DEVICES or parts[1:] == ["io"] or parts[1:3] == ["io", "netlink"]


def test_agent_reaches_only_what_its_zipapp_holds(graph: grimp.ImportGraph) -> None:
    """Whatever the agent imports, directly or not, is shared code, the standard library, pyroute2 or textfsm."""
    reached = graph.find_upstream_modules("netorch.agent", as_package=True)
    foreign = sorted(module for module in reached if not on_a_device(module))
    chains = [
        " -> ".join(chain)
        for module in foreign
        for chain in graph.find_shortest_chains("netorch.agent", module, as_packages=True)
    ]
    assert chains == []


def test_package_itself_imports_nothing(graph: grimp.ImportGraph) -> None:
    """Importing netorch alone costs nothing, since every command and every call on a device pays for it."""
    assert graph.find_modules_directly_imported_by("netorch") == set()


@pytest.mark.parametrize("folder", plugin_folders(), ids=lambda folder: folder.name)
def test_plugin_sees_only_the_api(folder: Path) -> None:
    """A shipped plugin imports netorch.api, its own modules and the standard library, as a stranger's would."""
    own = {path.stem for path in folder.glob("*.py")} | {folder.name}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in sorted(folder.rglob("*.py"))
        for line, level, module in imported_names(path)
        if not path.name.startswith("test_")
        and not (level == 1 or module == "netorch.api" or module.split(".")[0] in sys.stdlib_module_names | own)
    ]
    assert wrong == []


def test_netorch_imports_no_plugin() -> None:
    """Plugins are found by the loader at run time; no module of netorch names one in an import."""
    names = {"plugins", *(folder.name for folder in plugin_folders())}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in sorted(ROOT.glob("netorch/**/*.py"))
        for line, level, module in imported_names(path)
        if level == 0 and module.split(".")[0] in names
    ]
    assert wrong == []
