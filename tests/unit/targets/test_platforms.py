"""Where the kernel is not Linux no target works, and the one command that helps is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.cli.doctor import doctor_command
from chaos.targets import known
from chaos.targets.box import box

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_every_target_names_the_way_out(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one, which is a target of the Makefile."""
    monkeypatch.setattr(sys, "platform", platform)
    why = box.available()
    assert why and platform in why and "`make container`" in why
    assert known.KNOWN["compose"].unavailable() == why
    assert "\ncontainer:" in (ROOT / "Makefile").read_text()


def test_doctor_ends_as_where_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, without asking the engine."""
    monkeypatch.setattr(sys, "platform", "darwin")
    done = CliRunner().invoke(doctor_command, ["--stack", str(ROOT / "docker-compose.yml")], standalone_mode=False)
    assert done.return_value == 2 and done.output.count("`make container`") == 2
