"""`chaos watch`: follows a run from another terminal, by reading its files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos import jsonfile, safe
from chaos.cli.options import runs_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.observe.live.follow import Follow


@click.command("watch", epilog="Examples: chaos watch · chaos watch zone-fire · chaos watch --plain | tee watched.txt")
@click.argument("run", required=False)
@click.option("--plain", is_flag=True, help="Print lines instead of the live view, even on a terminal.")
@runs_option
def watch_command(run: str | None, plain: bool, runs: Path) -> None:
    """Follow a run from another terminal, given its folder or name. Default: the newest active run.

    It ends when the run ends. Ctrl-C stops watching; the run continues.
    """
    from contextlib import closing

    from chaos.observe.live import view
    from chaos.observe.live.follow import Follow
    from chaos.record.store import find, running

    folder = find(runs, run) if run else newest(runs)
    with closing(Follow(folder)) as follow:
        try:
            if view.wanted(sys.stdout, plain) and running(folder):
                _draw(follow)
            else:
                for line in lines(follow):
                    click.echo(safe.line(line))
        except KeyboardInterrupt:
            click.echo(f"no longer watching {folder}; the run continues", err=True)
            return
    click.echo(_outcome(folder))


def newest(runs: Path) -> Path:
    """The active run that started last. Raises BadExperiment."""
    from chaos.record.store import every, running

    known = sorted(every(runs), key=lambda r: r.name)
    for folder in reversed(known):
        if running(folder):
            return folder
    last = f"the last was {known[-1]}, see `chaos show last`" if known else f"there is no run in {runs}/"
    raise BadExperiment(f"no active run in {runs}/; {last}; for runs in another folder: `chaos watch --runs DIR`")


def _draw(follow: Follow) -> None:
    from chaos.observe.live.view import draw, screened

    with screened(sys.stdout) as (console, screen):
        while True:
            over = _over(follow)
            pause = draw(follow, console, screen)
            if over:
                return
            time.sleep(pause)


def lines(follow: Follow) -> Iterator[str]:
    """The journal as lines, from the start of the run until its end."""
    from chaos.observe.live.view import EVERY
    from chaos.observe.live.words import words

    while True:
        over = _over(follow)
        for event in follow.look():
            if text := words(event):
                stamp = f"t{event.t:+.1f} s" if follow.live.on_timeline else f"{event.t:.1f} s"
                yield f"[{stamp:>9}] {text}"
        if over:
            return
        time.sleep(EVERY)


def _over(follow: Follow) -> bool:
    """Whether the run has ended. Called before the files are read, so that the last lines are read, too."""
    from chaos.record.store import running

    return not running(follow.folder)


def _outcome(folder: Path) -> str:
    from chaos.model import badge
    from chaos.record import older

    found = jsonfile.mapping(folder / "findings.json")
    if "verdict" not in found:
        return f"{folder}: ended without a verdict, its harness was killed; `chaos check {folder}` judges what there is"
    return f"{badge(str(found['verdict']), older.expected_failures(found))}  {folder}/report.html"
