"""Owners by a real history of git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.test_commands import ROOT, call
from tests.unit.incidents.staff.test_command import COMPOSE, said


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_owners_come_from_the_commits_to_each_components_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A repository of three commits by two people; files elsewhere count for nobody."""
    (tmp_path / "c.yml").write_text(COMPOSE)

    def git(*args: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *args], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "web").mkdir()
    for n, who in enumerate(("dana", "dana", "eli", "fay")):
        (tmp_path / ("README" if who == "fay" else f"web/{n}")).write_text(who)
        git("add", "-A", ":!c.yml")
        git("-c", f"user.name={who}", "-c", "user.email=x@example.org", "commit", "-q", "-m", str(n))
    found = json.loads(said(capsys, "--stack", str(tmp_path / "c.yml"), "--from", "git", "--json"))
    (web,) = found["components"].values()
    assert (web["owners"], web["bus_factor"], web["orphaned"]) == (["dana", "eli"], 2, False)


def test_a_folder_without_history_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """git's own words, with the folder."""
    (tmp_path / "c.yml").write_text(COMPOSE)
    assert call("staff", "--stack", str(tmp_path / "c.yml"), "--from", "git") == 64
    assert str(tmp_path) in capsys.readouterr().err
