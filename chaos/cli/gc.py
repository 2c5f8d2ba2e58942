"""`chaos gc`: old runs go, what is wanted stays, what goes on is never touched."""

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
    from chaos.history import Past

FRESH = timedelta(hours=1)  # an unjudged run that is younger may be somebody's on a disk that keeps no locks
UNITS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.command("gc", epilog="Examples: chaos gc --keep 20 · chaos gc --keep 5 --newer 30d --yes")
@click.option("--keep", type=click.IntRange(0), help="Keep so many of each experiment, the newest.")
@click.option("--newer", metavar="AGE", help="Keep what is newer, e.g. 12h, 30d or 4w.")
@click.option("--yes", is_flag=True, help="Remove them. Without it, it is only said what would go.")
@runs_option
def gc_command(keep: int | None, newer: str | None, yes: bool, runs: Path) -> int:
    """Say which runs may go, and with --yes remove them. A run stays if any of the options keeps it.

    A run that goes on is never removed, and a folder that is no run is not looked at.
    """
    from chaos.history import History

    if keep is None and newer is None:
        raise click.UsageError("say what is to be kept: --keep N, --newer AGE, or both")
    oldest = None if newer is None else datetime.now(UTC) - age(newer)
    with History(runs) as history:
        going = old(history.runs(), keep, oldest, datetime.now(UTC))
    freed = 0
    for run in going:
        size = _size(runs / run.path)
        if yes and not _remove(runs / run.path):
            click.echo(f"stays, it goes on: {runs / run.path}")
            continue
        freed += size
        click.echo(f"{'removed' if yes else 'would go'}: {runs / run.path}  {run.verdict}  {size / 1e6:.1f} MB")
    if not going:
        click.echo(f"nothing in {runs}/ is to go")
    elif yes:
        click.echo(f"{freed / 1e6:.1f} MB are free again")
        with History(runs):  # it forgets them
            pass
    else:
        click.echo(f"{len(going)} runs, {freed / 1e6:.1f} MB; the same command with --yes removes them")
    return 0


def age(text: str) -> timedelta:
    """`30d` and the like. Raises BadExperiment."""
    if m := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(min|h|d|w)", text.strip()):
        return timedelta(seconds=float(m[1]) * UNITS[m[2]])
    raise BadExperiment(f"--newer {text}: not an age; expected something like 12h, 30d or 4w")


def old(runs: Sequence[Past], keep: int | None, newer_than: datetime | None, now: datetime) -> list[Past]:
    """Those that no option keeps, of `runs` with the newest first."""
    from chaos.history import RUNNING, UNJUDGED

    seen: Counter[str] = Counter()
    going = []
    for run in runs:
        began = _began(run)
        if began is None:  # a folder that somebody named is somebody's
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
    """False if somebody has it. A link in its place is no run of ours. Raises ChaosError."""
    from chaos.store import held

    try:
        with held(run, wait=False) as ours:
            if not ours or run.is_symlink():
                return False
            shutil.rmtree(run)
        if not any(run.parent.iterdir()):
            run.parent.rmdir()
    except OSError as e:
        raise ChaosError(f"{run}: cannot be removed ({e.strerror or e}); is it somebody else's?") from None
    return True
