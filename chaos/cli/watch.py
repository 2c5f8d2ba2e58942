"""`chaos watch`: a run that goes on elsewhere, seen from here. It reads the run's files and touches nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import runs_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.live.follow import Follow


@click.command("watch", epilog="Examples: chaos watch · chaos watch zone-fire · chaos watch --plain | tee watched.txt")
@click.argument("run", required=False)
@click.option("--plain", is_flag=True, help="Lines instead of the live view, on a terminal too.")
@runs_option
def watch_command(run: str | None, plain: bool, runs: Path) -> None:
    """Follow a run from another terminal: its folder or name; without one, the newest that runs now.

    Ends when the run ends. Ctrl-C ends the watching only, the run goes on.
    """
    from contextlib import closing

    from chaos.cli import view
    from chaos.live.follow import Follow
    from chaos.store import find, running

    folder = find(runs, run) if run else newest(runs)
    with closing(Follow(folder)) as follow:
        try:
            if view.wanted(sys.stdout, plain) and running(folder):
                _draw(follow)
            else:
                for line in lines(follow):
                    click.echo(line)
        except KeyboardInterrupt:
            click.echo(f"no longer watching {folder}; it goes on by itself", err=True)
            return
    click.echo(_outcome(folder))


def newest(runs: Path) -> Path:
    """The run that began last of those that go on now. Raises BadExperiment."""
    from chaos.store import every, running

    known = sorted(every(runs), key=lambda r: r.name)
    for folder in reversed(known):
        if running(folder):
            return folder
    last = f"the last was {known[-1]}, see `chaos show last`" if known else f"there has been none in {runs}/"
    raise BadExperiment(f"no run goes on in {runs}/; {last}; runs elsewhere: `chaos watch --runs DIR`")


def _draw(follow: Follow) -> None:
    from chaos.cli.view import draw, screened

    with screened(sys.stdout) as (console, screen):
        while True:
            over = _over(follow)
            pause = draw(follow, console, screen)
            if over:
                return
            time.sleep(pause)


def lines(follow: Follow) -> Iterator[str]:
    """What the journal says, line by line as it comes, from the run's beginning on. Ends when the run has."""
    from chaos.cli.view import EVERY
    from chaos.live.words import words

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
    """Asked before the files are read, so that what was written last is read too."""
    from chaos.store import running

    return not running(follow.folder)


def _outcome(folder: Path) -> str:
    import msgspec

    try:
        found = msgspec.json.decode((folder / "findings.json").read_bytes())
    except (OSError, msgspec.MsgspecError):
        return f"{folder}: ended without a verdict, its harness was killed; `chaos check {folder}` judges what there is"
    return f"{found['verdict']}  {folder}/report.html"
