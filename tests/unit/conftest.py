"""Unit tests start no process: a test that does is one of tests/contract."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **_: Any) -> None:
        pytest.fail(f"a unit test starts a process: {args[1:2]!r:.200}")

    monkeypatch.setattr(subprocess.Popen, "__init__", refused)
