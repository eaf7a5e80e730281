"""What an operator installs holds everything that a checkout has at run time."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_wheel_holds_templates_and_plugins(tmp_path: Path) -> None:
    """Every template and plugin of the checkout is in the wheel, below netorch/_data."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"netorch/_data/{path.relative_to(ROOT)}"
        for folder in ("templates", "plugins")
        for path in ROOT.glob(f"{folder}/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted
    assert wanted - packed == set()
    assert {name.split("/")[0] for name in packed} == {"netorch", wheel.name.split("-py3")[0] + ".dist-info"}
