"""Finds what is in a stack's way on the engine but belongs to others. It is reported before any change, and left
alone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.errors import NotOurs
from chaos.experiment.stack import Stack
from chaos.targets.compose import command
from chaos.targets.compose.declared import Declared, declared
from chaos.targets.compose.project import VARIABLE
from chaos.targets.docker.engine import ONE_OFF, OURS, PROJECT, STACK, Engine, containers

if TYPE_CHECKING:
    from docker import APIClient

_FOLDER, _FILES = "com.docker.compose.project.working_dir", "com.docker.compose.project.config_files"
_FIRST_RELEASE = "chaos"  # 0.1.0 gave every stack this project name, and set no labels


@dataclass(frozen=True)
class Found:
    """An object on the engine."""

    kind: str  # container | network | volume
    name: str
    labels: Mapping[str, str]
    networks: Collection[str] = ()  # names of those that a container is on, running or not


class Strangers:
    """Objects of others, for one stack under one project name. Methods raise TargetError."""

    def __init__(self, stack: Stack, engine: Engine) -> None:
        self._stack, self._engine = stack, engine

    async def take(self, services: Sequence[str]) -> None:
        """Refuse, or reserve the project name until `down`. Raises NotOurs.

        If two stacks start at once, the engine lets one have the name: a volume is made only once, and the second stack
        gets the first one's.
        """
        await self.refuse(services)
        await self._engine.ask(lambda api: api.create_volume(self._claim, labels=self._engine.own()))
        await self.refuse(services)

    @property
    def _claim(self) -> str:
        return _claim_of(self._engine.project)

    async def refuse(self, services: Sequence[str]) -> None:
        """Raises NotOurs unless everything in the project, or with a name that Compose would use for `services`, is the
        stack's.
        """
        if found := await self.find(services):
            raise NotOurs(
                f"{self._stack.path}: its project is called {self._engine.project}, and there this stack did not "
                f"start {_listed(found)}. Nothing was touched. Give this stack another name ({VARIABLE}=NAME), or end "
                f"what is there: {self._ends(found)}"
            )

    async def left_alone(self) -> Sequence[str]:
        """What was left alone, as text for the user who ends the stack."""
        every = await self._engine.ask(_everything)
        found = self._among(every, ())
        projects = {one.labels.get(PROJECT) for one in every if one.labels.get(STACK) == self._engine.stack}
        elsewhere = sorted(p for p in projects if p and p != self._engine.project)
        return [
            *([f"left alone: {_listed(found)}; this stack did not start it under this name"] if found else []),
            *(f"left alone: this stack as project {p}; `{VARIABLE}={p} chaos down` ends it" for p in elsewhere),
        ]

    async def find(self, services: Sequence[str]) -> Sequence[Found]:
        return self._among(await self._engine.ask(_everything), services)

    def _among(self, every: Sequence[Found], services: Sequence[str]) -> Sequence[Found]:
        """Without one-off containers of the user (`docker compose run`), which are not in the way."""
        taken = self._names(declared(self._stack), services)

        def meant(one: Found) -> bool:
            if one.labels.get(ONE_OFF) == "True":
                return False
            return one.labels.get(PROJECT) == self._engine.project or one.name in taken[one.kind] or self._first(one)

        others = [one for one in every if not self._ours(one)]
        return [one for one in others if meant(one) and not _abandoned(one, others)]

    def _ours(self, one: Found) -> bool:
        project = one.labels.get(PROJECT) or one.labels.get(OURS)
        return (one.labels.get(STACK), project) == (self._engine.stack, self._engine.project)

    def _first(self, one: Found) -> bool:
        """Whether version 0.1.0 started it for this stack; it then uses the stack's ports and addresses."""
        here = one.labels.get(PROJECT) == _FIRST_RELEASE and one.labels.get(_FOLDER) == str(self._stack.root)
        return here and STACK not in one.labels

    def _names(self, found: Declared, services: Sequence[str]) -> Mapping[str, set[str]]:
        project, first = self._engine.project, command.version() < (2,)
        separator = "_" if first else "-"
        # Versions of 1.x before 1.21 adopt networks and volumes of the right name, whoever made them.
        projects = {project, re.sub("[_-]", "", project)} if first else {project}

        def shared(keys: Iterable[str], given: Mapping[str, str]) -> set[str]:
            return {given.get(key, f"{p}_{key}") for key in keys for p in projects}

        return {
            "container": {
                found.container_names.get(s, separator.join((project, s, str(n))))
                for s in services
                for n in range(1, self._stack.replicas.get(s, 1) + 1)
            },
            "network": shared(found.networks, found.network_names),
            "volume": {self._claim, *shared(found.volumes, found.volume_names)},
        }

    def _ends(self, found: Sequence[Found]) -> str:
        """Commands that end the objects, for each of those who started some."""
        files = {one.labels.get(PROJECT): _file(one.labels) for one in found if _FILES in one.labels}
        said: dict[str, str] = {}  # in order
        for one in found:
            project, stack = one.labels.get(PROJECT) or one.labels.get(OURS, ""), one.labels.get(STACK, "")
            if stack and Path(stack).is_file():
                of = "this stack under another name" if stack == self._engine.stack else f"the stack {stack}"
                said[f"{VARIABLE}={project} chaos down --stack {shlex.quote(stack)}"] = of
            elif project:
                file = files.get(project)  # v1 needs the file to end a project
                words = [*(command.find() or ()), *(["-f", file] if file else []), "-p", project, "down"]
                said[shlex.join(words)] = (
                    "what Compose or version 0.1.0 of chaos started; with --volumes if the data may go as well"
                )
            else:
                said[f"docker {one.kind} rm {one.name}"] = "what no project has"
        return "; ".join(f"`{command}` ({of})" for command, of in said.items())


def _claim_of(project: str) -> str:
    return f"{project}-note-owner"


def _abandoned(one: Found, others: Sequence[Found]) -> bool:
    """Whether it is an empty network of another stack of ours that has ended; `others`: all but this stack's.

    Engines keep such a network until they are restarted if they miscounted its endpoints, and with it the addresses.
    Compose 1.x uses a network of the right name and addresses whoever made it; Compose 2 refuses it.
    """
    if one.kind != "network" or STACK not in one.labels or command.version() >= (2,):
        return False
    claim = _claim_of(one.labels.get(PROJECT, ""))
    return not any(one.name in other.networks or (other.kind, other.name) == ("volume", claim) for other in others)


def _file(labels: Mapping[str, str]) -> str:
    """The first of the files that Compose read for it; the name may be relative to its folder."""
    return str(Path(labels.get(_FOLDER, ""), labels[_FILES].partition(",")[0]))


def _listed(found: Sequence[Found]) -> str:
    return ", ".join(f"{one.kind} {one.name}" for one in found)


def _everything(api: APIClient) -> Sequence[Found]:
    return [
        *(Found("container", c.name, c.labels, tuple(c.networks)) for c in containers(api)),
        *(Found("network", row["Name"], row["Labels"] or {}) for row in api.networks()),
        *(Found("volume", row["Name"], row["Labels"] or {}) for row in api.volumes()["Volumes"] or []),
    ]
