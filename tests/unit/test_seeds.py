"""Dossiers: every fact has a source and a confidence, every target a use, and what set a run cannot judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos import seeds
from chaos.checkers.incident import Incident
from chaos.dossier import RECORD, Dossier, Fact
from chaos.errors import BadExperiment

ROOT = Path(__file__).parents[2]
FILE = Path("seeds/made-up.yaml")


def doc(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": "made-up",
        "title": "Something happened",
        "when": {"onset": "2022-01-01T00:00Z", "outage_hours": 10.0},
        "seeds": ["a.txt"],
        "from_the_seeds": {"users": {"all": 5}},
        "timeline_public": [
            {"t": [2, 3], "what": "back", "confidence": "H", "source": "somebody's report"},
            {"t": 1, "what": "gone", "confidence": "L"},
        ],
        "targets": {
            "back": {"value": 0.2, "use": "predict"},
            "speed": {"value": 9, "use": "calibrate", "sets": "rate"},
        },
    }
    return made | changes


def problems(found: dict[str, Any]) -> list[str]:
    with pytest.raises(BadExperiment) as e:
        seeds.check(FILE, found)
    return list(e.value.problems)


@pytest.mark.parametrize("name", seeds.names(ROOT))
def test_every_dossier_of_this_project_is_whole(name: str) -> None:
    """Read without a problem; every fact has a source and one of the three confidences."""
    found = seeds.read(seeds.path(ROOT, name))
    assert found.id == name and found.targets and found.seeds
    assert {(bool(f.source), f.confidence in "HML") for _, f in found.facts()} == {(True, True)}
    assert all(source and sure in ("H", "M", "L") for _, _, source, sure in found.figures())


def test_what_set_a_run_says_so_and_is_calibrate() -> None:
    """Every knob of the fire that was set from a fact is named, and none of those facts is a prediction."""
    found = seeds.read(seeds.path(ROOT, "kakao-2022-10-15"))
    setting = {name for name, t in found.targets.items() if t.sets}
    assert setting == {name for name, t in found.targets.items() if t.use == "calibrate"}


def test_facts_come_in_order_with_their_sources() -> None:
    """By time; the public record where none is named, the articles' confidence where a section has none."""
    found: Dossier = seeds.check(FILE, doc())
    assert list(found.facts()) == [
        ("timeline_public", Fact(what="gone", confidence="L", t=1, source=RECORD)),
        ("timeline_public", Fact(what="back", confidence="H", t=(2, 3), source="somebody's report")),
    ]
    assert list(found.figures()) == [("users all", "5", "founding articles (1)", "M")]


def entry(section: str, **change: Any) -> Callable[[], dict[str, Any]]:
    return lambda: doc(**{section: [{**doc()["timeline_public"][1], **change}]})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: doc(timline_public=[]), "unknown field 'timline_public'; did you mean 'timeline_public'?"),
        (entry("causes_public", confidence="X"), "causes_public[0]: found 'X', expected one of H (official"),
        (lambda: doc(causes_public=[{"what": "x"}]), "causes_public[0]: no confidence, expected one of H"),
        (entry("public", source=""), "public[0]: an empty source; name the outlet"),
        (entry("public", sourc="me"), "public[0]: unknown field 'sourc'; did you mean 'source'?"),
        (entry("public", **{"so text was late": None}), "a text with a comma in it must stand in quotes"),
        (lambda: doc(timeline_public=[{"what": "x", "confidence": "H"}]), "timeline_public[0]: no `t`; expected hours"),
        (lambda: doc(targets={"x": {"value": 1}}), "targets.x: no use, expected one of predict (must come out"),
        (lambda: doc(targets={"x": {"value": 1, "use": "guess"}}), "targets.x: found use 'guess', expected one of"),
        (lambda: doc(targets={"x": {"use": "predict"}}), "targets.x: nothing to compare with, or too much"),
        (
            lambda: doc(targets={"x": {"value": 1, "use": "predict", "sets": "plant.boot"}}),
            "targets.x: it sets plant.boot, so a run shows nothing by meeting it: found use 'predict', expected calib",
        ),
        (lambda: doc(id="other"), "id: found 'other', expected the file's own name, 'made-up'"),
        (lambda: doc(seeds=[]), "so what stands in from_the_seeds has no source"),
        (lambda: doc(optimism={"said": 1}), "optimism: no confidence; write `confidence: {optimism: M}`"),
        (lambda: doc(confidence={"optimsm": "M"}), "confidence.optimsm: no such section"),
        (
            lambda: doc(counterfactuals=[{"knobs": {"a": 1}, "expect": "x", "target": "bak", "value": 1}]),
            "counterfactuals[0].target: no target called 'bak'; did you mean 'back'?",
        ),
        (lambda: doc(when={"onset": "x", "outage_hours": "long"}), "when: Expected"),
    ],
)
def test_a_dossier_with_a_hole_is_refused(made: Callable[[], dict[str, Any]], says: str) -> None:
    """File, place, what was found, what was expected."""
    found = problems(made())
    assert len(found) == 1 and found[0].startswith(f"{FILE}: ") and says in found[0], found


def test_all_problems_are_said_at_once() -> None:
    """One reading mends the file."""
    assert len(problems(doc(targets={"x": {"value": 1}, "y": {"use": "control"}}, causes_public=[{"what": "x"}]))) == 3


def test_an_incident_nobody_knows_is_named_with_the_nearest(tmp_path: Path) -> None:
    """A beginning is enough for a question."""
    with pytest.raises(BadExperiment, match="did you mean 'kakao-2022-10-15'"):
        seeds.path(ROOT, "kakao")
    with pytest.raises(BadExperiment, match="known: none"):
        seeds.path(tmp_path, "kakao")


TARGETS = {"targets": {"speed": {"value": 9, "use": "calibrate"}, "back": {"value": 0.2, "use": "predict"}}}


@pytest.mark.parametrize(
    ("check", "facts", "says"),
    [
        (Incident(("predict", "calibrate")), TARGETS, "found calibrate, expected predict or control: a run is set by "),
        (Incident(("predct",)), TARGETS, "found 'predct', expected predict or control"),
        (Incident(reproduced=("bak",)), TARGETS, "the dossier has no target 'bak'; known: back, speed"),
        (Incident(), {}, "the experiment names no incident with targets"),
    ],
)
def test_no_plan_judges_a_run_by_what_set_it(check: Incident, facts: dict[str, Any], says: str) -> None:
    """A calibrate target in a check is refused with the targets' names."""
    (found,) = check.refused(facts)
    assert says in found


def test_a_check_on_predictions_and_controls_is_accepted() -> None:
    """The default."""
    assert list(Incident(reproduced=("back",)).refused(TARGETS)) == []
