"""All runs of a folder: an index that is never more than the files, and what may go of it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaos.cli import gc, main
from chaos.errors import BadExperiment
from chaos.record import store
from chaos.record.findings import flatten
from chaos.record.history import NAME, RUNNING, UNJUDGED, History, Past, words
from tests.messages import Says, lines
from tests.unit.cli.test_commands import refusal

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def make(runs: Path, name: str, verdict: str = "PASS", experiment: str = "fire", target: str = "process") -> Path:
    run = runs / experiment / name
    run.mkdir(parents=True)
    plan = {"experiment": experiment, "seed": 7, "target": target, "settings": {"posture": "as-was"}, "claim": "none"}
    (run / "plan.json").write_text(json.dumps(plan))
    if verdict:
        found = {"verdict": verdict, "measures": {"rto_s": {"text": 2.5, "mail": 0.0}, "delivery": {"lost": 3}}}
        (run / "findings.json").write_text(json.dumps(found))
    return run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make(tmp_path, "20260101T000000Z-s7")
    make(tmp_path, "20260103T000000Z-s7", "FAIL")
    make(tmp_path, "20260102T000000Z-s9", "PASS", "kill", "compose")
    make(tmp_path, "20260104T000000Z-s7", "")
    return tmp_path


def names(found: list[Past]) -> list[str]:
    return [run.name[6:8] for run in found]


def test_runs_are_found_by_what_they_are_the_newest_first(runs: Path) -> None:
    """Experiment, verdict, target, or words anywhere."""
    with History(runs) as history:
        assert names(history.runs()) == ["04", "03", "02", "01"]
        assert names(history.runs(experiment="fire", verdict="pass")) == ["01"]
        assert names(history.runs(target="compose")) == ["02"]
        assert names(history.runs(verdict=UNJUDGED)) == ["04"]
        assert names(history.runs(search="s9 KILL")) == ["02"]
        assert history.runs(search="fire compose") == []


def test_measures_are_there_by_name(runs: Path, says: Says) -> None:
    """As in findings.json; what never came is None."""
    with History(runs) as history:
        found = history.measures(history.runs(verdict="FAIL")[0])
    assert found == {"rto_s.text": 2.5, "rto_s.mail": 0.0, "delivery.lost": 3}
    says("; ".join(words(found)))
    says("; ".join(words({"rto_s.text": None})))
    assert dict(flatten({"a": {"b": None, "c": [1], "d": True, "e": "x"}})) == {"a.b": None}


def test_the_files_stay_the_truth(runs: Path) -> None:
    """A run that was judged again, one that came and one that went: the next look knows."""
    with History(runs):
        pass
    (runs / "fire/20260101T000000Z-s7/findings.json").write_text('{"verdict": "DIRTY", "measures": {}}')
    (runs / "fire/20260103T000000Z-s7/plan.json").unlink()
    make(runs, "20260105T000000Z-s7")
    with History(runs) as history:
        assert [(r.name[6:8], r.verdict) for r in history.runs(experiment="fire")] == [
            ("05", "PASS"), ("04", UNJUDGED), ("01", "DIRTY"),
        ]  # fmt: skip
        assert history.measures(history.runs(verdict="DIRTY")[0]) == {}


@pytest.mark.parametrize("broken", [b"not a database at all" * 100, b"", "old"])
def test_an_index_that_is_broken_or_old_is_made_again(runs: Path, broken: bytes | str) -> None:
    """There is nothing in it that is not elsewhere."""
    if isinstance(broken, bytes):
        (runs / NAME).write_bytes(broken)
    else:
        with sqlite3.connect(runs / NAME) as db:
            db.executescript("CREATE TABLE runs (other TEXT); PRAGMA user_version = 99;")
        db.close()
    with History(runs) as history:
        assert len(history.runs()) == 4
    with sqlite3.connect(runs / NAME) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (4,)
    db.close()


def test_what_is_as_it_was_is_not_read_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the files' times is enough: thousands of runs are listed at once."""
    with History(runs):
        pass
    read: list[Path] = []

    def noted(file: Path) -> dict[str, object]:
        read.append(file)
        return {}

    monkeypatch.setattr("chaos.jsonfile.mapping", noted)
    with History(runs) as history:
        assert len(history.runs()) == 4 and read == []


def test_a_folder_without_runs_is_looked_at_and_left_alone(tmp_path: Path) -> None:
    """Nothing is made in it, nor is it made."""
    with History(tmp_path / "none") as history:
        assert history.runs() == []
    assert not (tmp_path / "none").exists()


