"""Reads experiments/simulations/NAME.yaml, and makes a scene of it, its experiment, the stack and measured runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from chaos import forms, naming, registry, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment.file import Entry, Experiment, selectors, unknown_fields
from chaos.experiment.plan import Plan
from chaos.incidents.dossier import Dossier
from chaos.incidents.planning.plant import UNTIL, Plant, written
from chaos.incidents.simulation.model.scene import Component, Scene
from chaos.judge.measures.calibration import Measured
from chaos.units import duration, rate, share

FOLDER = Path("experiments") / "simulations"
WHOLE = {"tries"}  # assumed values that are whole numbers
SHARES = {"spare_capacity": (0.0, 10.0), "utilisation": (0.01, 1.0), "boot_spread": (0.0, 10.0),
          "log_in_share": (0.0, 1.0)}  # least, most  # fmt: skip


class Needs(msgspec.Struct, forbid_unknown_fields=True):
    needs: tuple[str, ...]


class Assumed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Assumed values, for which there is no source. The names give the units."""

    spare_capacity: float
    utilisation: float
    ops_per_user_hour: float
    tries: int
    log_in_share: float
    retry_s: float
    retry_most_s: float
    boot_spread: float
    token_hours: float
    failover_s: float
    promote_s: float
    start_s: float
    op_ms: float
    login_ms: float


class Simulation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    incident: str
    experiment: str
    tool: str  # the component that promotes copies, as long as more than half of its instances are up
    crowd: str  # the service whose users are simulated
    services: Mapping[str, Needs]
    assumed: Assumed
    at_once: tuple[str, ...] = ()
    log_in: str = ""  # the journey whose latency in a run is that of a log-in; empty: none
    third_party: str = ""  # the service with which users of other sites log in; empty: none


@dataclass(frozen=True)
class Given:
    """One input of a simulation, with its source."""

    name: str
    value: Any
    source: str  # assumed, measured by a run, an experiment's file, the stack, the command line


def names(root: Path) -> list[str]:
    return yamlfile.names(root / FOLDER)


def read(root: Path, name: str) -> Simulation:
    """Return the simulation of the incident `name`. Raises BadExperiment."""
    folder = root / FOLDER
    path = yamlfile.find(folder, name)
    if path is None:
        known = registry.hint(name, names(root))
        raise BadExperiment(f"nothing simulates {name!r}: no {folder / name}.yaml; {known}")
    doc = yamlfile.mapping(path)
    problems = [f"{path}: {p}" for p in unknown_fields(Simulation, doc)]
    problems += [f"{path}: assumed: {p}" for p in unknown_fields(Assumed, doc.get("assumed"))]
    if problems:
        raise BadExperiment(*problems)
    found = forms.convert(doc, Simulation, str(path))
    if not naming.fits(found.experiment):
        problems.append(f"{path}: experiment: found {found.experiment!r}, expected the name of an experiment")
    for key in ("crowd", "third_party"):
        if (named := getattr(found, key)) not in found.services and (named or key == "crowd"):
            problems.append(f"{path}: {key}: no service called {named!r}; {registry.hint(named, found.services)}")
    problems += [f"{path}: assumed.{p}" for p in _wrong(found.assumed)]
    if problems:
        raise BadExperiment(*problems)
    return found


def assume(simulation: Simulation, sets: Mapping[str, str]) -> Assumed:
    """Return the file's assumptions, overridden by those of `--set`. Raises BadExperiment."""
    values = msgspec.to_builtins(simulation.assumed)
    for name, text in sets.items():
        value = yamlfile.value(text, f"--set {name}={text}")
        if isinstance(value, bool) or not isinstance(value, int if name in WHOLE else int | float):
            raise BadExperiment(f"--set {name}={text}: expected a {'whole ' if name in WHOLE else ''}number")
        values[name] = value
    found = forms.convert(values, Assumed, "--set")
    if problems := [f"--set {p}" for p in _wrong(found)]:
        raise BadExperiment(*problems)
    return found


def _wrong(assumed: Assumed) -> Iterator[str]:
    for name, value in msgspec.to_builtins(assumed).items():
        least, most = SHARES.get(name, (0.0, float("inf")))
        if not least <= value <= most:
            upto = f" to {most:g}" if most != float("inf") else " or more"
            yield f"{name}: found {value:g}, expected {least:g}{upto}"
    for name in ("tries", "retry_s", "ops_per_user_hour", "op_ms", "token_hours"):
        if getattr(assumed, name) <= 0:
            yield f"{name}: found {getattr(assumed, name):g}, expected more than 0"


