"""`chaos trend`: each measure of an experiment over its runs, and whether it got worse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaos.cli.options import TARGETS, runs_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.history import Past
    from chaos.trend.series import Run

NEWEST, BEFORE = 5, 20  # runs that are held against the baseline, and of the baseline, unless somebody says


@click.command(
    "trend",
    epilog="Examples: chaos trend zone-fire · chaos trend zone-fire --measure 'rto_s.*' --newest 3 · "
    "chaos trend node-kill --baseline downloaded/runs · chaos trend node-kill --flaky",
)
@click.argument("experiment")
@click.option("--measure", "measures", multiple=True, metavar="PATTERN",
              help="Of these measures, e.g. 'rto_s.*' (repeatable). Default: what users met.")  # fmt: skip
@click.option("--baseline", multiple=True, metavar="RUNS",
              help="Runs to hold the others against: a run's name or folder, or another folder of runs (repeatable). "
              f"Default: the {BEFORE} before the newest.")  # fmt: skip
@click.option("--newest", type=click.IntRange(1), default=NEWEST, show_default=True, help="Runs held against them.")
@click.option("--target", type=click.Choice(TARGETS), help="Of this target. Default: the newest run's.")
@click.option("--posture", help="Of this posture. Default: the newest run's.")
@click.option("--flaky", is_flag=True, help="Instead: how much runs of the same seed differ.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@runs_option
def trend_command(
    experiment: str,
    measures: tuple[str, ...],
    baseline: tuple[str, ...],
    newest: int,
    target: str | None,
    posture: str | None,
    flaky: bool,
    as_json: bool,
    runs: Path,
) -> int:
    """Hold the newest runs of an experiment against a baseline: exit 1 if a measure got worse, by a stated test.

    Only runs of one kind are compared: same target, posture, knobs and form. With --flaky, runs of the same seed are
    held against each other: exit 1 if their verdicts differ (`chaos suite NAME --repeat 10` makes such runs).
    """
    from chaos.store import pretty
    from chaos.trend import series, words

    found = [r for r in _runs(runs, experiment, target or "") if posture in (None, r.kind.split(",")[0].split()[1])]
    if not found:
        raise BadExperiment(f"no judged run of {experiment!r} in {runs}/{_asked(target, posture)}; "
                            "`chaos list --runs` says which there are")  # fmt: skip
    if flaky:
        groups = series.flakiness(found, measures)
        if not groups:
            raise BadExperiment(f"no two runs of {experiment!r} have one seed and one kind; make some with "
                                "`chaos suite NAME --repeat 10`")  # fmt: skip
        said = pretty(words.flaky_document(experiment, groups)).decode() if as_json else words.flaky(experiment, groups)
        click.echo(said, nl=False)
        return 1 if any(len(one.verdicts) > 1 for one in groups) else 0
    older, newer, note = _sides(found, runs, experiment, baseline, newest)
    trends = series.trends(older, newer, measures)
    if not trends:
        known = ", ".join(sorted({name.split(".")[0] for run in found for name in run.measures}))
        raise BadExperiment(f"--measure {' '.join(measures)}: no such measure; expected patterns of {known}, "
                            "e.g. 'rto_s.*'")  # fmt: skip
    if as_json:
        click.echo(pretty(words.document(experiment, older, newer, trends)).decode(), nl=False)
    else:
        click.echo(words.render(experiment, older, newer, trends, note), nl=False)
    return 1 if any(t.regressed for t in trends) else 0


def _sides(
    found: Sequence[Run], runs: Path, experiment: str, baseline: Sequence[str], newest: int
) -> tuple[list[Run], list[Run], str]:
    """Baseline and newer, the oldest first, and what was left out in words. Raises BadExperiment."""
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
            "more, ask for fewer with --newest, or name others with --baseline"
        )
    others = sum(run.kind != kind for run in found)
    return older, newer, f"{others} runs of another kind are left out" if others else ""


def _named(name: str, runs: Path, experiment: str) -> list[Run]:
    """A folder of runs, or one run."""
    from chaos.store import find

    place = Path(name)
    if place.is_dir() and not (place / "plan.json").exists():
        found = _runs(place, experiment, "")
        if not found:
            raise BadExperiment(f"--baseline {name}: no judged run of {experiment!r} in this folder")
        return found
    run = find(runs, name).resolve()
    hit = [one for one in _runs(run.parents[1], experiment, "") if Path(one.path).resolve() == run]
    if not hit:
        raise BadExperiment(f"--baseline {name}: {run} is not a judged run of {experiment!r}")
    return hit


def _runs(folder: Path, experiment: str, target: str) -> list[Run]:
    """The judged runs of an experiment in a folder of runs, the oldest first."""
    from chaos.history import RUNNING, UNJUDGED, History
    from chaos.trend.series import Run

    with History(folder) as history:
        past = [p for p in history.runs(experiment, target=target) if p.verdict not in (RUNNING, UNJUDGED)]
        return [
            Run(str(folder / p.path), p.when, p.seed, _kind(folder, p), p.verdict, history.measures(p))
            for p in reversed(past)
        ]


def _kind(folder: Path, past: Past) -> str:
    """`process remedied short, boot_lanes=8`: what two runs must share to be compared."""
    import msgspec

    plan: dict[str, Any] = msgspec.json.decode((folder / past.path / "plan.json").read_bytes())
    settings = {k: v for k, v in (plan.get("settings") or {}).items() if k not in ("posture", "short")}
    form = " ".join([past.target, past.posture or "-", *(["short"] if past.short else [])])
    form += " leashed" if plan.get("leashed") else ""
    load = plan.get("load") or {}
    knobs = [f"{k}={_value(v)}" for k, v in sorted(settings.items())] + [f"{load.get('rate', 0):g}/s"]
    return f"{form}, {' '.join(knobs)}"


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _asked(target: str | None, posture: str | None) -> str:
    words = [*([f"target {target}"] if target else []), *([f"posture {posture}"] if posture else [])]
    return f" with {' and '.join(words)}" if words else ""
