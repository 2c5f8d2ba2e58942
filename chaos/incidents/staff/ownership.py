"""Reads the owners of a stack's components from labels, a staff file, CODEOWNERS, or the history of git.

Each source gives a `Roster` (chaos/incidents/staff/model.py) of the stack's components. Dependencies and journeys come
from the stack's description, whatever the source of the owners: `depends_on`, and `needs:` and `journeys:` under
`x-chaos`. If no journeys are declared, each component that no other component needs is a journey of its own name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from chaos import forms, naming, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment.service import Service
from chaos.experiment.stack import Stack
from chaos.incidents.staff.model import Roster

SOURCES = ("staff", "codeowners", "labels", "git")
CODEOWNERS = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
ENOUGH = 0.1  # least share of a component's commits that makes their author an owner
_NAMES = re.compile(r"[,\s]+")


class StaffFile(msgspec.Struct, forbid_unknown_fields=True):
    """A staff file: teams, and the owners of each component, most familiar first. A team stands for its members."""

    components: Mapping[str, list[str]]
    teams: Mapping[str, list[str]] = {}


class Declared(msgspec.Struct, forbid_unknown_fields=True):
    """`x-chaos.staff`: where the staff file is, and how a node of the stack is told who has left."""

    file: str
    per_component: str = ""  # the knob that limits the owners of a component to its first ones
    variable: str = ""  # environment variable of that node: the names of the people who have left
    ask: list[str] = []  # command to run there; prints {"gone": [names], "orphaned": [components], …} as JSON
    lapse: list[str] = []  # components with a chore that breaks them if nobody does it
    takes: Mapping[str, list[str]] = {}  # by such a component: journeys lost with it besides those that need it


@dataclass(frozen=True)
class Staff:
    """A roster, and how the stack is told who has left."""

    roster: Roster
    variable: str = ""
    ask: tuple[str, ...] = ()
    lapse: tuple[str, ...] = ()
    takes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def declared(stack: Stack) -> Staff | None:
    """Return the staff that the stack's description declares; None if it declares none. Raises BadExperiment."""
    raw = stack.extension.get("staff")
    if raw is None:
        return None
    where = f"{stack.path}: x-chaos.staff"
    try:
        found = msgspec.convert(raw, Declared)
    except msgspec.ValidationError as e:
        raise BadExperiment(f"{where}: {forms.words(e)}; expected {{file: services/staff.yaml, …}}") from None
    per_component: int | None = None
    if found.per_component:
        value = stack.settings.get(found.per_component)
        if not isinstance(value, int) or value < 1:
            known = ", ".join(sorted(stack.settings))
            raise BadExperiment(f"{where}.per_component: found {found.per_component!r} = {value!r}, expected a knob "
                                f"whose value is a whole number from 1 on; knobs are {known}")  # fmt: skip
        per_component = value
    file = naming.file(f"{where}.file", stack.root, found.file, stack.root)
    roster = from_staff_file(file, stack, per_component)
    if strange := sorted(set(found.lapse) - set(roster.owners)):
        raise BadExperiment(f"{where}.lapse: nobody owns {', '.join(strange)}; name components of {found.file}")
    if strange := sorted((set(found.takes) - set(found.lapse)) | {j for js in found.takes.values() for j in js}
                         - set(roster.journeys)):  # fmt: skip
        raise BadExperiment(f"{where}.takes: found {', '.join(strange)}; expected components of `lapse` and journeys")
    takes = {component: tuple(journeys) for component, journeys in found.takes.items()}
    return Staff(roster, found.variable, tuple(found.ask), tuple(found.lapse), takes)


def from_staff_file(path: Path, stack: Stack, per_component: int | None = None) -> Roster:
    """Return the roster of a staff file, without components that this posture of the stack does not run.

    `per_component` limits each component to its first owners. Raises BadExperiment.
    """
    try:
        found = msgspec.convert(yamlfile.read(path), StaffFile)
    except msgspec.ValidationError as e:
        expected = "expected `components: {NAME: [people]}` and `teams:`"
        raise BadExperiment(f"{path}: {forms.words(e)}; {expected}") from None
    here = components(stack)
    owners = {c: _people(who, found.teams)[:per_component] for c, who in found.components.items() if c in here}
    if missing := sorted(set(here) - set(owners) - _tools(stack)):
        raise BadExperiment(f"{path}: components: nobody is named for {', '.join(missing)}; name its owners, or `[]`")
    return _roster(stack, owners, found.teams)


def from_labels(stack: Stack) -> Roster:
    """Return the roster that the services' labels give. Raises BadExperiment if there are no such labels.

    `chaos.owners: "ana, bo"` names people. `chaos.owner: feed` names a team, which then counts as one person.
    """
    owners: dict[str, list[str]] = {}
    for service in stack.services.values():
        labels = service.node.labels
        named = [n for n in _NAMES.split(labels.get("chaos.owners") or labels.get("chaos.owner") or "") if n]
        owners.setdefault(service.node.component, []).extend(named)
    if not any(owners.values()):
        raise BadExperiment(f"{stack.path}: no service has a label chaos.owners or chaos.owner; "
                            'label them, such as chaos.owners: "ana, bo", or take another --from')  # fmt: skip
    return _roster(stack, {c: _unique(who) for c, who in owners.items()})


