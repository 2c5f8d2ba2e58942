"""Selects the runs of a trend: runs of one kind, the newest ones and a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos import jsonfile
from chaos.errors import BadExperiment
from chaos.record.history import RUNNING, UNJUDGED, History, Past
from chaos.record.store import find
from chaos.report.trend.series import Run

BEFORE = 20  # runs of the baseline, by default


def sides(
    found: Sequence[Run], runs: Path, experiment: str, baseline: Sequence[str], newest: int
) -> tuple[list[Run], list[Run], str]:
    """Baseline and newer runs, the oldest first, and a message about those left out. Raises BadExperiment."""
    kind = found[-1].kind
    named = [run for name in baseline for run in _named(name, runs, experiment)]
    strangers = sorted({run.path for run in named if run.kind != kind})
    if strangers and baseline:
        other = next(run for run in named if run.kind != kind)
        raise BadExperiment(f"--baseline: {other.path} is {other.kind}, the newest run is {kind}; expected runs of one "
                            "kind (choose with --target and --posture)")  # fmt: skip
    paths = {run.path for run in named}
    alike = [run for run in found if run.kind == kind and run.path not in paths]
    newer = alike[-newest:]
    older = named if baseline else alike[: len(alike) - len(newer)][-BEFORE:]
    if not older or not newer:
        raise BadExperiment(
            f"{len(alike)} runs of {experiment!r} are {kind}: too few for {newest} newer ones and a baseline; play "
            "more, reduce --newest, or name others with --baseline"
        )
    others = sum(run.kind != kind for run in found)
    return older, newer, f"{others} runs of another kind are left out" if others else ""


def _named(name: str, runs: Path, experiment: str) -> list[Run]:
    """The runs of a folder, or one run."""
    place = Path(name)
    if place.is_dir() and not (place / "plan.json").exists():
        found = judged(place, experiment, "")
        if not found:
            raise BadExperiment(f"--baseline {name}: no judged run of {experiment!r} in this folder")
        return found
    run = find(runs, name).resolve()
    hit = [one for one in judged(run.parents[1], experiment, "") if Path(one.path).resolve() == run]
    if not hit:
        raise BadExperiment(f"--baseline {name}: {run} is not a judged run of {experiment!r}")
    return hit


def judged(folder: Path, experiment: str, target: str, posture: str | None = None) -> list[Run]:
    """The judged runs of an experiment in a folder of runs, the oldest first. `posture` None: any."""
    with History(folder) as history:
        past = [p for p in history.runs(experiment, target=target) if p.verdict not in (RUNNING, UNJUDGED)]
        past = [p for p in past if posture in (None, p.posture or "-")]
        return [
            Run(str(folder / p.path), p.when, p.seed, _kind(folder, p), p.verdict, history.measures(p))
            for p in reversed(past)
        ]


def _kind(folder: Path, past: Past) -> str:
    """`process remedied short, boot_lanes=8`: what two runs must have in common to be compared."""
    plan = jsonfile.mapping(folder / past.path / "plan.json")  # of any version, or not a plan at all
    settings = {k: v for k, v in _inner(plan, "settings").items() if k not in ("posture", "short")}
    form = " ".join([past.target, past.posture or "-", *(["short"] if past.short else [])])
    form += " no-faults" if plan.get("no_faults") or plan.get("leashed") else ""
    knobs = [f"{k}={_value(v)}" for k, v in sorted(settings.items())] + [f"{_inner(plan, 'load').get('rate', 0)}/s"]
    return f"{form}, {' '.join(knobs)}"


def _inner(plan: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = plan.get(key)
    return found if isinstance(found, Mapping) else {}


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
