"""`chaos staff`: shows which components of a stack lose their owners when given people leave."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chaos import safe
from chaos.cli.options import stack_option
from chaos.errors import BadExperiment


@click.command(
    "staff",
    epilog="Examples: chaos staff · chaos staff --leave ana --leave bo · chaos staff --share 50% --seed 7 · "
    "chaos staff --from git --months 12 --stack ../shop/compose.yaml --html staff.html",
)
@stack_option
@click.option("--posture", help="The stack's named set of knobs.")
@click.option(
    "--set", "sets", metavar="KNOB=VALUE", multiple=True, help="Set one knob on top of the posture (repeatable)."
)
@click.option("--from", "source", type=click.Choice(("staff", "codeowners", "labels", "git")),
              help="Default: the staff file the stack names, else CODEOWNERS, else labels.")  # fmt: skip
@click.option("--file", "file", type=click.Path(path_type=Path), help="The staff file or CODEOWNERS file to read.")
@click.option(
    "--months",
    type=click.IntRange(1, 600),
    default=12,
    show_default=True,
    help="How many months of git history to read.",
)
@click.option("--leave", metavar="NAME", multiple=True, help="A person who leaves (repeatable).")
@click.option("--team", metavar="TEAM", multiple=True, help="A whole team leaves (repeatable).")
@click.option("--share", metavar="50%", help="A share of all people leaves, drawn from the seed.")
@click.option("--seed", type=int, default=7, show_default=True, help="All randomness comes from it.")
@click.option("--draws", type=click.IntRange(10, 100_000), default=400, show_default=True,
              help="Number of orders of leaving behind the curve.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Also write a page to this path.")
def staff_command(
    stack_file: Path,
    posture: str | None,
    sets: tuple[str, ...],
    source: str | None,
    file: Path | None,
    months: int,
    leave: tuple[str, ...],
    team: tuple[str, ...],
    share: str | None,
    seed: int,
    draws: int,
    as_json: bool,
    page: Path | None,
) -> None:
    """Show which components lose their owners when given people leave, bus factors, and the curve over the share.

    Nothing is started. Owners come from the stack's staff file, CODEOWNERS, labels or git's history.
    """
    import json

    from chaos.cli.options import pairs
    from chaos.experiment import stack as stackfile
    from chaos.incidents.report import staff as report
    from chaos.incidents.staff import sources

    stack = stackfile.read(stack_file, posture, pairs(sets), strict=False, environ=os.environ)
    roster, words = sources.read(stack, source, file, months)
    gone = sources.leavers(roster, leave, team, share, seed)
    doc = report.document(roster, words, seed, gone, draws)
    if page is not None:
        try:
            page.write_text(report.html(doc), encoding="utf-8")
        except OSError as e:
            raise BadExperiment(f"--html {page}: {e.strerror}") from None
    if as_json:
        click.echo(safe.text(json.dumps(doc, indent=1, ensure_ascii=False)))
    else:
        click.echo(report.text(doc), nl=False)
        if page is not None:
            click.echo(f"Page    {page}")
