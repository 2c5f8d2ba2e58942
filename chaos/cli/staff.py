"""`chaos staff`: who is left of each component when whom leaves, for any stack."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.models.staff import Roster
    from chaos.stackfile import Stack

GIT_SECONDS = 60.0


@click.command(
    "staff",
    epilog="Examples: chaos staff · chaos staff --leave ana --leave bo · chaos staff --share 50% --seed 7 · "
    "chaos staff --from git --months 12 --stack ../shop/compose.yaml --html staff.html",
)
@click.option("--stack", "stack_file", type=click.Path(path_type=Path), default="docker-compose.yml", show_default=True,
              help="The stack's description.")  # fmt: skip
@click.option("--posture", help="The stack's named set of knobs.")
@click.option("--set", "sets", metavar="KNOB=VALUE", multiple=True, help="Set one knob on top (repeatable).")
@click.option("--from", "source", type=click.Choice(("staff", "codeowners", "labels", "git")),
              help="Default: the staff file the stack names, else CODEOWNERS, else labels.")  # fmt: skip
@click.option("--file", "file", type=click.Path(path_type=Path), help="The staff file or CODEOWNERS file to read.")
@click.option("--months", type=click.IntRange(1, 600), default=12, show_default=True, help="How far git looks back.")
@click.option("--leave", metavar="NAME", multiple=True, help="Somebody who leaves (repeatable).")
@click.option("--team", metavar="TEAM", multiple=True, help="A whole team leaves (repeatable).")
@click.option("--share", metavar="50%", help="A share of all people leaves, drawn from the seed.")
@click.option("--seed", type=int, default=7, show_default=True, help="All randomness comes from it.")
@click.option("--draws", type=click.IntRange(10, 100_000), default=400, show_default=True,
              help="Orders of leaving that the curve is taken from.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page here as well.")
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
    """Print for each component who is left when whom leaves, the bus factors, and the curve over the share of people.

    Nothing is started. Owners come from the stack's staff file, CODEOWNERS, labels or git's history.
    """
    import json

    from chaos import stackfile
    from chaos.cli.options import pairs
    from chaos.reports import staff as report

    stack = stackfile.read(stack_file, posture, pairs(sets), strict=False, environ=os.environ)
    roster, words = read(stack, source, file, months)
    gone = leavers(roster, leave, team, share, seed)
    doc = report.document(roster, words, seed, gone, draws)
    if page is not None:
        try:
            page.write_text(report.html(doc))
        except OSError as e:
            raise BadExperiment(f"--html {page}: {e.strerror}") from None
    if as_json:
        click.echo(json.dumps(doc, indent=1, ensure_ascii=False))
    else:
        click.echo(report.text(doc), nl=False)
        if page is not None:
            click.echo(f"Page    {page}")


def read(stack: Stack, source: str | None, file: Path | None, months: int) -> tuple[Roster, str]:
    """The roster, and where it is from in words. Raises BadExperiment."""
    from chaos import ownership

    if file is not None and source not in (None, "staff", "codeowners"):
        raise BadExperiment(f"--file {file}: --from {source} reads no file; leave one of them out")
    if source is None:
        source = _default(stack, file)
    if source == "labels":
        return ownership.from_labels(stack), f"labels of {stack.path.name}"
    if source == "git":
        return ownership.from_commits(_authors(stack, months), stack), f"commits of the last {months} months"
    if source == "codeowners":
        path = file or _codeowners(stack)
        if path is None:
            raise BadExperiment(f"{stack.root}: no CODEOWNERS in it, .github, docs or .gitlab; name it with --file")
        return ownership.from_codeowners(path, _text(path), stack), str(path.name)
    if file is not None:
        return ownership.from_staff_file(file, stack), file.name
    found = ownership.declared(stack)
    if found is None:
        raise BadExperiment(f"{stack.path}: names no staff file (x-chaos.staff.file); name one with --file, "
                            "or take --from codeowners, labels or git")  # fmt: skip
    return found.roster, str(stack.extension["staff"]["file"])


def leavers(roster: Roster, leave: Sequence[str], teams: Sequence[str], share: str | None, seed: int) -> set[str]:
    """Everybody who leaves. Raises BadExperiment for names that nobody has."""
    from chaos import units
    from chaos.models.staff import leaving
    from chaos.registry import hint

    problems = [f"--leave {n}: owns nothing here; {hint(n, roster.people)}" for n in leave if n not in roster.people]
    problems += [f"--team {t}: no such team; {hint(t, roster.teams)}" for t in teams if t not in roster.teams]
    if problems:
        raise BadExperiment(*problems)
    gone = set(leave) | {person for t in teams for person in roster.teams[t]}
    if share is not None:
        gone |= set(leaving(roster, seed, units.share(share, "--share")))
    return gone


def _default(stack: Stack, file: Path | None) -> str:
    if file is not None:
        return "codeowners" if file.name == "CODEOWNERS" else "staff"
    if stack.extension.get("staff"):
        return "staff"
    return "codeowners" if _codeowners(stack) else "labels"


def _codeowners(stack: Stack) -> Path | None:
    from chaos.ownership import CODEOWNERS

    return next((stack.root / name for name in CODEOWNERS if (stack.root / name).is_file()), None)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as e:
        raise BadExperiment(f"{path}: cannot be read: {e}") from None


def _authors(stack: Stack, months: int) -> dict[str, list[str]]:
    """By component, the author of each commit to its sources, the newest first."""
    from chaos.ownership import places

    found = {}
    for component, paths in places(stack).items():
        since = f"--since={months} months ago"
        command = ["git", "-C", str(stack.root), "log", since, "--no-merges", "--format=%aN", "--", *paths]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)
        except FileNotFoundError:
            raise BadExperiment("--from git: no program `git` here; install it, or take another --from") from None
        except subprocess.TimeoutExpired:
            words = f"--from git: no answer within {GIT_SECONDS:.0f} s; look less far back with --months"
            raise BadExperiment(words) from None
        if done.returncode:
            raise BadExperiment(f"--from git: {stack.root}: {done.stderr.strip()}; run it in a clone with its history")
        found[component] = [name for name in done.stdout.splitlines() if name]
    return found
