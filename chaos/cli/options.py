"""Options that several commands share, and what they come to: a stack, an experiment, a target."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.experiment import Experiment
    from chaos.plan import Plan
    from chaos.protocols import Target
    from chaos.stackfile import Stack

F = TypeVar("F", bound=Callable[..., Any])
TARGETS = ("compose", "process")


def stacked(command: F) -> F:
    """--stack, --target, --posture and --set: which stack, where, and with which knobs."""
    for option in (
        click.option(
            "--set", "sets", metavar="KNOB=VALUE", multiple=True, help="Set one knob on top (repeatable)."
        ),
        click.option("--posture", help="The stack's named set of knobs, e.g. as-was or remedied."),
        click.option(
            "--target",
            type=click.Choice(TARGETS),
            help="compose: containers. process: local processes in a box. Default: compose where an engine answers.",
        ),
        click.option(
            "--stack",
            "stack_file",
            type=click.Path(path_type=Path),
            default="docker-compose.yml",
            show_default=True,
            help="The stack's description.",
        ),
    ):
        command = option(command)
    return command


def planned(command: F) -> F:
    """What makes one plan of an experiment: the seed, --short, --without."""
    for option in (
        click.option("--without", metavar="CHECK", multiple=True, help="Leave out checks of this kind, e.g. promql."),
        click.option("--short", is_flag=True, help="The experiment's short form, for tests."),
        click.option("--seed", type=int, default=7, show_default=True, help="All randomness comes from it."),
        click.argument("experiment"),
    ):
        command = option(command)
    return command


runs_option = click.option(
    "--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where runs are kept."
)


def pairs(sets: Sequence[str]) -> dict[str, str]:
    """`KNOB=VALUE` texts as a dict. Raises BadExperiment."""
    for text in sets:
        if "=" not in text:
            raise BadExperiment(f"--set {text}: expected KNOB=VALUE, e.g. --set boot_lanes=8")
    return dict(text.split("=", 1) for text in sets)


def experiment_file(name: str, root: Path) -> Path:
    """The file of an experiment given by path or by name. Raises BadExperiment with the nearest name."""
    from chaos.registry import hint

    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return Path(name)
    path = root / "experiments" / f"{name}.yaml"
    if not root.joinpath("experiments").is_dir():
        raise BadExperiment(f"no folder {root / 'experiments'}; run chaos in the project's folder, or name the stack's "
                            "description with --stack FILE")  # fmt: skip
    if not path.exists():
        known = [p.stem for p in experiment_files(root)]
        raise BadExperiment(f"no experiment called {name!r} in {path.parent}; {hint(name, known)}")
    return path


def experiment_files(root: Path) -> list[Path]:
    return sorted((root / "experiments").glob("*.yaml"))


def read_stack(
    file: Path, target: str, experiment: Experiment | None, posture: str | None, sets: Sequence[str]
) -> Stack:
    """The stack under the posture asked for, else the experiment's, else the file's first."""
    from chaos import stackfile

    wanted = posture or (experiment.stack.posture if experiment else None)
    given, own = pairs(sets), {}
    if experiment is not None:
        own = {k: _typed(k, given.pop(k), v) if k in given else v for k, v in experiment.knobs.items()}
        given = {k: json.dumps(v) for k, v in experiment.stack.sets.items()} | given
    stack = stackfile.read(file, wanted, given, environ=os.environ, strict=target == "process")
    if shared := sorted(set(own) & set(stack.settings)):
        raise BadExperiment(f"knobs: {', '.join(shared)}: the stack has such a knob; write it under `stack.set`")
    return replace(stack, settings={**stack.settings, **own})


def _typed(knob: str, text: str, default: Any) -> Any:
    """`--set KNOB=text` as a value of the kind the experiment gave it. Raises BadExperiment."""
    import yaml

    value = yaml.load(text, Loader=yaml.CSafeLoader)
    if type(value) is not type(default):
        raise BadExperiment(f"--set {knob}={text}: expected something like {default!r}, of the same kind")
    return value


def make_plan(
    file: Path,
    experiment: Experiment,
    target: Target,
    stack: Stack,
    seed: int,
    short: bool,
    without: Sequence[str],
    leashed: bool = False,
) -> Plan:
    """Raises BadExperiment with every problem of the experiment under this stack, target and seed."""
    from chaos import ownership, planning

    users = stack.root / "experiments" / experiment.load.users
    if not users.is_file():
        raise BadExperiment(f"{file}: load.users: no file {users}; expected a users' file in the folder `experiments` "
                            "beside the stack's description; another stack is named with --stack FILE")  # fmt: skip
    try:
        compile(users.read_bytes(), users, "exec")  # what it does is found out by the load, once the stack is up
    except (SyntaxError, ValueError) as e:
        raise BadExperiment(f"{users}:{getattr(e, 'lineno', None) or 1}: {getattr(e, 'msg', e)}") from None
    settings: Mapping[str, Any] = {**stack.settings, "short": short}
    facts = incident(experiment, stack.root)
    staff = ownership.declared(stack)
    postures = tuple(stack.extension.get("postures") or ())
    choices = planning.Choices(
        seed, settings, facts, frozenset(without), short, leashed, stack.between_zones_ms, staff, postures
    )
    return planning.plan(str(file), experiment, target, choices)


def incident(experiment: Experiment, root: Path) -> Mapping[str, Any]:
    """The facts an experiment stands beside: seeds/NAME.yaml, {} where it names none. Raises BadExperiment."""
    from chaos import seeds

    return seeds.raw(seeds.path(root, experiment.incident)) if experiment.incident else {}