@dataclass(frozen=True)
class Setting:
    """Everything that one simulation is made from. `check` must accept it before `scene` uses it."""

    simulation: Simulation
    experiment: Experiment
    plan: Plan  # of the experiment, for the chosen posture and seed
    dossier: Dossier
    assumed: Assumed
    measured: Mapping[str, tuple[Measured, str]]  # name → the measurement, and the name of its run
    chosen: frozenset[str] = frozenset()  # names set on the command line


def scene(setting: Setting, users: int, servers: int | None = None, lanes: int | None = None) -> Scene:
    """Return the scene. `servers` and `lanes` default to those of the experiment."""
    x, plan = setting.experiment, setting.plan
    site, hours = written(x), setting.dossier.when.outage_hours
    assert site is not None and hours is not None, "`check` comes first"
    a = _effective(setting)
    return Scene(
        hours=hours,
        servers=servers or site.servers,
        units=site.units,
        lanes=lanes or _lanes(site, plan.settings),
        boot_per_hour=rate(site.boot) * 3600,
        boot_spread=a.boot_spread,
        power=[(duration(t) / 3600, share(p)) for t, p in site.power.items()],
        blows=list(_blows(x, plan)),
        components=_components(setting),
        services={name: s.needs for name, s in setting.simulation.services.items()},
        by_hand=_by_hand(plan),
        tool_lives=_tool_lives(setting),
        failover_s=a.failover_s,
        promote_s=a.promote_s,
        start_s=a.start_s,
        users=users,
        crowd=setting.simulation.crowd,
        ops_per_user_hour=a.ops_per_user_hour,
        reconnect_cost=1 + a.log_in_share * a.login_ms / a.op_ms,
        tries=a.tries,
        retry_s=a.retry_s,
        retry_most_s=a.retry_most_s,
        utilisation=a.utilisation,
        spare_capacity=a.spare_capacity,
        third_party=setting.simulation.third_party,
        token_hours=a.token_hours,
    )


def check(file: str, setting: Setting) -> None:
    """Check that experiment, stack and dossier can make a scene. Raises BadExperiment with all problems."""
    problems = []
    if written(setting.experiment) is None:
        problems.append(f"{file}: no `plant:`, so nobody knows how the site boots; write one, or simulate another")
    if setting.dossier.when.outage_hours is None:
        problems.append(f"seeds/{setting.dossier.id}.yaml: when.outage_hours: missing; it says how long to simulate")
    known = {n["component"] for n in setting.plan.nodes}
    for name, service in setting.simulation.services.items():
        for needed in service.needs:
            if needed not in known:
                hint = registry.hint(needed, known)
                problems.append(f"services.{name}.needs: no component called {needed!r} in the stack; {hint}")
    if problems:
        raise BadExperiment(*problems)


def given(setting: Setting, made: Scene) -> list[Given]:
    """Return all inputs of the scene, each with its source."""
    x, file = setting.experiment, f"experiments/{setting.simulation.experiment}.yaml"
    posture = f"the stack, {setting.plan.posture or 'no posture'}"
    copies = sorted(n for n, c in made.components.items() if c.copy and c.blow is not None)
    lines = [
        Given("servers", made.servers, _from(setting, "servers", file)),
        Given("users", made.users, _from(setting, "users", f"seeds/{setting.dossier.id}.yaml")),
        Given("boot servers an hour and lane", made.boot_per_hour, file),
        Given("boot lanes", made.lanes, _from(setting, "lanes", posture)),
        Given("power, hour: share", ", ".join(f"{t:g}: {p:.0%}" for t, p in made.power), file),
        Given("servers lost, hour: share", ", ".join(f"{t:g}: {p:.0%}" for t, p in made.blows), file),
        Given("the promoting tool", "lives" if made.tool_lives else "is lost", posture),
        Given("copies elsewhere", ", ".join(copies), posture),
    ]
    if made.by_hand and not made.tool_lives:
        said = f"{', '.join(sorted(made.by_hand))} at {min(made.by_hand.values()):g} h"
        lines.append(Given("promoted by hand", said, file))
    site = written(x)
    if seats := site.seats if site else {}:
        said = ", ".join(f"{n} {u}" for n, u in sorted(seats.items(), key=lambda s: (s[1], s[0])))
        lines.append(Given(f"boot unit of {made.units}", f"{said}; others by the seed", file))
    effective = _effective(setting)
    for field in msgspec.structs.fields(Assumed):
        name = field.name
        source = "assumed"
        if name in setting.chosen:
            source = "the command line"
        elif name in setting.measured:
            found, run = setting.measured[name]
            source = f"measured by {run} (median of {found.n:,})"
        lines.append(Given(name, getattr(effective, name), source))
    return lines


