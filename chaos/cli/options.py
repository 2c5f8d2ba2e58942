"""Options that several commands share, and what they refer to: a stack, an experiment, a target."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chaos import naming
from chaos.cli import out
from chaos.errors import BadExperiment
from chaos.targets import known as targets
from chaos.targets.known import ATTACHED, KNOWN

if TYPE_CHECKING:
    from chaos.experiment.file import Experiment
    from chaos.experiment.plan import Plan
    from chaos.experiment.stack import Stack
    from chaos.protocols import Target

F = TypeVar("F", bound=Callable[..., Any])

_PROJECT = "chaos.project"  # key of the context's `meta`: the value of --project


def _default() -> Path:
    from chaos.experiment import stack

    return stack.default()


def _stack_file(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    return Path(naming.PROJECT + ctx.meta[_PROJECT]) if ctx.meta.get(_PROJECT) else value


stack_option = click.option(
    "--stack",
    "stack_file",
    type=click.Path(path_type=Path),
    callback=_stack_file,
    default=_default,
    show_default="as Compose finds it",
    help="The stack's Compose file.",
)
TARGETS = tuple(KNOWN)


def _attached(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and not naming.fits(value):
        raise click.BadParameter(f"{value!r} is no name of a Compose project; `docker ps` shows them.", ctx, param)
    ctx.meta[_PROJECT] = value


def _known(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check the target when the option is used, because targets may have been added since the import."""
    if ctx.meta.get(_PROJECT):
        if value not in (None, ATTACHED):
            raise click.BadParameter("a running project (--project) is a target of its own.", ctx, param)
        return ATTACHED
    if value is not None and value not in (*KNOWN, ATTACHED):
        raise click.BadParameter(f"{value!r} is not one of {', '.join(map(repr, KNOWN))}.", ctx, param)
    return value


