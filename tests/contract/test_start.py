"""What `chaos --help` loads, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_help_imports_nothing_heavy() -> None:
    """`chaos --help` is there at once because nothing but click is imported for it."""
    heavy = {"docker", "rich", "msgspec", "yaml", "jinja2", "aiohttp", "asyncio", "prometheus_client", "locust"}
    code = "import sys; from chaos.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print('IMPORTED', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    imported = set(out.partition("IMPORTED")[2].split())
    assert "click" in imported and not imported & heavy
