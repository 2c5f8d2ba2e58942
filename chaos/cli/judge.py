"""`chaos check` and `chaos report`: repeat the second half of a run, using only its files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chaos import safe
from chaos.cli.options import runs_option


@click.command("check", epilog="Examples: chaos check last · chaos check runs/zone-fire/20261121T090000Z-s7")
@click.argument("run")
@runs_option
def check_command(run: str, runs: Path) -> int:
    """Judge a run again from its files and write findings.json. The exit code is the verdict's."""
    from chaos.judge.judge import judge
    from chaos.record.journal import Journal
    from chaos.record.store import find, write
    from chaos.report import label
    from chaos.report.formats import findings
    from chaos.report.words import outcome

    folder = find(runs, run)
    journal = Journal.load(folder)
    judgement = judge(journal, label(folder))
    write(folder / "findings.json", findings.render(journal, judgement).encode())
    for finding in judgement.findings:
        gap = f" (expected failure: {finding.xfail})" if finding.xfail else ""
        click.echo(f"{outcome(finding):<12} {safe.line(f'{finding.check}: {finding.summary}{gap}')}")
    click.echo(f"{judgement.badge:<12} {folder}")
    return judgement.exit_code


@click.command("report", epilog="Example: chaos report last")
@click.argument("run")
@runs_option
def report_command(run: str, runs: Path) -> int:
    """Write report.html, report.md, junit.xml and findings.json of a run again, and print its summary."""
    from chaos.record.store import find

    folder = find(runs, run)
    click.echo(summary(folder, write=True), nl=False)
    return 0


def summary(folder: Path, write: bool = False) -> str:
    """The summary of a run for a terminal; with `write` its reports are written again, too."""
    from chaos.judge.judge import judge
    from chaos.record.journal import Journal
    from chaos.report import label, terminal, write_all

    journal = Journal.load(folder)
    judgement = judge(journal, label(folder))
    if write:
        write_all(folder, journal, judgement)
    return terminal.render(journal, judgement, color=sys.stdout.isatty())
