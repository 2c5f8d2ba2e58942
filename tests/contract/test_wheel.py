"""The wheel: it holds the whole package, works where nothing else of the project is, and its build leaves no trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout, and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    before = set(ROOT.iterdir())
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    assert set(ROOT.iterdir()) <= before, "a build left files behind, and the next wheel may hold them"
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    """What git knows below chaos/, and the wheel's own description."""
    listed = subprocess.run(["git", "ls-files", "chaos"], cwd=ROOT, capture_output=True, text=True, check=True)
    known = {name for name in listed.stdout.split() if (ROOT / name).exists()}
    held = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    assert {name for name in held if ".dist-info/" not in name} == known
    assert "chaos/py.typed" in known


@pytest.mark.parametrize("command", ["--help", "doctor", "plan stock-away --target process"])
def test_the_wheel_works_alone(command: str, wheel: Path, tmp_path: Path) -> None:
    """In the folder of a stack that is not ours, with no other file of the project in reach."""
    shop = shutil.copytree(ROOT / "examples" / "shop", tmp_path / "shop")
    env = os.environ | {"PYTHONPATH": str(wheel)}
    where = [sys.executable, "-P", "-c", "import chaos; print(chaos.__path__[0])"]
    found = subprocess.run(where, cwd=shop, env=env, capture_output=True, text=True, check=True).stdout.strip()
    assert found == str(wheel / "chaos")
    subprocess.run([sys.executable, "-m", "chaos", *command.split()], cwd=shop, env=env, check=True)