def test_a_run_that_makes_no_sense_is_a_run_all_the_same(runs: Path) -> None:
    """A harness that was killed while it wrote."""
    (runs / "fire/20260104T000000Z-s7/plan.json").write_text('{"experiment": "fi')
    with History(runs) as history:
        assert history.runs(verdict=UNJUDGED)[0].experiment == "fire"


def test_a_run_that_goes_on_is_said_to(runs: Path) -> None:
    """As long as somebody holds its folder, and no longer."""
    with History(runs) as history, store.held(runs / "fire/20260104T000000Z-s7"):
        assert next(r.verdict for r in history.runs()) == RUNNING
    with History(runs) as history:
        assert next(r.verdict for r in history.runs()) == UNJUDGED


def test_old_runs_go_and_what_any_option_keeps_stays(runs: Path) -> None:
    """The newest of each experiment, what is young, what was just begun, what somebody named himself."""
    make(runs, "20251201T000000Z-s7")
    make(runs, "mine")
    make(runs, "20260109T233000Z-s7", "")
    with History(runs) as history:
        every = history.runs()
    assert names(gc.old(every, 1, None, NOW)) == ["04", "03", "01", "01"]
    assert names(gc.old(every, None, NOW - timedelta(days=7.5), NOW)) == ["02", "01", "01"]
    assert names(gc.old(every, 2, NOW - timedelta(days=7.5), NOW)) == ["01", "01"]
    assert len(gc.old(every, 0, None, NOW)) == 5


def test_a_run_from_the_future_pushes_no_newer_one_out(runs: Path) -> None:
    """A clock was wrong: nobody knows how old it is, so it stays and is none of those that are kept."""
    make(runs, "20260110T000001Z-s7")
    make(runs, "99991231T235959Z-s7", "")
    with History(runs) as history:
        every = history.runs()
    assert names(gc.old(every, 1, None, NOW)) == ["03", "01"]
    assert names(gc.old(every, 0, None, NOW)) == ["04", "03", "02", "01"]


def test_gc_leaves_links_alone_and_what_they_lead_to(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link that is newer is none of those that are kept, and one in the place of an experiment's folder neither."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    theirs = make(elsewhere, "20260105T000000Z-s7")
    (runs / "fire" / "20260109T000000Z-s7").symlink_to(theirs)
    (runs / "linked").symlink_to(theirs.parent)
    assert call("gc", "--keep", "1", "--yes", "--runs", str(runs)) == 0
    assert sorted(p.name[6:8] for p in (runs / "fire").iterdir()) == ["04", "09"]
    assert call("gc", "--keep", "0", "--yes", "--runs", str(runs)) == 0
    assert (theirs / "plan.json").exists() and (runs / "linked").is_symlink()


@pytest.mark.parametrize(("text", "hours"), [("12h", 12), ("30d", 720), ("4w", 672), ("90min", 1.5)])
def test_ages_are_written_as_people_say_them(text: str, hours: float, says: Says) -> None:
    """And anything else is refused with an example."""
    assert gc.age(text) == timedelta(hours=hours)
    with says.raises(BadExperiment):
        gc.age(text + "x")


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


def test_gc_says_what_would_go_and_only_then_does_it(
    runs: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """A run that goes on stays, whatever is asked; a stranger's folder is not looked at."""
    (runs / "notes").mkdir()
    everything = sorted(runs.glob("*/*"))
    with store.held(runs / "fire/20260104T000000Z-s7"):
        assert call("gc", "--keep", "0", "--runs", str(runs)) == 0
        assert sorted(runs.glob("*/*")) == everything
        says(lines(capsys.readouterr().out, "3 runs"))
        assert call("gc", "--keep", "0", "--yes", "--runs", str(runs)) == 0
    assert [p.name for p in runs.glob("*/*")] == ["20260104T000000Z-s7"]
    assert (runs / "notes").is_dir() and not (runs / "kill").exists()


def test_gc_wants_to_know_what_is_kept(runs: Path, capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """Nothing goes by default."""
    assert call("gc", "--yes", "--runs", str(runs)) == 64
    says(refusal(capsys))


def test_runs_are_listed_for_people_and_for_programs(
    runs: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """A line a run; with --json its measures too; filters without --runs are a mistake."""
    assert call("list", "--runs", str(runs), "--last", "2") == 0
    table = capsys.readouterr().out
    assert [line.split()[0] for line in table.splitlines()] == ["unjudged", "FAIL"]
    says(table)
    assert call("list", "--runs", str(runs), "--json", "--verdict", "fail") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["verdict"], row["measures"]["rto_s.text"]) == ("FAIL", 2.5)
    assert call("list", "--verdict", "FAIL") == 64
    says(refusal(capsys))
