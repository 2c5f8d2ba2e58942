"""`chaos compare`: compares runs, using only their files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import runs_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.report.comparison import Document


@click.command(
    "compare",
    epilog="Examples: chaos compare runs/zone-fire/20261121T090000Z-s7 last · "
    "chaos compare RUN RUN RUN --html knobs.html",
)
@click.argument("names", metavar="RUN RUN...", nargs=-1)
@runs_option
@click.option("--html", type=click.Path(path_type=Path), help="Also write the comparison as one page with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option("--anyway", is_flag=True, help="Also compare runs of different experiments or loads.")
def compare_command(names: tuple[str, ...], runs: Path, html: Path | None, as_json: bool, anyway: bool) -> int:
    """Compare runs: who was affected, what was lost, how long it took, and what each knob changed.

    The first run is the reference for the others. Only the runs' files are read.
    """
    from chaos.record.store import find

    folders = [find(runs, name).resolve() for name in names]
    if twice := sorted({str(f) for f in folders if folders.count(f) > 1}):
        raise BadExperiment(*(f"{f} is given twice; expected different runs" for f in twice))
    show(compared(folders, anyway), html, as_json)
    return 0


def compared(folders: Sequence[Path], anyway: bool = False) -> Document:
    """The comparison of the runs in these folders. Raises BadExperiment, and ChaosError for a folder without a run."""
    from chaos.judge.judge import judge
    from chaos.record.journal import Journal
    from chaos.report import label
    from chaos.report.comparison import Arm, document

    journals = [(Journal.load(folder), label(folder)) for folder in folders]
    return document([Arm(journal, judge(journal, name)) for journal, name in journals], anyway)


def show(doc: Document, html: Path | None, as_json: bool) -> None:
    """Print a comparison, and write its page if requested."""
    from chaos.record.store import pretty, write
    from chaos.report.comparison import page, terminal

    if html is not None:
        write(html, page.render(doc).encode())
    click.echo(pretty(doc).decode() if as_json else terminal.render(doc, color=sys.stdout.isatty()), nl=False)
    if html is not None:
        click.echo(f"Page    {html}", err=as_json)
