"""The program as a process: what it says under any locale, and to anybody who does not listen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENT = """
name: kaffee
claim: Le café reste ouvert
load: {users: users/u.py, count: 1, rate: 1/s, floor: 1/s}
timeline: []
checks: []
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "kaffee.yml").write_text(EXPERIMENT, encoding="utf-8")
    return tmp_path


def chaos(folder: Path, *args: str, shell: str = "", **env: str) -> subprocess.CompletedProcess[bytes]:
    """`chaos ARGS`, called by a shell that does `shell` with it."""
    command = ["bash", "-c", f'set -o pipefail; "$@" {shell}', "-", sys.executable, "-m", "chaos", *args]
    home = {"XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": os.getcwd()}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(command, cwd=folder, env=kept | home | env, capture_output=True, check=False, timeout=60)


def test_files_and_words_are_utf_8_under_any_locale(folder: Path) -> None:
    """Also one that knows ASCII only, with Python's own way round switched off."""
    for env in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C"}, {}):
        done = chaos(folder, "list", **env)
        assert (done.returncode, done.stderr) == (0, b"")
        assert "Le café reste ouvert" in done.stdout.decode()


@pytest.mark.parametrize(
    ("shell", "code"),
    [("| head -c 1", 0), (">&-", 0), (">/dev/full", 2), ("2>&-", 0), (">&- 2>&-", 0), ("2>/dev/full", 0)],
)
def test_a_reader_who_has_gone_changes_no_exit_code(folder: Path, shell: str, code: int) -> None:
    """No room for what is said is an error; nobody who reads it is none."""
    for n in range(20):  # more than a pipe holds
        text = EXPERIMENT.replace("kaffee", f"kaffee-{n}").replace("Le café", "Le café" * 1500)
        (folder / "experiments" / f"kaffee-{n}.yaml").write_text(text, encoding="utf-8")
    done = chaos(folder, "list", shell=shell)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


def test_a_wrong_command_keeps_its_code_whoever_listens(folder: Path) -> None:
    """Standard error may be closed, or have no room."""
    for shell in ("2>&-", "2>/dev/full", "2>&1 | true"):
        assert chaos(folder, "list", "--nonsense", shell=shell).returncode == 64
        assert chaos(folder, "check", "nothing", shell=shell).returncode == 64
