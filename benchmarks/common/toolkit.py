"""Chaos Toolkit in an environment of its own: its command is called `chaos` like ours, and one would hide the other."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.common.document import ROOT
from chaos.errors import ChaosError

VERSION = "1.19.0"
FOLDER = ROOT / "build" / f"chaostoolkit-{VERSION}"


def python() -> Path:
    """Its interpreter; the first call installs it from PyPI. Raises ChaosError."""
    found = FOLDER / "bin" / "python"
    done = FOLDER / "ready"
    if not done.exists():
        venv.create(FOLDER, clear=True, with_pip=False, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(found)]
        installed = subprocess.run(
            [*pip, "install", f"chaostoolkit=={VERSION}"], capture_output=True, text=True, check=False
        )
        if installed.returncode:
            last = installed.stderr.strip().splitlines()[-1:]
            raise ChaosError(f"chaostoolkit {VERSION} could not be installed: {' '.join(last)}")
        done.touch()
    return found


def command(*arguments: str) -> list[str]:
    """What its `chaos` script does, with these arguments."""
    return [str(python()), "-c", "from chaostoolkit.__main__ import cli; cli(prog_name='chaos')", *arguments]
