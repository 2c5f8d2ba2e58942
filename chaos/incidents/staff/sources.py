"""Chooses the source of a roster (staff file, CODEOWNERS, labels or git's history), and the people who leave."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from chaos import units
from chaos.errors import BadExperiment
from chaos.experiment.stack import Stack
from chaos.incidents.staff import ownership
from chaos.incidents.staff.model import Roster, leaving
from chaos.registry import hint

GIT_SECONDS = 60.0


def read(stack: Stack, source: str | None, file: Path | None, months: int) -> tuple[Roster, str]:
    """Return the roster, and its source in words. Raises BadExperiment."""
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
    """Return the names of all people who leave. Raises BadExperiment for unknown people and teams."""
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

    return next((stack.root / name for name in ownership.CODEOWNERS if (stack.root / name).is_file()), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise BadExperiment(f"{path}: cannot be read: {e}") from None


def _authors(stack: Stack, months: int) -> dict[str, list[str]]:
    """Return the author of each commit to a component's sources, by component, newest first. Raises BadExperiment."""
    found = {}
    for component, paths in ownership.places(stack).items():
        since = f"--since={months} months ago"
        command = ["git", "-C", str(stack.root), "log", since, "--no-merges", "--format=%aN", "--", *paths]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", timeout=GIT_SECONDS, check=False
            )
        except FileNotFoundError:
            raise BadExperiment("--from git: no program `git` here; install it, or take another --from") from None
        except subprocess.TimeoutExpired:
            words = f"--from git: no answer within {GIT_SECONDS:.0f} s; look less far back with --months"
            raise BadExperiment(words) from None
        if done.returncode:
            raise BadExperiment(f"--from git: {stack.root}: {done.stderr.strip()}; run it in a clone with its history")
        found[component] = [name for name in done.stdout.splitlines() if name]
    return found
