"""`chaos discover` and `chaos init`: the map of a stack, and a first set of experiments for it."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import read_stack, stacked

if TYPE_CHECKING:
    from chaos.discovery.model import Map
    from chaos.experiment.stack import Stack


@click.command("discover", epilog="Examples: chaos discover · chaos discover --project NAME · chaos discover --json")
@stacked
@click.option("--json", "as_json", is_flag=True, help="Print the map as JSON.")
def discover_command(
    stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...], as_json: bool
) -> None:
    """Print the map of a stack: its nodes, who depends on whom, what a fault can reach, and what is missing.

    It reads the Compose file, or asks the engine about a running project (--project). It starts nothing.
    """
    from chaos.discovery import words
    from chaos.record.store import pretty

    _, found = _look(stack_file, target, posture, sets)
    click.echo(pretty(found).decode() if as_json else words.render(found), nl=False)


@click.command("init", epilog="Examples: chaos init · chaos init --stack compose.yaml · chaos init --project NAME")
@stacked
@click.option("--force", is_flag=True, help="Also write over files of an earlier init that nobody has changed.")
def init_command(stack_file: Path, target: str | None, posture: str | None, sets: tuple[str, ...], force: bool) -> None:
    """Write experiments for a stack, and users who ask its ports, beside the Compose file (--project: here).

    A file that exists is left as it is. Nothing is started. A running project's published ports are asked once.
    """
    from chaos import naming
    from chaos.discovery import asking, files

    stack, found = _look(stack_file, target, posture, sets)
    if naming.project(stack_file):
        ports = {name: service.ports for name, service in stack.services.items()}
        found = asyncio.run(asking.asked(found, ports))
    done = files.write(stack.root, files.texts(found), force)
    for path, what in done.items():
        click.echo(f"{stack.root / path}: {what}")
    _said(found, stack.root / "experiments" / "users.py")
    if "experiments/node-kill.yaml" in done:
        options = _options(stack_file, target)
        click.echo(f"next: chaos plan node-kill{options}")
        click.echo(f"then: chaos run node-kill{options}")


def _look(file: Path, target: str | None, posture: str | None, sets: tuple[str, ...]) -> tuple[Stack, Map]:
    """The stack as the target reads it, and the map. Raises BadExperiment."""
    from chaos.discovery import looking
    from chaos.targets import known

    kind = known.choose(target)
    stack = read_stack(file, kind, None, posture, sets)
    return stack, looking.look(stack, known.make(kind, stack))


def _said(found: Map, users_file: Path) -> None:
    """What limits the experiments. Raises BadExperiment for a users' file of somebody else that is none."""
    from chaos.discovery import journeys
    from chaos.experiment import users

    asked = journeys.chosen(found)
    if not asked:
        click.echo("no port was found that could be asked, so there is no experiment: publish one (`ports:`), or name "
                   "it under `expose:`, and call chaos init again", err=True)  # fmt: skip
    elif not any(door.http for door in asked.values()):
        click.echo(
            "no port was found that looks like HTTP, so there are no users: probes connect to the ports", err=True
        )
    elif not (known := users.read(users_file)).partial and (lacks := sorted(set(asked) - known.journeys)):
        click.echo(f"{users_file}: has no journey {', '.join(lacks)}, which experiments of this init check: add it, or "
                   "call chaos init --force if nobody has changed the file", err=True)  # fmt: skip


def _options(file: Path, target: str | None) -> str:
    """What the next command needs to mean the same stack."""
    from chaos import naming
    from chaos.experiment import stack
    from chaos.targets import known

    words = ["--project", project] if (project := naming.project(file)) else []
    if not project and file != stack.default():
        words = ["--stack", str(file)]
    if target and target != known.ATTACHED:
        words += ["--target", target]
    return "".join(f" {word}" for word in map(shlex.quote, words))