def from_codeowners(path: Path, text: str, stack: Stack) -> Roster:
    """Return the roster of a CODEOWNERS file. The last rule that matches a path decides. Raises BadExperiment."""
    rules = []
    for n, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words and not words[0].startswith(("[", "^[")):  # not the name of a section
            if "[" in words[0] or words[0].startswith("!"):
                raise BadExperiment(f"{path}:{n}: found {words[0]!r}; CODEOWNERS knows no ranges and no exceptions")
            rules.append((codeowners_pattern(words[0]), [w.removeprefix("@") for w in words[1:]]))
    if not rules:
        raise BadExperiment(f"{path}: found no rule in it; expected lines such as `/services/chat/ @ana @bo`")
    owners: dict[str, list[str]] = {}
    for component, paths in places(stack).items():
        for place in paths:
            last = next((who for pattern, who in reversed(rules) if pattern.search("/" + place)), [])
            owners.setdefault(component, []).extend(last)
    return _roster(stack, {c: _unique(who) for c, who in owners.items()})


def from_commits(authors: Mapping[str, Sequence[str]], stack: Stack) -> Roster:
    """Return the roster of git's history. Authors of at least a tenth (ENOUGH) of a component's commits own it.

    `authors` is the author of each commit, by component. Raises BadExperiment if there are no commits.
    """
    owners = {}
    for component, commits in authors.items():
        counts = Counter(commits)
        knows = [who for who, n in sorted(counts.items(), key=lambda x: (-x[1], x[0])) if n >= ENOUGH * len(commits)]
        owners[component] = knows
    if not any(owners.values()):
        raise BadExperiment("git: nobody has committed to any component's path in that time; look further back with "
                            "--months N, or say where components live with a label chaos.path")  # fmt: skip
    return _roster(stack, owners)


def places(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Return the paths of each component's sources, relative to the stack's folder.

    A path comes from the label chaos.path, else from a build context other than that folder, else from the module of
    `python -m`. Raises BadExperiment if no component has a path.
    """
    found: dict[str, list[str]] = {}
    for service in stack.services.values():
        found.setdefault(service.node.component, []).extend(_place(service, stack.root))
    if not any(found.values()):
        raise BadExperiment(f"{stack.path}: nobody can tell where any component's sources are; label the services, "
                            "such as chaos.path: services/chat")  # fmt: skip
    return {c: tuple(_unique(paths)) for c, paths in found.items() if paths}


def components(stack: Stack) -> tuple[str, ...]:
    return tuple(sorted({s.node.component for s in stack.services.values()}))


def _place(service: Service, root: Path) -> list[str]:
    if path := service.node.labels.get("chaos.path"):
        return [p.strip("/") for p in _NAMES.split(path) if p]
    context = service.context.removeprefix("./").strip("/")
    if context and context != ".":
        return [context]
    words = service.command
    module = next((words[k + 1] for k, word in enumerate(words[:-1]) if word == "-m"), "").replace(".", "/")
    return [p for p in (module, f"{module}.py") if module and (root / p).exists()]


def _tools(stack: Stack) -> set[str]:
    return {s.node.component for s in stack.services.values() if s.optional}


def _people(names: Iterable[str], teams: Mapping[str, Sequence[str]]) -> list[str]:
    return _unique(person for name in names for person in teams.get(name, (name,)))


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _roster(
    stack: Stack, owners: Mapping[str, Sequence[str]], named: Mapping[str, Sequence[str]] | None = None
) -> Roster:
    teams = {team: list(who) for team, who in (named or {}).items()}
    for service in stack.services.values() if named is None else ():  # the labels' teams, with their components' owners
        if service.node.owner:
            teams.setdefault(service.node.owner, []).extend(owners.get(service.node.component, ()))
    known = set(components(stack))
    needs = _needs(stack, known)
    journeys = stack.extension.get("journeys")
    if journeys is None:
        needed = {n for names in needs.values() for n in names}
        journeys = {c: [c] for c in sorted(known - needed)} or {c: [c] for c in sorted(known)}
    _lists(stack.path, "journeys", journeys)
    kept = {j: tuple(entries) for j, entries in journeys.items() if set(entries) <= known}
    return Roster(
        {c: tuple(owners.get(c, ())) for c in sorted(known & set(owners))},
        {t: tuple(_unique(who)) for t, who in sorted(teams.items())},
        needs,
        dict(sorted(kept.items())),
    )


def _needs(stack: Stack, known: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the components that each component depends on, from `depends_on` and `x-chaos.needs`."""
    found: dict[str, list[str]] = {c: [] for c in known}
    for service in stack.services.values():
        others = [stack.services[n].node.component for n in service.depends_on if n in stack.services]
        found[service.node.component] += [c for c in others if c != service.node.component]
    said = stack.extension.get("needs") or {}
    _lists(stack.path, "needs", said)
    for component, names in said.items():
        if component in known:
            found[component] += [n for n in names if n in known]
    return {c: tuple(sorted(set(names))) for c, names in sorted(found.items()) if names}


def _lists(path: Path, key: str, value: Any) -> None:
    good = isinstance(value, dict) and all(
        isinstance(v, list) and all(isinstance(x, str) for x in v) for v in value.values()
    )
    if not good:
        expected = "expected lists of components by name, such as {text: [gateway, chat]}"
        raise BadExperiment(f"{path}: x-chaos.{key}: found {value!r:.80}, {expected}")


def codeowners_pattern(text: str) -> re.Pattern[str]:
    """Compile a CODEOWNERS pattern: gitignore's rules without ranges and exceptions. Paths begin with a slash."""
    anchored = "/" in text.rstrip("/")
    body = ""
    for part in re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", text.strip("/")):
        body += {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return re.compile(f"^/{body}(?:/|$)" if anchored else f"/{body}(?:/|$)")