def variants(made: Scene, dossier: Dossier) -> Iterator[tuple[str, Any, Scene]]:
    """Yield (knob, value, scene) for each value of the counterfactuals that change a single knob of the scene."""
    knobs = {"boot_lanes": "lanes", "spare_capacity": "spare_capacity"}
    assert set(knobs.values()) <= {f.name for f in fields(Scene)}
    for what_if in dossier.counterfactuals:
        for knob, values in what_if.knobs.items():
            if knob in knobs and len(what_if.knobs) == 1:
                for value in values if isinstance(values, list | tuple) else [values]:
                    changed: Any = {knobs[knob]: value}
                    yield knob, value, replace(made, **changed)


def _effective(setting: Setting) -> Assumed:
    """Return the assumptions. Measurements of a run replace those that the command line does not set."""
    found = {n: m.value for n, (m, _) in setting.measured.items() if n not in setting.chosen}
    return msgspec.structs.replace(setting.assumed, **found)


def _from(setting: Setting, name: str, otherwise: str) -> str:
    return "the command line" if name in setting.chosen else otherwise


def _lanes(site: Plant, settings: Mapping[str, Any]) -> int:
    """Return the number of boot lanes. A text such as `${boot_lanes}` stands for the value of that setting."""
    text = str(site.lanes)
    return int(settings[text[2:-1]] if text.startswith("${") else text)


def _burned(plan: Plan) -> Mapping[str, float]:
    """Return the incident hour of the first blow, for each node that comes back with the plant."""
    scale = plan.scale / 3600
    steps = sorted((s for s in plan.steps if any(r.unit for r in s.releases)), key=lambda s: -s.at)
    return {name: s.at * scale for s in steps for name in s.nodes}


def _seats(plan: Plan) -> Mapping[str, int]:
    return {name: r.unit for s in plan.steps for r in s.releases for name in r.nodes if r.unit}


def _components(setting: Setting) -> Mapping[str, Component]:
    plan = setting.plan
    burned, seats = _burned(plan), _seats(plan)
    found: dict[str, Component] = {}
    for component in sorted({n["component"] for n in plan.nodes}):
        mine = [n["name"] for n in plan.nodes if n["component"] == component]
        here = [n for n in mine if n in burned]
        found[component] = Component(
            blow=min((burned[n] for n in here), default=None),
            seat=max((seats[n] for n in here), default=0),
            copy=len(here) < len(mine),
            at_once=component in setting.simulation.at_once,
        )
    return found


def _tool_lives(setting: Setting) -> bool:
    mine = [n["name"] for n in setting.plan.nodes if n["component"] == setting.simulation.tool]
    left = [n for n in mine if n not in _burned(setting.plan)]
    return len(left) * 2 > len(mine)


def _by_hand(plan: Plan) -> Mapping[str, float]:
    of = {n["name"]: n["component"] for n in plan.nodes}
    return {of[node]: act.at * plan.scale / 3600 for act in plan.acts for node in act.nodes}


def _blows(experiment: Experiment, plan: Plan) -> Iterator[tuple[float, float]]:
    """Yield the hour of each blow and its share of the site's servers. The last blow takes the rest."""
    left = 1.0
    steps = {s.id: s for s in plan.steps}
    entries = [e for e in experiment.timeline if e.until == UNTIL and (e.id is None or e.id in steps)]
    for n, entry in enumerate(entries, 1):
        part = left if n == len(entries) else min(left, max(_shares(entry), default=left))
        left -= part
        yield duration(entry.at) / 3600, part


def _shares(entry: Entry) -> Iterator[float]:
    yield from (share(w["share"]) for w in selectors(entry.where) if "share" in w)
