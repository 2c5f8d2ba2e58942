"""Dossiers: every fact has a source and a confidence, every target a use, and what set a run cannot judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import BadExperiment
from chaos.incidents import file as dossiers
from chaos.incidents.checkers.incident import Incident
from chaos.incidents.dossier import RECORD, Dossier, Fact
from tests.messages import Says

ROOT = Path(__file__).parents[3]
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
        dossiers.check(FILE, found)
    return list(e.value.problems)


@pytest.mark.parametrize("name", dossiers.names(ROOT))
def test_every_dossier_of_this_project_is_whole(name: str) -> None:
    """Read without a problem; every fact has a source and one of the three confidences."""
    found = dossiers.read(dossiers.path(ROOT, name))
    assert found.id == name and found.targets and found.seeds
    assert {(bool(f.source), f.confidence in "HML") for _, f in found.facts()} == {(True, True)}
    assert all(source and sure in ("H", "M", "L") for _, _, source, sure in found.figures())


def test_what_set_a_run_says_so_and_is_calibrate() -> None:
    """Every knob of the fire that was set from a fact is named, and none of those facts is a prediction."""
    found = dossiers.read(dossiers.path(ROOT, "kakao-2022-10-15"))
    setting = {name for name, t in found.targets.items() if t.sets}
    assert setting == {name for name, t in found.targets.items() if t.use == "calibrate"}


def test_facts_come_in_order_with_their_sources() -> None:
    """By time; the public record where none is named, the articles' confidence where a section has none."""
    found: Dossier = dossiers.check(FILE, doc())
    assert list(found.facts()) == [
        ("timeline_public", Fact(what="gone", confidence="L", t=1, source=RECORD)),
        ("timeline_public", Fact(what="back", confidence="H", t=(2, 3), source="somebody's report")),
    ]
    assert list(found.figures()) == [("users all", "5", "founding articles (1)", "M")]


def entry(section: str, **change: Any) -> Callable[[], dict[str, Any]]:
    return lambda: doc(**{section: [{**doc()["timeline_public"][1], **change}]})


HOLES: dict[str, Callable[[], dict[str, Any]]] = {
    "an unknown section": lambda: doc(timline_public=[]),
    "a confidence that is none": entry("causes_public", confidence="X"),
    "no confidence": lambda: doc(causes_public=[{"what": "x"}]),
    "an empty source": entry("public", source=""),
    "an unknown field": entry("public", sourc="me"),
    "a comma outside of quotes": entry("public", **{"so text was late": None}),
    "no time": lambda: doc(timeline_public=[{"what": "x", "confidence": "H"}]),
    "no use": lambda: doc(targets={"x": {"value": 1}}),
    "a use that is none": lambda: doc(targets={"x": {"value": 1, "use": "guess"}}),
    "nothing to compare with": lambda: doc(targets={"x": {"use": "predict"}}),
    "a prediction that sets a knob": lambda: doc(targets={"x": {"value": 1, "use": "predict", "sets": "plant.boot"}}),
    "another id": lambda: doc(id="other"),
    "no article": lambda: doc(seeds=[]),
    "a section without confidence": lambda: doc(optimism={"said": 1}),
    "confidence for no section": lambda: doc(confidence={"optimsm": "M"}),
    "a target that is not there": lambda: doc(
        counterfactuals=[{"knobs": {"a": 1}, "expect": "x", "target": "bak", "value": 1}]
    ),
    "a text for a number": lambda: doc(when={"onset": "x", "outage_hours": "long"}),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_dossier_with_a_hole_is_refused(hole: str, says: Says) -> None:
    """File, place, what was found, what was expected."""
    found = problems(HOLES[hole]())
    assert len(found) == 1 and found[0].startswith(f"{FILE}: ")
    says(found[0])


def test_all_problems_are_said_at_once() -> None:
    """One reading mends the file."""
    assert len(problems(doc(targets={"x": {"value": 1}, "y": {"use": "control"}}, causes_public=[{"what": "x"}]))) == 3


def test_an_incident_nobody_knows_is_named_with_the_nearest(tmp_path: Path, says: Says) -> None:
    """A beginning is enough for a question."""
    with says.raises(BadExperiment):
        dossiers.path(ROOT, "kakao")
    with says.raises(BadExperiment):
        dossiers.path(tmp_path, "kakao")


TARGETS = {"targets": {"speed": {"value": 9, "use": "calibrate"}, "back": {"value": 0.2, "use": "predict"}}}


@pytest.mark.parametrize(
    ("check", "facts"),
    [
        (Incident(("predict", "calibrate")), TARGETS),
        (Incident(("predct",)), TARGETS),
        (Incident(reproduced=("bak",)), TARGETS),
        (Incident(), {}),
    ],
    ids=str,
)
def test_no_plan_judges_a_run_by_what_set_it(check: Incident, facts: dict[str, Any], says: Says) -> None:
    """A calibrate target in a check is refused with the targets' names."""
    (found,) = check.refused({"incident": facts})
    says(found)


def test_a_check_on_predictions_and_controls_is_accepted() -> None:
    """The default."""
    assert list(Incident(reproduced=("back",)).refused({"incident": TARGETS})) == []
