"""`chaos simulate`: computes a whole site with all its users, from the plant, postures and mechanism of a run."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos import redaction
from chaos.cli.options import experiment_file, pairs, read_stack, runs_option, stack_option
from chaos.errors import BadExperiment

if TYPE_CHECKING:
    from chaos.incidents.dossier import Dossier
    from chaos.incidents.report.simulation import Told
    from chaos.incidents.simulation.file import Setting, Simulation
    from chaos.incidents.simulation.model.scene import Scene
    from chaos.judge.measures.calibration import Measured

MOST = {"servers": 10_000_000, "users": 10_000_000_000, "lanes": 100_000}


class _Number(click.ParamType[int]):
    """A positive integer in a usual notation: 32000, 32_000, 53e6."""

    name = "number"

    def __init__(self, most: int) -> None:
        self.most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = float(str(value).replace("_", ""))
        except ValueError:
            self.fail(f"found {value!r}, expected a whole number such as 32000 or 53e6", param, ctx)
        if not math.isfinite(number) or number != int(number) or not 1 <= number <= self.most:
            self.fail(f"found {value}, expected a whole number from 1 to {self.most:,}", param, ctx)
        return int(number)


@click.command("simulate", epilog="Example: chaos simulate kakao-2022-10-15 --servers 32000 --users 53e6 "
               "--calibrate last")  # fmt: skip
@click.argument("incident")
@click.option(
    "--servers", type=_Number(MOST["servers"]), help="Servers of the burned site. Default: the experiment's plant."
)
@click.option(
    "--users", type=_Number(MOST["users"]), help="Number of users. Default: those affected, from the dossier."
)
@click.option(
    "--lanes", type=_Number(MOST["lanes"]), help="Servers that boot at the same time. Default: the posture's."
)
@click.option("--seed", type=int, default=7, show_default=True, help="All randomness comes from it.")
@click.option("--posture", help="The stack's named set of knobs, e.g. as-was or remedied.")
@click.option("--set", "sets", metavar="KNOB=VALUE", multiple=True, help="A knob of the stack, or an assumption.")
@click.option("--calibrate", metavar="RUN", multiple=True, help="Take service, boot and failover times from this run.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, hour by hour.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page with the curves to this file."
)
@runs_option
@stack_option
def simulate_command(
    incident: str,
    servers: int | None,
    users: int | None,
    lanes: int | None,
    seed: int,
    posture: str | None,
    sets: tuple[str, ...],
    calibrate: tuple[str, ...],
    as_json: bool,
    html: Path | None,
    runs: Path,
    stack_file: Path,
) -> None:
    """Simulate how a whole site fails and recovers, and list the assumptions.

    The plant, the postures, the seats and the operators' hour are the experiment's; nothing is started.
    """
    sizes = {"servers": servers, "users": users, "lanes": lanes}
    told = _tell(stack_file, incident, sizes, seed, posture, sets, calibrate, runs)
    from chaos.incidents.report import simulation as report
    from chaos.incidents.report import simulation_page
    from chaos.record.store import pretty, write

    if html:
        write(html, simulation_page.render(told).encode())
    if as_json:
        click.echo(pretty(report.document(told)).decode(), nl=False)
        return
    click.echo(report.render(told, width=_width(), color=sys.stdout.isatty()), nl=False)
    if html:
        click.echo(f"Page    {html}")


def _tell(
    stack_file: Path,
    incident: str,
    sizes: Mapping[str, int | None],
    seed: int,
    posture: str | None,
    sets: tuple[str, ...],
    calibrate: tuple[str, ...],
    runs: Path,
) -> Told:
    from chaos.incidents import file as dossiers
    from chaos.incidents.report.beside import beside
    from chaos.incidents.report.simulation import Told
    from chaos.incidents.simulation import file as simulations
    from chaos.incidents.simulation.model import simulate

    root = stack_file.parent
    dossier = dossiers.read(dossiers.path(root, incident))
    settled = setting(stack_file, simulations.read(root, incident), dossier, seed, posture, sets, sizes,
                      _measured(root, runs, calibrate, incident))  # fmt: skip
    made = simulations.scene(settled, sizes["users"] or _affected(dossier), sizes["servers"], sizes["lanes"])
    _fits(made)
    variants = list(simulations.variants(made, dossier))
    result, *others = simulate([made, *(s for _, _, s in variants)], seed)
    reproduced = frozenset(n for c in settled.plan.checks for n in c.params.get("reproduced", ()))
    return Told(
        dossier=dossier,
        result=result,
        rows=beside(result, dossier, settled.plan.settings, reproduced),
        given=[(g.name, g.value, g.source) for g in simulations.given(settled, made)],
        what_if=[(knob, value, r) for (knob, value, _), r in zip(variants, others, strict=True)],
        seed=seed,
        again=_again(incident, sizes, seed, posture, sets, calibrate),
    )


def setting(
    stack_file: Path,
    found: Simulation,
    dossier: Dossier,
    seed: int,
    posture: str | None,
    sets: tuple[str, ...],
    sizes: Mapping[str, int | None],
    measured: Mapping[str, tuple[Measured, str]],
) -> Setting:
    """Everything needed for a simulation, with the experiment planned without a target. Raises BadExperiment."""
    from chaos.experiment import file as experiments
    from chaos.experiment import planning
    from chaos.incidents import file as dossiers
    from chaos.incidents.simulation import file as simulations
    from chaos.targets.memory.target import Memory

    root = stack_file.parent
    mine = {k: v for k, v in pairs(sets).items() if k in simulations.Assumed.__struct_fields__}
    rest = [text for text in sets if text.partition("=")[0] not in mine]
    file = experiment_file(found.experiment, root)
    experiment = experiments.read(file)
    stack = read_stack(stack_file, "memory", experiment, posture, rest)
    facts = {"incident": dossiers.raw(dossiers.path(root, dossier.id))}
    choices = planning.Choices(seed, {**stack.settings, "short": False}, facts)
    made = simulations.Setting(
        found, experiment, planning.plan(str(file), experiment, Memory(stack.nodes), choices), dossier,
        simulations.assume(found, mine), measured, frozenset([*mine, *(k for k, v in sizes.items() if v)]),
    )  # fmt: skip
    simulations.check(str(file), made)
    return made


def _measured(root: Path, runs: Path, calibrate: tuple[str, ...], incident: str) -> Mapping[str, tuple[Measured, str]]:
    """The measurements of these runs; for each figure the last run that has it counts."""
    from chaos.incidents.simulation import file as simulations
    from chaos.judge.measures.calibration import calibration
    from chaos.record.journal import Journal
    from chaos.record.store import find
    from chaos.report import label

    found: dict[str, tuple[Measured, str]] = {}
    for name in calibrate:
        of = simulations.read(root, incident)
        run = find(runs, name)
        journal = Journal.load(run)
        if journal.damage:
            raise BadExperiment(f"--calibrate {name}: {run} cannot be read as a whole; `chaos check {run}` says where")
        measured = calibration(journal, of.crowd, of.log_in)
        if not measured:
            raise BadExperiment(f"--calibrate {name}: {run} shows neither service, boot nor failover times; take a "
                                f"whole run of {of.experiment}")  # fmt: skip
        found |= {key: (value, label(run)) for key, value in measured.items()}
    return found


def _affected(dossier: Dossier) -> int:
    users = dossier.from_the_seeds.get("users")
    known = users.get("affected_worldwide") if isinstance(users, Mapping) else None
    if not isinstance(known, int | float):
        raise BadExperiment(f"seeds/{dossier.id}.yaml does not say how many users were affected; say --users N")
    return int(known)


def _fits(made: Scene) -> None:
    if made.servers < made.units:
        raise BadExperiment(f"--servers {made.servers}: fewer than the plant's {made.units} boot units; "
                            f"expected {made.units} or more")  # fmt: skip


def _again(
    incident: str,
    sizes: Mapping[str, int | None],
    seed: int,
    posture: str | None,
    sets: tuple[str, ...],
    calibrate: tuple[str, ...],
) -> str:
    parts = [f"chaos simulate {incident} --seed {seed}"]
    parts += [f"--{k} {v}" for k, v in sizes.items() if v]
    parts += [f"--posture {posture}"] if posture else []
    parts += [f"--set {redaction.assignment(text)}" for text in sets] + [f"--calibrate {run}" for run in calibrate]
    return " ".join(parts)


def _width() -> int:
    from shutil import get_terminal_size

    return min(get_terminal_size((120, 24)).columns, 140)
