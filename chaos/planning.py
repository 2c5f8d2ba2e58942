"""Experiment + seed + nodes → Plan. Every choice is made and every problem found here, before anything is touched."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment import Condition, Entry, Experiment, Gap, Plant, Where, unknown_fields
from chaos.model import Node
from chaos.models.plant import boots
from chaos.plan import Act, CheckSpec, LoadSpec, Plan, ProbeSpec, Release, Step
from chaos.protocols import CanExec, Target
from chaos.units import duration, quantity, rate, share

CHOOSERS = {"pick", "share", "except"}


@dataclass(frozen=True)
class Choices:
    """What the user chose on the command line, beside the file."""

    seed: int
    settings: Mapping[str, Any]
    incident: Mapping[str, Any]
    without: frozenset[str] = frozenset()  # kinds of check to do without
    short: bool = False


def plan(file: str, experiment: Experiment, target: Target, choices: Choices) -> Plan:
    """The plan of one run. Raises BadExperiment with all problems, each with its place in `file`."""
    return _Planner(file, experiment, target, choices).plan()


class _Planner:
    def __init__(self, file: str, experiment: Experiment, target: Target, choices: Choices) -> None:
        self.file, self.experiment, self.target, self.choices = file, experiment, target, choices
        self.nodes = sorted(target.nodes())
        self.dice = random.Random(choices.seed)
        self.problems: list[str] = []
        self.steps: list[Step] = []
        self.acts: list[Act] = []

    def plan(self) -> Plan:
        x = self.experiment
        units, seats = self._site(x.plant)
        for n, entry in enumerate(x.timeline):
            if self._applies(entry.when, f"timeline[{n}].when"):
                self._entry(n, entry, units, seats)
        self._close_open_steps()
        self._overlaps()
        probes, checks, left_out = self._checks()
        load = LoadSpec(
            users=x.load.users,
            count=x.load.count,
            rate=self._try(rate, x.load.rate, "load.rate"),
            floor=self._try(rate, x.load.floor, "load.floor"),
            seed=self.choices.seed,
        )
        made = Plan(
            experiment=x.name,
            claim=x.claim,
            seed=self.choices.seed,
            target=self.target.name,
            settings=dict(self.choices.settings),
            scale=x.scale,
            short=self.choices.short,
            steady=self._try(duration, x.steady.lasts, "steady.for"),
            steady_within=self._try(duration, x.steady.within, "steady.within"),
            hold=self._try(duration, x.hold, "hold"),
            length=self._length(),
            recover=self._try(duration, x.recover, "recover"),
            nodes=tuple(
                {"name": n.name, "component": n.component, "zone": n.zone, "owner": n.owner} for n in self.nodes
            ),
            steps=tuple(sorted(self.steps, key=lambda s: (s.at, s.id))),
            acts=tuple(sorted(self.acts, key=lambda a: (a.at, a.id))),
            load=load,
            probes=tuple(probes),
            checks=tuple(checks),
            left_out=tuple(left_out),
            incident=dict(self.choices.incident),
        )
        if self.problems:
            raise BadExperiment(*self.problems)
        return made

    # --- timeline

    def _entry(self, n: int, entry: Entry, units: Sequence[float], seats: Mapping[str, int]) -> None:
        place = f"timeline[{n}]"
        at = self._time(entry.at, f"{place}.at")
        nodes = self._select(entry.where, place)
        if (entry.fault is None) == (entry.do is None):
            self._problem(place, "expected either `fault:` or `do:`")
        elif entry.do is not None:
            self._act(place, entry, at, nodes)
        else:
            self._fault(place, entry, at, nodes, units, seats)

    def _act(self, place: str, entry: Entry, at: float, nodes: Sequence[Node]) -> None:
        assert entry.do is not None
        operation = self.experiment.operators.get(entry.do)
        if operation is None:
            known = registry.hint(entry.do, self.experiment.operators)
            self._problem(place, f"no operation called {entry.do!r} under `operators:`; {known}")
            return
        if not isinstance(self.target, CanExec):
            self._problem(place, f"{entry.do} needs a target that can run commands inside nodes")
        name = entry.id or f"{entry.do}-{len(self.acts) + 1}"
        self.acts.append(Act(name, at, entry.do, tuple(operation.exec), tuple(n.name for n in nodes)))

    def _fault(
        self,
        place: str,
        entry: Entry,
        at: float,
        nodes: Sequence[Node],
        units: Sequence[float],
        seats: Mapping[str, int],
    ) -> None:
        assert entry.fault is not None
        params = {k: quantity(v, self.experiment.scale) for k, v in entry.params.items()}
        try:
            cls = registry.load("chaos.faults", entry.fault)
            registry.build(cls, params)
            if not isinstance(self.target, cls.needs):
                why = getattr(self.target, "lacks", {}).get(cls.needs.__name__, "")
                self._problem(
                    place,
                    f"{entry.fault} needs a target that {_can(cls.needs)}; {self.target.name} cannot here"
                    + (f": {why}" if why else ""),
                )
        except BadExperiment as e:
            for p in e.problems:
                self._problem(place, p)
        names = tuple(n.name for n in nodes)
        releases: tuple[Release, ...] = ()
        if entry.until == "plant":
            releases = self._unit_releases(place, at, names, units, seats)
        elif entry.until is not None:
            self._problem(place, f"until: {entry.until!r}; only `until: plant` is known, or `for: DURATION`")
        elif entry.lasts is not None:
            releases = (Release(at + self._time(entry.lasts, f"{place}.for"), names),)
        name = entry.id or f"{entry.fault}-{len(self.steps) + 1}"
        if any(s.id == name for s in self.steps):
            self._problem(place, f"a second step called {name!r}")
        self.steps.append(Step(name, at, entry.fault, params, names, releases))

    def _unit_releases(
        self, place: str, at: float, names: Sequence[str], units: Sequence[float], seats: Mapping[str, int]
    ) -> tuple[Release, ...]:
        if not units:
            self._problem(place, "`until: plant` needs a `plant:` block in the file")
        if units and units[0] < at:
            self._problem(place, "the plant brings its first unit back before this step begins")
        return tuple(
            Release(t, tuple(name for name in names if seats[name] == unit), unit) for unit, t in enumerate(units, 1)
        )

    def _close_open_steps(self) -> None:
        """A fault that says no end lasts to the end of the timeline."""
        end = self._length()
        self.steps = [
            s if s.releases else Step(s.id, s.at, s.fault, s.params, s.nodes, (Release(end, s.nodes),))
            for s in self.steps
        ]

    def _length(self) -> float:
        return max([0.0, *(s.end for s in self.steps), *(a.at for a in self.acts)])

    def _overlaps(self) -> None:
        """Two windows of one fault on one node: the heal of the first would end the second."""
        until = {(s.id, name): r.t for s in self.steps for r in s.releases for name in r.nodes}
        for i, one in enumerate(self.steps):
            for other in self.steps[i + 1 :]:
                for name in sorted(set(one.nodes) & set(other.nodes)):
                    apart = one.at >= until[other.id, name] or other.at >= until[one.id, name]
                    if one.fault == other.fault and not apart:
                        self._problem(
                            "timeline",
                            f"{one.id} and {other.id} are both {one.fault} on {name} at the same time; "
                            f"leave it out of one with `except: {one.id}`",
                        )

    def _site(self, site: Plant | None) -> tuple[Sequence[float], Mapping[str, int]]:
        """When each boot unit is back (run seconds), and which unit each node sits in."""
        if site is None:
            return (), {}
        lanes = self._setting(site.lanes, "plant.lanes")
        power = [(self._time(t, "plant.power"), self._try(share, p, "plant.power")) for t, p in site.power.items()]
        boot = self._try(rate, site.boot, "plant.boot") * self.experiment.scale
        if not isinstance(lanes, int) or lanes < 1 or site.units < 1 or boot <= 0 or not power:
            self._problem("plant", "expected at least one unit, one lane, one point of power and a boot rate above 0")
            return (), {}
        for component, unit in site.seats.items():
            if component not in {n.component for n in self.nodes}:
                known = registry.hint(component, {n.component for n in self.nodes})
                self._problem(f"plant.seats.{component}", f"no such component; {known}")
            if not 1 <= unit <= site.units:
                self._problem(f"plant.seats.{component}", f"unit {unit} is outside 1 to {site.units}")
        seats = {n.name: site.seats.get(n.component) or self.dice.randint(1, site.units) for n in self.nodes}
        return [round(t, 6) for t in boots(site.units, site.servers / site.units / boot, lanes, power)], seats

    # --- selectors

    def _select(self, where: Where | Sequence[Where], place: str) -> Sequence[Node]:
        wheres = [where] if isinstance(where, Mapping) else where
        found = {n for w in wheres for n in self._match(w, f"{place}.where")}
        if not found:
            self._problem(place, f"where {_flow(where)} matches no node; nodes are {self._some()}")
        return sorted(found)

    def _match(self, where: Where, place: str) -> Sequence[Node]:
        labels = {k: v for k, v in where.items() if k not in CHOOSERS}
        for key in labels:
            if all(_label(n, key) is None for n in self.nodes):
                known = {"name", "component", "zone", "owner", *CHOOSERS, *(k for n in self.nodes for k in n.labels)}
                self._problem(place, f"no node has a label {key!r}; {registry.hint(key, known)}")
        hit = [n for n in self.nodes if all(_label(n, k) in _values(v) for k, v in labels.items())]
        spared = self._spared(where.get("except"), place)
        hit = [n for n in hit if n.name not in spared]
        if "share" in where:
            count = round(self._try(share, where["share"], f"{place}.share") * len(hit))
            hit = self.dice.sample(hit, count)
        if "pick" in where:
            wanted = where["pick"]
            if not isinstance(wanted, int) or wanted < 1 or wanted > len(hit):
                self._problem(place, f"pick: {wanted!r} of the {len(hit)} nodes that match; expected 1 to {len(hit)}")
            else:
                hit = self.dice.sample(hit, wanted)
        return hit

    def _spared(self, spare: Any, place: str) -> set[str]:
        """`except:` names an earlier step, or is a selector of its own."""
        if spare is None:
            return set()
        if isinstance(spare, Mapping):
            return {n.name for n in self._match(spare, f"{place}.except")}
        for step in self.steps:
            if step.id == spare:
                return set(step.nodes)
        known = registry.hint(str(spare), [s.id for s in self.steps])
        self._problem(place, f"except: no earlier step called {spare!r}; {known}")
        return set()

    def _some(self) -> str:
        names = [n.name for n in self.nodes]
        return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

    # --- checks

    def _checks(self) -> tuple[list[ProbeSpec], list[CheckSpec], list[str]]:
        probes: list[ProbeSpec] = []
        checks: list[CheckSpec] = []
        left_out: list[str] = []
        with_probe = registry.names("chaos.probes")
        known = registry.names("chaos.checkers")
        for kind in sorted(self.choices.without - set(known)):
            self.problems.append(f"--without {kind}: no such check; {registry.hint(kind, known)}")
        for n, raw in enumerate(self.experiment.checks):
            place = f"checks[{n}]"
            names = [k for k in raw if k not in {"known_gap", "when"}]
            if len(names) != 1:
                self._problem(place, f"expected one check, found {', '.join(map(repr, names)) or 'none'}")
                continue
            name = names[0]
            if not self._applies(raw.get("when") or {}, f"{place}.when"):
                continue
            if name in self.choices.without:
                left_out.append(f"{name} ({place}): --without {name}")
                continue
            params = {k: quantity(v, self.experiment.scale) for k, v in (raw[name] or {}).items()}
            ident = f"{name}-{n + 1}"
            if name in with_probe:
                params.setdefault("name", ident)
                probes.append(self._probe(place, name, params))
            try:
                registry.build(registry.load("chaos.checkers", name), params)
            except BadExperiment as e:
                for p in e.problems:
                    self._problem(place, p)
            why, may_hold = self._gap(raw.get("known_gap"), f"{place}.known_gap")
            checks.append(CheckSpec(ident, name, params, why, may_hold))
        return probes, checks, left_out

    def _probe(self, place: str, kind: str, params: Mapping[str, Any]) -> ProbeSpec:
        cls = registry.load("chaos.probes", kind)
        if missing := cls.missing(self.nodes):
            self._problem(place, f"{missing}, or leave these checks out with --without {kind}")
        mine = {k: v for k, v in params.items() if k in cls.takes}
        return ProbeSpec(kind, str(params["name"]), 1.0, mine)

    def _gap(self, raw: Any, place: str) -> tuple[str, bool]:
        if raw is None:
            return "", False
        if problems := unknown_fields(Gap, raw):
            for p in problems:
                self._problem(place, p)
            return "", False
        if not isinstance(raw, dict) or not raw.get("why"):
            self._problem(place, "expected {why: …, when: {…}, may_hold: true}")
            return "", False
        applies = self._applies(raw.get("when") or {}, f"{place}.when")
        return (str(raw["why"]), bool(raw.get("may_hold"))) if applies else ("", False)

    # --- small things

    def _applies(self, when: Condition, place: str) -> bool:
        for key, wanted in when.items():
            if key not in self.choices.settings:
                self._problem(place, f"no setting called {key!r}; {registry.hint(key, self.choices.settings)}")
            elif self.choices.settings[key] not in _values(wanted):
                return False
        return True

    def _setting(self, value: Any, place: str) -> Any:
        """`${boot_lanes}` is that setting's value."""
        if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
            name = value[2:-1]
            if name not in self.choices.settings:
                self._problem(place, f"no setting called {name!r}; {registry.hint(name, self.choices.settings)}")
            return self.choices.settings.get(name)
        return value

    def _time(self, text: str, place: str) -> float:
        return round(self._try(duration, text, place) / self.experiment.scale, 6)

    def _try(self, parse: Any, value: Any, place: str) -> float:
        try:
            return float(parse(value, f"{self.file}: {place}"))
        except BadExperiment as e:
            self.problems.extend(e.problems)
            return 0.0

    def _problem(self, place: str, text: str) -> None:
        self.problems.append(f"{self.file}: {place}: {text}")


def _label(node: Node, key: str) -> str | None:
    """A node's name, component, zone, owner, or any label, with or without `chaos.`."""
    if key in {"name", "component", "zone", "owner"}:
        return str(getattr(node, key))
    return node.labels.get(key, node.labels.get(f"chaos.{key}"))


def _values(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _flow(where: Any) -> str:
    if isinstance(where, Mapping):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in where.items()) + "}"
    return "[" + ", ".join(map(_flow, where)) + "]" if isinstance(where, list) else str(where)


def _can(needs: type) -> str:
    return {
        "CanKill": "can kill and start nodes",
        "CanPause": "can freeze nodes",
        "CanCut": "can cut links",
        "CanPower": "can cut links and kill nodes",
        "CanDeploy": "can roll out configurations",
        "CanExec": "can run commands inside nodes",
    }.get(needs.__name__, needs.__name__)
