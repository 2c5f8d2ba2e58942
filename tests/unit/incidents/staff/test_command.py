"""`chaos staff` as it is typed: text, JSON and a page from one roster, and each wrong input in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.messages import Says, lines
from tests.unit.cli.test_commands import ROOT, call, refusal

COMPOSE = 'services: {web: {command: [x], labels: {chaos.owners: "ana, bo", chaos.path: web}}, db: {command: [y]}}'


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert call("staff", *args) == 0
    return capsys.readouterr().out


def test_it_says_who_is_left_and_what_is_lost(capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """Both owners of the gateway leave: it is an orphan, and every journey but the bank's is lost."""
    text = said(capsys, "--leave", "ana", "--leave", "bo")
    for words in ("gone (", "Orphaned now", "Journeys lost once"):
        says(re.sub(r"of 1[78]\)", "of <components>)", lines(text, words)))
    (line,) = [line for line in text.splitlines() if line.startswith("gateway ")]
    assert line.split() == ["gateway", "2", "ORPHANED"]
    assert all(len(line) <= 100 for line in text.splitlines())


def test_json_has_the_same_for_the_same_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """Twice the same, another seed another; a team and a share add up."""
    args = ("--share", "50%", "--draws", "20", "--json")
    one, two, three = (said(capsys, *args, "--seed", seed) for seed in ("7", "7", "8"))
    assert one == two != three
    found = json.loads(said(capsys, *args, "--team", "feed"))
    assert {"jun", "kim"} <= set(found["gone"]) and set(json.loads(one)["gone"]) <= set(found["gone"])
    assert found["curve"][0]["orphaned"] == 0 and found["curve"][-1]["lost"] == 1
    assert found["components"]["timeline"]["orphaned"] is True


def test_the_page_is_whole_and_escapes_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file without a request to anybody; a name that is markup stays a name."""
    (tmp_path / "c.yml").write_text(COMPOSE.replace("bo", "<b>bo"))
    page = tmp_path / "staff.html"
    said(capsys, "--stack", str(tmp_path / "c.yml"), "--html", str(page))
    text = page.read_text()
    assert "<svg" in text and "http" not in text and "<b>bo" not in text and "&lt;b&gt;bo" in text


def test_owners_come_from_codeowners_where_there_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a staff file, before labels; --from decides."""
    (tmp_path / "c.yml").write_text(COMPOSE)
    (tmp_path / "CODEOWNERS").write_text("/web/ @carla\n")
    assert "carla" in said(capsys, "--stack", str(tmp_path / "c.yml"))
    assert "ana, bo" in said(capsys, "--stack", str(tmp_path / "c.yml"), "--from", "labels")
    named = said(capsys, "--stack", str(tmp_path / "c.yml"), "--file", str(tmp_path / "CODEOWNERS"))
    assert named.startswith("CODEOWNERS: 1 person, 1 component")


@pytest.mark.parametrize(
    "args",
    [
        ("--leave", "anna"),
        ("--team", "fed"),
        ("--share", "half"),
        ("--from", "labls"),
        ("--from", "codeowners"),
        ("--from", "labels", "--file", "x"),
        ("--file", "nowhere.yaml"),
        ("--stack", "nowhere.yml"),
        ("--months", "0"),
        ("--html", "no/such/folder/x.html"),
    ],
    ids=str,
)
def test_wrong_input_is_said_in_words(args: tuple[str, ...], capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """Exit 64, what was found and what was expected."""
    assert call("staff", *args) == 64
    says(refusal(capsys))