def stacked(command: F) -> F:
    """--stack, --target, --posture and --set: which stack, on which target, with which knobs."""
    for option in (
        click.option(
            "--set",
            "sets",
            metavar="KNOB=VALUE",
            multiple=True,
            help="Set one knob on top of the posture (repeatable).",
        ),
        click.option("--posture", help="A named set of the stack's knobs, e.g. as-was or remedied."),
        click.option(
            "--target",
            callback=_known,
            metavar=f"[{'|'.join(TARGETS)}]",
            help="compose: containers. process: local processes in a box. Default: compose if an engine answers.",
        ),
        click.option(
            "--project",
            metavar="NAME",
            callback=_attached,
            is_eager=True,
            expose_value=False,
            help="Attach to a Compose project that runs, whoever started it, instead of a stack of one's own.",
        ),
        stack_option,
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Asked:
    """The request for one plan, from the options of `planned`."""

    experiment: str  # its name or file
    seed: int
    short: bool
    without: tuple[str, ...]
    stack_file: Path
    target: str | None
    posture: str | None
    sets: tuple[str, ...]

    @property
    def file(self) -> Path:
        """The experiment's file. Raises BadExperiment with the nearest name."""
        stack = self.stack_file
        if naming.project(stack) is None and stack != Path(naming.STACK) and not stack.exists():
            raise BadExperiment(f"{stack}: no such file; name the stack's description with --stack FILE")
        return experiment_file(self.experiment, self.stack_file.parent)

    def read(self) -> Experiment:
        """The experiment. Raises BadExperiment with every problem of the file."""
        from chaos.experiment import file as experiments

        return experiments.read(self.file, self.short)


def planned(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of plan, run and sweep, which all plan an experiment.

    The command gets them as `Asked`, followed by its own options.
    """

    @functools.wraps(command)
    def asking(**options: Any) -> Any:
        asked = Asked(**{field.name: options.pop(field.name) for field in fields(Asked)})
        return command(asked, **options)

    found: Callable[..., Any] = asking
    for option in (
        click.option("--without", metavar="CHECK", multiple=True, help="Leave out checks of this kind, e.g. promql."),
        click.option("--short", is_flag=True, help="Run the experiment's short form."),
        click.option("--seed", type=int, default=7, show_default=True, help="The seed of all randomness."),
        click.argument("experiment"),
    ):
        found = option(found)
    return stacked(found)


runs_option = click.option(
    "--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="The folder of runs."
)


def renamed(old: str, new: str) -> None:
    """Warn that an option was given by its former name, which works for one more release."""
    click.echo(f"warning: {old} is now {new}; the next release no longer accepts {old}", err=True)


def pairs(sets: Sequence[str]) -> dict[str, str]:
    """`KNOB=VALUE` texts as a dict, with hidden values restored. Raises BadExperiment."""
    from chaos import redaction

    found = {}
    for text in sets:
        knob, equals, value = text.partition("=")
        if not equals:
            raise BadExperiment(f"--set {redaction.shown('', text)}: expected KNOB=VALUE, e.g. --set boot_lanes=8")
        real = redaction.restored(knob, value, os.environ)
        if real is None:
            own = f'{redaction.CARRIED}=\'{{"{knob}": "…"}}\''
            raise BadExperiment(f"--set {text}: found a hidden value, expected the real one: write it, or set {own}")
        found[knob] = real
    return found


def experiment_file(name: str, root: Path) -> Path:
    """The file of an experiment, given by path or name. Raises BadExperiment with the nearest name."""
    from chaos import yamlfile
    from chaos.registry import hint

    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return Path(name)
    if not root.joinpath("experiments").is_dir():
        raise BadExperiment(f"no folder {root / 'experiments'}; run chaos in the project's folder, or name the stack's "
                            "description with --stack FILE")  # fmt: skip
    path = yamlfile.find(root / "experiments", name)
    if path is None:
        known = hint(name, yamlfile.names(root / "experiments"))
        raise BadExperiment(f"no experiment called {name!r} in {root / 'experiments'}; {known}")
    return path


def read_stack(
    file: Path, target: str, experiment: Experiment | None, posture: str | None, sets: Sequence[str]
) -> Stack:
    """The stack with the requested posture, else the experiment's, else the file's first."""
    wanted = posture or (experiment.stack.posture if experiment else None)
    given, own = pairs(sets), {}
    if experiment is not None:
        own = {k: _typed(k, given.pop(k), v) if k in given else v for k, v in experiment.knobs.items()}
        given = {k: json.dumps(v) for k, v in experiment.stack.sets.items()} | given
    stack = targets.read(target, file, wanted, given, os.environ)
    if shared := sorted(set(own) & set(stack.settings)):
        raise BadExperiment(f"knobs: {', '.join(shared)}: the stack has such a knob; write it under `stack.set`")
    stack = replace(stack, settings={**stack.settings, **own})
    out.hide(stack.hider())
    return stack


def _typed(knob: str, text: str, default: Any) -> Any:
    """`--set KNOB=text` as a value of the type in the experiment. Raises BadExperiment."""
    from chaos import redaction, yamlfile

    where = f"--set {redaction.assignment(f'{knob}={text}')}"
    value = yamlfile.value(text, where)
    if type(value) is not type(default):
        raise BadExperiment(f"{where}: expected something like {redaction.shown(knob, default)!r}, of the same kind")
    return value


def make_plan(
    file: Path,
    experiment: Experiment,
    target: Target,
    stack: Stack,
    seed: int,
    short: bool,
    without: Sequence[str],
    no_faults: bool = False,
) -> Plan:
    """Make a plan. Raises BadExperiment with every problem of the experiment with this stack, target and seed."""
    import msgspec

    from chaos.experiment import extensions, loadfile, planning, xfail
    from chaos.experiment.programs import programs

    load_file, known = "", None
    if experiment.load is not None:  # what only running a load's file would tell is checked by the load
        load_file, known = loadfile.read(file, experiment.load, stack.root)
    settings: Mapping[str, Any] = {**stack.settings, "short": short}
    choices = planning.Choices(
        seed=seed,
        settings=settings,
        found=extensions.found(experiment.blocks, stack),
        without=frozenset(without),
        short=short,
        no_faults=no_faults,
        between_zones_ms=stack.between_zones_ms,
        postures=tuple(stack.extension.get("postures") or ()),
        described=(*stack.nodes, *stack.elsewhere),
        users=known,
        load_file=load_file,
    )
    for words in xfail.outdated(experiment.checks):
        click.echo(f"warning: {file}: {words}", err=True)
    plan = planning.plan(str(file), experiment, target, choices)
    found = programs(stack, plan, containers=target.contained)
    return msgspec.structs.replace(plan, programs=found, kept_in=target.kept_in)
