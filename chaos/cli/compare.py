"""`chaos compare`: runs beside each other, from their files alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import runs_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.comparison import Document


@click.command(
    "compare",
    epilog="Examples: chaos compare runs/zone-fire/20261121T090000Z-s7 last · "
    "chaos compare RUN RUN RUN --html knobs.html",
)
@click.argument("names", metavar="RUN RUN...", nargs=-1)
@runs_option
@click.option("--html", type=click.Path(path_type=Path), help="Write it as one page with plots, too.")
@click.option("--json", "as_json", is_flag=True, help="The comparison for programs.")
@click.option("--anyway", is_flag=True, help="Also runs of other experiments or loads, whose difference shows no knob.")
def compare_command(names: tuple[str, ...], runs: Path, html: Path | None, as_json: bool, anyway: bool) -> int:
    """Say who was hurt, what was lost and how long it took in each run, and what each knob did.

    The first run is what the others are held against. Nothing but the runs' files is read.
    """
    from chaos.store import find

    folders = [find(runs, name).resolve() for name in names]
    if twice := sorted({str(f) for f in folders if folders.count(f) > 1}):
        raise BadExperiment(*(f"{f} is named twice; expected different runs" for f in twice))
    show(compared(folders, anyway), html, as_json)
    return 0


def compared(folders: Sequence[Path], anyway: bool = False) -> Document:
    """The comparison of the runs in these folders. Raises BadExperiment, and ChaosError for what is no run's folder."""
    from chaos.comparison import Arm, document
    from chaos.journal import Journal
    from chaos.judge import judge
    from chaos.reports import label

    journals = [(Journal.load(folder), label(folder)) for folder in folders]
    return document([Arm(journal, judge(journal, name)) for journal, name in journals], anyway)


def show(doc: Document, html: Path | None, as_json: bool) -> None:
    """Print a comparison, and write its page where one is wanted."""
    from chaos.comparison import page, terminal
    from chaos.store import pretty, write

    if html is not None:
        write(html, page.render(doc).encode())
    click.echo(pretty(doc).decode() if as_json else terminal.render(doc, color=sys.stdout.isatty()), nl=False)
    if html is not None:
        click.echo(f"Page    {html}", err=as_json)
