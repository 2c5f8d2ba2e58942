"""Records of earlier releases: their names are read as those of this one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chaos import jsonfile
from chaos.experiment.plan import CheckSpec
from chaos.record import lines, older
from chaos.record.store import pretty
from tests.golden import make
from tests.messages import Says
from tests.unit.run.test_orchestrator import plan

CHECKS = (CheckSpec("delivery-1", "delivery", {"lost": 0}, "burned", bound={"lost": 3}),)


def saved(folder: Path, rename: dict[str, str], of_checks: dict[str, str]) -> Path:
    """A plan.json as a release wrote it that called keys as `rename` says, and those of checks as `of_checks`."""
    made = msgspec.json.decode(pretty(msgspec.structs.replace(plan(), checks=CHECKS)))
    for where, names in ((made, rename), (made["checks"][0], of_checks)):
        for new, old in names.items():
            where[old] = where.pop(new)
    path = folder / "plan.json"
    path.write_bytes(msgspec.json.encode(made))
    return path


def test_a_plan_of_an_earlier_release_is_read_under_todays_names(tmp_path: Path) -> None:
    """With every renamed key under its former name, the plan is the same."""
    former, of_checks = ({new: old for old, new in names.items()} for names in (older.PLAN, older.CHECK))
    assert older.plan(saved(tmp_path, former, of_checks)) == older.plan(saved(tmp_path, {}, {}))


@pytest.mark.parametrize("name", make.RUNS)
def test_what_a_plan_had_of_extensions_is_read_as_what_it_carries(name: str, tmp_path: Path) -> None:
    """The recordings' plans were written before: today's form of each is the same plan, under other keys."""
    before = older.plan(make.HERE / name / "plan.json")
    (tmp_path / "plan.json").write_bytes(pretty(before))
    now = msgspec.json.decode((tmp_path / "plan.json").read_bytes())
    assert older.plan(tmp_path / "plan.json") == before and not set(now) & set(older.EXTENSIONS)
    then = msgspec.json.decode((make.HERE / name / "plan.json").read_bytes())
    assert set(before.extensions) == set(now["extensions"]) == {k for k in older.EXTENSIONS if then.get(k)}


def test_what_a_plan_carries_is_read_as_strictly_as_the_rest(tmp_path: Path, says: Says) -> None:
    """With its place; what no extension here knows is left as it is."""
    strange = msgspec.structs.replace(plan(), extensions={"weather": {"wind": 5}})
    (tmp_path / "plan.json").write_bytes(pretty(strange))
    assert older.plan(tmp_path / "plan.json").extensions == {"weather": {"wind": 5}}
    wrong = msgspec.structs.replace(plan(), extensions={"people": {"count": 10**12}})
    (tmp_path / "plan.json").write_bytes(pretty(wrong))
    with says.raises(jsonfile.Unreadable):
        older.plan(tmp_path / "plan.json")


def test_an_unknown_key_is_still_refused(tmp_path: Path, says: Says) -> None:
    """By its name."""
    with says.raises(jsonfile.Unreadable):
        older.plan(saved(tmp_path, {"hold": "hold_for"}, {}))


@pytest.mark.parametrize("old", sorted(older.KINDS))
def test_an_event_of_an_earlier_release_is_read_under_todays_kind(old: str) -> None:
    """With its data."""
    raw = msgspec.json.encode({"t": 1.0, "kind": old, "subject": "blow", "data": {"nodes": ["chat-a"]}})
    found = lines.event(raw)
    assert (found.kind, found.data) == (older.KINDS[old], {"nodes": ["chat-a"]})


@pytest.mark.parametrize("old", sorted(older.FINDINGS))
def test_a_finding_of_an_earlier_release_is_read_under_todays_name(old: str) -> None:
    """Its verdict and its mark stay as they were; other checks keep their names."""
    found = older.finding({"check": old, "verdict": "PASS", "known_gap": "burned"})
    assert (found["check"], found["verdict"], found["xfail"]) == (older.FINDINGS[old], "PASS", "burned")
    assert older.finding({"check": "recovery-1"})["check"] == "recovery-1"


@pytest.mark.parametrize("key", ["xfail", "known_gap"])
@pytest.mark.parametrize("counted", [{}, {"expected_failures": 1}])
def test_expected_failures_are_counted_in_findings_of_any_release(key: str, counted: dict[str, int]) -> None:
    """Those that failed; not one that held, nor one that nobody expected."""
    rows: list[tuple[str, str | None]] = [("FAIL", "burned"), ("PASS", "luck"), ("FAIL", None)]
    findings = [{"verdict": verdict, key: why} for verdict, why in rows]
    assert older.expected_failures({"findings": findings, **counted}) == 1
    assert [older.xfail(f) for f in findings] == ["burned", "luck", ""]
