"""`chaos trend`: shows each measure of an experiment across its runs, and whether it got worse."""

from __future__ import annotations

from pathlib import Path

import click

from chaos.cli.options import TARGETS, runs_option
from chaos.errors import BadExperiment
from chaos.report.trend.choice import BEFORE

NEWEST = 5  # runs compared with the baseline, by default


@click.command(
    "trend",
    epilog="Examples: chaos trend zone-fire · chaos trend zone-fire --measure 'rto_s.*' --newest 3 · "
    "chaos trend node-kill --baseline downloaded/runs · chaos trend node-kill --flaky",
)
@click.argument("experiment")
@click.option("--measure", "measures", multiple=True, metavar="PATTERN",
              help="Measures to compare, e.g. 'rto_s.*' (repeatable). Default: what users experienced.")  # fmt: skip
@click.option("--baseline", multiple=True, metavar="RUNS",
              help="Runs to compare with: a run's name or folder, or another folder of runs (repeatable). "
              f"Default: the {BEFORE} before the newest.")  # fmt: skip
@click.option(
    "--newest",
    type=click.IntRange(1),
    default=NEWEST,
    show_default=True,
    help="How many of the newest runs to compare.",
)
@click.option("--target", type=click.Choice(TARGETS), help="Of this target. Default: the newest run's.")
@click.option("--posture", help="Of this posture. Default: the newest run's.")
@click.option("--flaky", is_flag=True, help="Show how much runs with the same seed differ instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    """Compare the newest runs of an experiment with a baseline. Exit 1 if a measure got worse, by a stated test.

    Only runs of one kind are compared: same target, posture, knobs and form. With --flaky, runs with the same seed are
    compared with each other: exit 1 if their verdicts differ (`chaos suite NAME --repeat 10` makes such runs).
    """
    from chaos.record.store import pretty
    from chaos.report.trend import choice, series, words

    found = choice.judged(runs, experiment, target or "", posture)
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
    older, newer, note = choice.sides(found, runs, experiment, baseline, newest)
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


def _asked(target: str | None, posture: str | None) -> str:
    words = [*([f"target {target}"] if target else []), *([f"posture {posture}"] if posture else [])]
    return f" with {' and '.join(words)}" if words else ""
