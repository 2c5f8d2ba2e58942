"""`chaos gc`: removes old runs, but never active ones."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import runs_option
from chaos.errors import BadExperiment, ChaosError

if TYPE_CHECKING:
    from chaos.record.history import Past

FRESH = timedelta(hours=1)  # on a disk without locks, a younger run without a verdict may be active
OLDEST = 100 * 365 * 86400  # seconds
UNITS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.command("gc", epilog="Examples: chaos gc --keep 20 · chaos gc --keep 5 --newer 30d --yes")
@click.option("--keep", type=click.IntRange(0), help="Keep the newest N runs of each experiment.")
@click.option("--newer", metavar="AGE", help="Keep runs newer than this, e.g. 12h, 30d or 4w.")
@click.option("--yes", is_flag=True, help="Remove the runs. Without it they are only listed.")
@runs_option
def gc_command(keep: int | None, newer: str | None, yes: bool, runs: Path) -> int:
    """List old runs that can be removed; with --yes, remove them. A run stays if any of the options keeps it.

    How old a run is, and which are the newest, is read from its name: the time of day of this machine when it began.
    Where that clock was set back between two runs, the later one counts as the older: read the list before --yes.

    Active runs are never removed, and neither are runs whose name lies in the future: their age is unknown, and they
    do not count for --keep. Links and folders that are not runs are ignored.
    """
    from chaos.record.history import History

    if keep is None and newer is None:
        raise click.UsageError("say what is to be kept: --keep N, --newer AGE, or both")
    now = datetime.now(UTC)
    oldest = None if newer is None else now - age(newer)
    with History(runs) as history:
        found = [run for run in history.runs() if (runs / run.path).resolve() == runs.resolve() / run.path]
    going = old(found, keep, oldest, now)
    for run in found:
        if (began := _began(run)) and began > now:
            click.echo(f"kept, its name lies in the future: {runs / run.path}")
    freed = 0
    for run in going:
        size = _size(runs / run.path)
        if yes and not _remove(runs / run.path):
            click.echo(f"kept, it is running: {runs / run.path}")
            continue
        freed += size
        click.echo(f"{'removed' if yes else 'would remove'}: {runs / run.path}  {run.verdict}  {size / 1e6:.1f} MB")
    if not going:
        click.echo(f"nothing to remove in {runs}/")
    elif yes:
        click.echo(f"{freed / 1e6:.1f} MB freed")
        with History(runs):  # it forgets them
            pass
    else:
        click.echo(f"{len(going)} runs, {freed / 1e6:.1f} MB; the same command with --yes removes them")
    return 0


def age(text: str) -> timedelta:
    """A duration such as `30d`. Raises BadExperiment."""
    if m := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(min|h|d|w)", text.strip(), re.ASCII):
        if (seconds := float(m[1]) * UNITS[m[2]]) > OLDEST:
            raise BadExperiment(f"--newer {text}: found more than 100 years, expected less: no run is older")
        return timedelta(seconds=seconds)
    raise BadExperiment(f"--newer {text}: not an age; expected something like 12h, 30d or 4w")


def old(runs: Sequence[Past], keep: int | None, newer_than: datetime | None, now: datetime) -> list[Past]:
    """The runs that no option keeps; `runs` has the newest first."""
    from chaos.record.history import RUNNING, UNJUDGED

    seen: Counter[str] = Counter()
    going = []
    for run in runs:
        began = _began(run)
        if began is None or began > now:  # a folder that was renamed, or a clock that was wrong
            continue
        seen[run.experiment] += 1
        kept = run.verdict == RUNNING or (run.verdict == UNJUDGED and began > now - FRESH)
        kept |= keep is not None and seen[run.experiment] <= keep
        kept |= newer_than is not None and began > newer_than
        if not kept:
            going.append(run)
    return going


def _began(run: Past) -> datetime | None:
    try:
        return datetime.strptime(run.name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _size(run: Path) -> int:
    return sum(f.lstat().st_size for f in run.rglob("*") if not f.is_dir() or f.is_symlink())


def _remove(run: Path) -> bool:
    """Remove a run; False if it is in use. Raises ChaosError."""
    from chaos.record.store import held

    try:
        with held(run, wait=False) as ours:
            if not ours:
                return False
            shutil.rmtree(run)
        if not any(run.parent.iterdir()):
            run.parent.rmdir()
    except OSError as e:
        raise ChaosError(f"{run}: cannot be removed ({e.strerror or e}); does it belong to another user?") from None
    return True
