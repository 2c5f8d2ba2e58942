"""`chaos staff` as it is typed: text, JSON and a page from one roster, and each wrong input in words."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.test_cli import ROOT, call

COMPOSE = 'services: {web: {command: [x], labels: {chaos.owners: "ana, bo", chaos.path: web}}, db: {command: [y]}}'


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert call("staff", *args) == 0
    return capsys.readouterr().out


def test_it_says_who_is_left_and_what_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """Both owners of the gateway leave: it is an orphan, and every journey but the bank's is lost."""
    text = said(capsys, "--leave", "ana", "--leave", "bo")
    assert "gone (2): ana, bo" in text
    (line,) = [line for line in text.splitlines() if line.startswith("gateway ")]
    assert line.split() == ["gateway", "2", "ORPHANED"]
    assert "Orphaned now (1 of 18): gateway" in text or "Orphaned now (1 of 17): gateway" in text
    assert "Journeys lost once they drop (11 of 12)" in text
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


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--leave", "anna"), "--leave anna: owns nothing here; did you mean 'ana'?"),
        (("--team", "fed"), "--team fed: no such team; did you mean 'feed'?"),
        (("--share", "half"), "--share: 'half' is not a share"),
        (("--from", "labls"), "'labls' is not one of"),
        (("--from", "codeowners"), "no CODEOWNERS in it"),
        (("--from", "labels", "--file", "x"), "--from labels reads no file"),
        (("--file", "nowhere.yaml"), "nowhere.yaml: no such file"),
        (("--stack", "nowhere.yml"), "nowhere.yml: no such file"),
        (("--months", "0"), "0 is not in the range"),
        (("--html", "no/such/folder/x.html"), "--html no/such/folder/x.html: No such file"),
    ],
)
def test_wrong_input_is_said_in_words(args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 64, what was found and what was expected."""
    assert call("staff", *args) == 64
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_folder_without_history_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """git's own words, with the folder."""
    (tmp_path / "c.yml").write_text(COMPOSE)
    assert call("staff", "--stack", str(tmp_path / "c.yml"), "--from", "git") == 64
    assert "not a git repository" in capsys.readouterr().err
