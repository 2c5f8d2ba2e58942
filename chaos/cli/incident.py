"""`chaos incident`: lists the dossiers in seeds/, shows one in full, or writes its page in docs/incidents/."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos import safe
from chaos.cli.options import runs_option, stack_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.incidents.report.page import Played


@click.command("incident", epilog="Examples: chaos incident · chaos incident kakao-2022-10-15 · "
               "chaos incident kakao-2022-10-15 --page RUN RUN")  # fmt: skip
@click.argument("name", required=False)
@click.argument("played", nargs=-1, metavar="[RUN]...")
@click.option("--page", is_flag=True, help="Write docs/incidents/NAME.md: the facts beside these runs.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the page here instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the dossier as JSON.")
@runs_option
@stack_option
def incident_command(
    name: str | None, played: tuple[str, ...], page: bool, out: Path | None, as_json: bool, runs: Path, stack_file: Path
) -> None:
    """Show what is known of an incident, with sources and the use of each fact. Without NAME, list the incidents."""
    from chaos.incidents import file as dossiers

    root = stack_file.parent
    if name is None:
        _list(root, as_json)
        return
    if played and not page:
        raise click.UsageError(f"found runs ({', '.join(played)}) without --page, which is what they are for")
    if out and not page:
        raise click.UsageError("--out says where --page writes; add --page")
    dossier = dossiers.read(dossiers.path(root, name))
    replays = replayed_by(root, dossier.id)
    if page:
        target = out or root / "docs" / "incidents" / f"{dossier.id}.md"
        _write(target, root, name, [_judged(runs, run, dossier.id) for run in played])
        click.echo(f"wrote {target}")
        return
    from chaos.incidents.report import dossier as report
    from chaos.record.store import pretty

    if as_json:
        click.echo(pretty(report.document(dossier, replays)).decode(), nl=False)
        return
    click.echo(report.render(dossier, replays, width=_width(), color=sys.stdout.isatty()), nl=False)


def replayed_by(root: Path, incident: str) -> Mapping[str, str]:
    """Experiments that refer to the incident, with their claims."""
    from chaos import yamlfile

    docs = []
    for file in yamlfile.files(root / "experiments"):
        with suppress(BadExperiment):  # skips files with errors; `chaos list` reports them
            docs.append((file.stem, yamlfile.mapping(file)))
    return {stem: str(doc.get("claim", "")) for stem, doc in docs if doc.get("incident") == incident}


def _list(root: Path, as_json: bool) -> None:
    from chaos.incidents import file as dossiers
    from chaos.incidents.report import dossier as report
    from chaos.record.store import pretty

    found = [dossiers.read(dossiers.path(root, name)) for name in dossiers.names(root)]
    if not found:
        raise BadExperiment(f"no dossier in {root / 'seeds'}; run chaos in the project's folder, or name the stack's "
                            "description with --stack FILE")  # fmt: skip
    if as_json:
        documents = [report.document(d, replayed_by(root, d.id)) for d in found]
        click.echo(pretty(documents).decode(), nl=False)
        return
    for line in report.listing([(d, sorted(replayed_by(root, d.id))) for d in found]):
        click.echo(safe.line(line))


def _judged(runs: Path, name: str, incident: str) -> Played:
    from chaos.incidents import carried
    from chaos.judge.judge import judge
    from chaos.record.journal import Journal
    from chaos.record.store import find
    from chaos.report import label

    folder = find(runs, name)
    journal = Journal.load(folder)
    found = carried.dossier(journal.plan).get("id") or "no incident"
    if found != incident:
        raise BadExperiment(f"{folder}: found a run of {found}, expected one of {incident}")
    return journal, judge(journal, label(folder))


def _write(target: Path, root: Path, name: str, played: Sequence[Played]) -> None:
    from chaos.incidents import file as dossiers
    from chaos.incidents.report import page as report
    from chaos.record.store import write

    dossier = dossiers.read(dossiers.path(root, name))
    hand = report.by_hand(target.read_text(encoding="utf-8")) if target.exists() else {}
    text = report.render(dossier, played, replayed_by(root, dossier.id), hand)
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, text.encode())


def _width() -> int:
    from shutil import get_terminal_size

    return min(get_terminal_size((120, 24)).columns, 140)
