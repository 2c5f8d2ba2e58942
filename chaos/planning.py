"""Experiment + seed + nodes → Plan. Every choice is made and every problem found here, before anything is touched."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chaos import bounds, registry
from chaos.errors import BadExperiment
from chaos.experiment import Condition, Entry, Experiment, Gap, People, Plant, Stop, Where, unknown_fields
from chaos.model import Node
from chaos.models.plant import boots
from chaos.models.reports import CATEGORIES
from chaos.models.staff import leaving
from chaos.ownership import Staff
from chaos.plan import Act, CheckSpec, LoadSpec, Peak, Plan, ProbeSpec, Region, Release, Step, StopSpec
from chaos.plan import People as PlannedPeople
from chaos.protocols import CanExec, CanShape, Target
from chaos.units import duration, quantity, rate, share

SLOT = re.compile(r"\$\{([^}]*)\}")
CHOOSERS = {"pick", "share", "except", "orphaned_by"}


@dataclass(frozen=True)
class Choices:
    """What the user chose on the command line, beside the file."""

    seed: int
    settings: Mapping[str, Any]
    incident: Mapping[str, Any]
    without: frozenset[str] = frozenset()  # kinds of check to do without
    short: bool = False
    leashed: bool = False
    between_zones_ms: float = 0.0  # what the stack says its zones are apart, one way
    staff: Staff | None = None  # who owns what, where the stack says so
    postures: tuple[str, ...] = ()  # those the stack has


def plan(file: str, experiment: Experiment, target: Target, choices: Choices) -> Plan:
    """The plan of one run. Raises BadExperiment with all problems, each with its place in `file`."""
    return _Planner(file, experiment, target, choices).plan()


class _Planner:
    def __init__(self, file: str, experiment: Experiment, target: Target, choices: Choices) -> None:
        self.file, self.experiment, self.target, self.choices = file, experiment, target, choices
        self.nodes = sorted(target.nodes())
        self.problems: list[str] = []
        self.steps: list[Step] = []
        self.acts: list[Act] = []
        self.idle: dict[str, str] = {}  # steps that hit nobody because nobody was orphaned: id and place

    def plan(self) -> Plan:
        x = self.experiment
        units, seats = self._site(x.plant)
        for n, entry in enumerate(x.timeline):
            if self._applies(entry.when, f"timeline[{n}].when"):
                self._entry(n, entry, units, seats)
        self._close_open_steps()
        self._overlaps()
        limits, stops = self._limits(), self._stops()
        probes, checks, left_out = self._checks()
        left_out += [f"{name} ({place}): nothing was orphaned, so nothing is hit" for name, place in self.idle.items()]
        distance = self.choices.between_zones_ms
        if distance and not isinstance(self.target, CanShape):
            why = getattr(self.target, "lacks", {}).get(CanShape.__name__, "nodes have no network of their own here")
            left_out.append(f"the {distance:g} ms between zones: {why}")
            distance = 0.0
        load = LoadSpec(
            users=x.load.users,
            count=x.load.count,
            rate=self._try(rate, x.load.rate, "load.rate"),
            floor=self._try(rate, x.load.floor, "load.floor"),
            seed=self.choices.seed,
            peak=self._peak(),
        )
        if load.users and (load.count < 1 or load.rate <= 0):
            self._problem("load", f"found {load.count} users at {load.rate:g}/s, expected at least 1 and above 0/s")
        elif load.floor > load.rate:
            self._problem("load.floor", f"found {load.floor:g}/s, expected no more than the rate, {load.rate:g}/s")
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
            limits=limits,
            stops=stops,
            leashed=self.choices.leashed,
            without=tuple(sorted(self.choices.without)),
            between_zones_ms=distance,
            staff=self._staff(),
            people=self._people(x.people),
        )
        if self.problems:
            raise BadExperiment(*self.problems)
        return made

    # --- timeline

    def _entry(self, n: int, entry: Entry, units: Sequence[float], seats: Mapping[str, int]) -> None:
        place = f"timeline[{n}]"
        at = self._time(entry.at, f"{place}.at")
        nodes = self._select(entry.where, place)
        if not nodes and _orphans_of(entry.where) and not self.problems:
            self.idle[entry.id or f"timeline[{n}]"] = place
            return
        if (entry.fault is None) == (entry.do is None):
            self._problem(place, "expected either `fault:` or `do:`")
        elif entry.do is not None and entry.every is not None:
            self._problem(place, "every: is for faults; write one line for each time that something is done")
        elif entry.do is not None:
            self._act(place, entry, at, nodes)
        elif entry.every is not None:
            self._one_by_one(place, entry, at, nodes)
        else:
            self._fault(place, entry, at, nodes, units, seats)

    def _one_by_one(self, place: str, entry: Entry, at: float, nodes: Sequence[Node]) -> None:
        """`every: 2s`: a step a node in the order of their names, each beginning so long after the one before."""
        every = self._time(str(entry.every), f"{place}.every")
        if every <= 0 or entry.until is not None:
            self._problem(place, "every: expected a duration above 0, and `for:` rather than `until:`")
            return
        name = entry.id or f"{entry.fault}-{len(self.steps) + 1}"
        for k, node in enumerate(nodes):
            one = msgspec.structs.replace(entry, id=f"{name}-{node.name}")
            self._fault(place, one, round(at + k * every, 6), [node], (), {})

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
        params = {
            k: quantity(self._filled(v, f"{place}.with.{k}"), self.experiment.scale)
            for k, v in entry.params.items()
            if k not in {"to", "leave"}
        }
        if "to" in entry.params:  # the other side of a link, chosen as `where` chooses
            others = self._others(entry.params["to"], f"{place}.with.to")
            params["to"] = others
            if others and not set(others) - {n.name for n in nodes}:
                self._problem(place, f"with.to: {_flow(entry.params['to'])} selects nobody but those of `where`")
        if "leave" in entry.params:  # people, chosen from the stack's roster
            params |= self._leavers(entry.params["leave"], f"{place}.with.leave")
        whole, backend = False, ""
        try:
            cls = registry.load("chaos.faults", entry.fault)
            whole = getattr(cls, "whole", False)
            uses = getattr(cls, "backend", cls.needs.__name__)
            backend = getattr(self.target, "backends", {}).get(uses, "")
            registry.build(cls, params)
            if not isinstance(self.target, cls.needs):
                why = getattr(self.target, "lacks", {}).get(cls.needs.__name__, "")
                self._problem(
                    place,
                    f"{entry.fault} needs a target that {_can(cls.needs)}; {self.target.name} cannot here"
                    + (f": {why}" if why else ""),
                )
            for node in nodes:
                if why := getattr(self.target, "unfit", _fit)(cls.needs, node):
                    self._problem(place, f"{entry.fault} on {node.name}: {why}")
        except BadExperiment as e:
            for p in e.problems:
                self._problem(place, p)
        names = tuple(n.name for n in nodes)
        releases: tuple[Release, ...] = ()
        if entry.until == "plant" and whole:
            self._problem(place, f"until: plant gives nodes back one by one; {entry.fault} ends for all at once")
        elif entry.until == "plant":
            releases = self._unit_releases(place, at, names, units, seats)
        elif isinstance(entry.until, str):
            condition = "a condition such as `until: {success: text, below: 90%}`"
            self._problem(
                place, f"until: {entry.until!r}; only `until: plant` is known, {condition}, or `for: DURATION`"
            )
        elif entry.lasts is not None:
            releases = (Release(at + self._time(entry.lasts, f"{place}.for"), names),)
        name = entry.id or f"{entry.fault}-{len(self.steps) + 1}"
        if any(s.id == name for s in self.steps):
            self._problem(place, f"a second step called {name!r}")
        until = self._condition(entry.until, place, name) if isinstance(entry.until, Stop) else None
        self.steps.append(Step(name, at, entry.fault, params, names, releases, backend, until))

    def _condition(self, stop: Stop, place: str, name: str) -> StopSpec | None:
        """What ends a fault before its time, where it applies to these settings."""
        if not self._applies(stop.when, f"{place}.until.when"):
            return None
        try:
            return msgspec.structs.replace(bounds.condition(0, stop, self.nodes), id=f"{name}-until")
        except BadExperiment as e:
            for p in e.problems:
                self._problem(f"{place}.until", p.removeprefix("stop[0]: "))
            return None

    def _leavers(self, leave: Any, place: str) -> Mapping[str, Any]:
        """Who leaves by name, and how the stack is told: parameters of a fault."""
        staff = self.choices.staff
        if staff is None:
            self._problem(place, "the stack's description names no staff; add x-chaos.staff (docs/guide/staff.md)")
            return {"leave": [], "variable": "", "ask": []}
        if not staff.variable or not staff.ask:
            self._problem(place, "x-chaos.staff does not say who is told; add `variable:` and `ask:`")
        roster = staff.roster
        chosen = leave if isinstance(leave, Mapping) else {"people": leave}
        ways = {"share", "team", "people"}
        if len(chosen) != 1 or not set(chosen) <= ways:
            self._problem(place, f"found {_flow(leave)}, expected one of share, team and people: {{share: 50%}}")
            chosen = {"people": []}
        if "share" in chosen:
            wanted = self._try(share, self._setting(chosen["share"], place), f"{place}.share")
            gone = list(leaving(roster, self.choices.seed, wanted))
        else:
            known = roster.teams if "team" in chosen else roster.people
            names = [str(n) for n in _values(next(iter(chosen.values())))]
            for name in (n for n in names if n not in known):
                self._problem(place, f"nobody called {name!r} owns anything; {registry.hint(name, known)}")
            found = {p for n in names for p in (roster.teams.get(n, ()) if "team" in chosen else (n,))}
            gone = sorted(found & set(roster.people))
        if not gone:
            self._problem(place, f"{_flow(leave)}: nobody leaves; choose more people")
        return {"leave": gone, "variable": staff.variable, "ask": list(staff.ask)}

    def _staff(self) -> Mapping[str, Any]:
        """The roster as plain values, where somebody leaves: a run is judged from its own files."""
        staff = self.choices.staff
        if staff is None or not any("leave" in s.params for s in self.steps):
            return {}
        r = staff.roster
        found = {"owners": r.owners, "needs": r.needs, "journeys": r.journeys}
        found["takes"] = staff.takes
        return {k: {n: list(v) for n, v in m.items()} for k, m in found.items()} | {"lapse": list(staff.lapse)}

    def _peak(self) -> Peak | None:
        peak = self.experiment.load.peak
        if peak is None:
            return None
        at = self._try(duration, peak.at, "load.peak.at")
        lasts = self._try(duration, peak.lasts, "load.peak.for")
        if peak.times <= 1 or lasts <= 0:
            found = f"found {peak.times:g} times the rate for {lasts:g} s"
            self._problem("load.peak", f"{found}; expected more than 1, for longer than 0 s")
            return None
        return Peak(at, at + lasts, float(peak.times))

    def _others(self, to: Any, place: str) -> list[str]:
        wheres = [to] if isinstance(to, Mapping) else to
        if not (isinstance(wheres, list) and wheres and all(isinstance(w, Mapping) for w in wheres)):
            self._problem(place, f"found {_flow(to)}, expected a selector as under `where`, such as {{zone: b}}")
            return []
        return [n.name for n in self._select(to, place)]

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
            s if s.releases else msgspec.structs.replace(s, releases=(Release(end, s.nodes),))
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
                    if (one.fault, one.params) != (other.fault, other.params) and _adds_up(one.fault):
                        continue
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
        seats = {
            n.name: site.seats.get(n.component) or self._dice(f"seat of {n.name}").randint(1, site.units)
            for n in self.nodes
        }
        return [round(t, 6) for t in boots(site.units, site.servers / site.units / boot, lanes, power)], seats

    def _people(self, people: People | None) -> PlannedPeople | None:
        if people is None:
            return None
        for name, region in people.regions.items():
            for line in region.form:
                if line not in CATEGORIES:
                    known = registry.hint(line, CATEGORIES)
                    self._problem(f"people.regions.{name}.form", f"nobody reports {line!r}; {known}")
        if people.tries < 2 or people.count < 1 or not people.regions:
            self._problem("people", "expected at least one region, one person, and tries of at least 2")
        return PlannedPeople(
            count=people.count,
            visit_every=self._time(people.visit_every, "people.visit_every"),
            tries=people.tries,
            finds_form=self._time(people.finds_form, "people.finds_form"),
            notice=self._try(share, people.notice, "people.notice"),
            first=self._try(share, people.first, "people.first"),
            regions={
                name: Region(tuple(r.form), self._try(share, r.app, f"people.regions.{name}.app"))
                for name, r in people.regions.items()
            },
        )

    # --- how far, and when to stop

    def _limits(self) -> Mapping[str, float]:
        hit = {name for s in self.steps for name in s.nodes}
        x = self.experiment
        with self._noted():
            return bounds.kept(x.limits, hit, len(self.nodes), self._length(), x.scale)
        return {}

    def _stops(self) -> tuple[StopSpec, ...]:
        found: list[StopSpec] = []
        for n, stop in enumerate(self.experiment.stop):
            if self._applies(stop.when, f"stop[{n}].when"):
                with self._noted():
                    found.append(bounds.condition(n, stop, self.nodes))
        return tuple(found)

    # --- selectors

    def _select(self, where: Where | Sequence[Where], place: str) -> Sequence[Node]:
        wheres = [where] if isinstance(where, Mapping) else where
        named = {str(name) for w in wheres for name in _values(w.get("name"))}
        found = {n for w in wheres for n in self._match(w, f"{place}.where", named)}
        if not found and not _orphans_of(where):
            self._problem(place, f"where {_flow(where)} matches no node; nodes are {self._some()}")
        return sorted(found)

    def _match(self, where: Where, place: str, named: Collection[str] | None = None) -> Sequence[Node]:
        """Nodes of one selector. `named` are those that may be hit without a label of ours; None: nobody is hit."""
        labels = {k: v for k, v in where.items() if k not in CHOOSERS}
        for key in labels:
            if all(_label(n, key) is None for n in self.nodes):
                known = {"name", "component", "zone", "owner", *CHOOSERS, *(k for n in self.nodes for k in n.labels)}
                self._problem(place, f"no node has a label {key!r}; {registry.hint(key, known)}")
        hit = [n for n in self.nodes if all(_label(n, k) in _values(v) for k, v in labels.items())]
        if "orphaned_by" in where:
            orphans = self._orphans(str(where["orphaned_by"]), place)
            hit = [n for n in hit if n.component in orphans]
        spared = self._spared(where.get("except"), place)
        hit = [n for n in hit if n.name not in spared]
        if named is not None and (strangers := bounds.strangers(hit, named)):
            who = ", ".join(strangers)
            self._problem(
                place,
                f"{_flow(where)} may hit {who}, which carries no chaos.* label; label it in the stack's description, "
                f"name it (`name: {strangers[0]}`), or spare it (`except: {{name: {strangers[0]}}}`)",
            )
        if "share" in where:
            count = round(self._try(share, where["share"], f"{place}.share") * len(hit))
            hit = self._dice(place).sample(hit, count)
        if "pick" in where:
            wanted = where["pick"]
            if not isinstance(wanted, int) or wanted < 1 or wanted > len(hit):
                self._problem(place, f"pick: {wanted!r} of the {len(hit)} nodes that match; expected 1 to {len(hit)}")
            else:
                hit = self._dice(place).sample(hit, wanted)
        return hit

    def _orphans(self, ident: str, place: str) -> Collection[str]:
        """Components that nobody owns any more once the people of an earlier step have left."""
        leavers = {s.id: s.params["leave"] for s in self.steps if "leave" in s.params}
        if ident not in leavers or self.choices.staff is None:
            hint = registry.hint(ident, leavers)
            self._problem(place, f"orphaned_by: no earlier step called {ident!r} in which people leave; {hint}")
            return ()
        return self.choices.staff.roster.orphans(leavers[ident])

    def _dice(self, what: str) -> random.Random:
        """Each choice has dice of its own: a node more in one zone changes nothing in another."""
        return random.Random(f"{self.choices.seed} {what}")

    def _spared(self, spare: Any, place: str) -> set[str]:
        """`except:` names an earlier step, or is a selector of its own, or a list of these."""
        if spare is None or (isinstance(spare, str) and spare in self.idle):
            return set()
        if isinstance(spare, list):
            return {name for one in spare for name in self._spared(one, place)}
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
                checker = registry.build(registry.load("chaos.checkers", name), params)
                for words in getattr(checker, "refused", _content)(self.choices.incident):
                    self._problem(place, words)
            except BadExperiment as e:
                for p in e.problems:
                    self._problem(place, p)
            why, may_hold = self._gap(raw.get("known_gap"), f"{place}.known_gap")
            checks.append(CheckSpec(ident, name, params, why, may_hold))
        return probes, checks, left_out

    def _probe(self, place: str, kind: str, params: Mapping[str, Any]) -> ProbeSpec:
        cls = registry.load("chaos.probes", kind)
        mine = {k: v for k, v in params.items() if k in cls.takes}
        if missing := cls.missing(self.nodes, mine):
            self._problem(place, f"{missing}, or leave these checks out with --without {kind}")
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
            elif odd := [v for v in _values(wanted) if not self._possible(key, v)]:
                self._problem(place, f"{key}: found {odd[0]!r}, expected {self._expected(key)}")
            elif self.choices.settings[key] not in _values(wanted):
                return False
        return True

    def _possible(self, key: str, value: Any) -> bool:
        """Whether a setting can have this value; a line under any other would be switched off for ever."""
        if key == "posture" and self.choices.postures:
            return value in self.choices.postures
        kinds = [float if type(v) is int else type(v) for v in (value, self.choices.settings[key])]
        return kinds[0] is kinds[1]

    def _expected(self, key: str) -> str:
        if key == "posture" and self.choices.postures:
            return f"one of {', '.join(self.choices.postures)}"
        return f"something like {self.choices.settings[key]!r}"

    def _setting(self, value: Any, place: str) -> Any:
        """`${boot_lanes}` is that setting's value."""
        if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
            name = value[2:-1]
            if name not in self.choices.settings:
                self._problem(place, f"no setting called {name!r}; {registry.hint(name, self.choices.settings)}")
            return self.choices.settings.get(name)
        return value

    def _filled(self, value: Any, place: str, inner: bool = False) -> Any:
        """`${exposure}` is that setting's value, `${23h}` an incident's time in run seconds. Text inside mappings."""
        if isinstance(value, Mapping):
            return {k: self._filled(v, f"{place}.{k}", inner=True) for k, v in value.items()}
        if not isinstance(value, str):
            return value
        whole = SLOT.fullmatch(value)
        if whole and not inner:
            return self._slot(whole[1], place)
        return SLOT.sub(lambda m: str(self._slot(m[1], place)), value)

    def _slot(self, name: str, place: str) -> Any:
        seconds = quantity(name, self.experiment.scale)
        return seconds if isinstance(seconds, float) else self._setting(f"${{{name}}}", place)

    def _time(self, text: str, place: str) -> float:
        return round(self._try(duration, text, place) / self.experiment.scale, 6)

    def _try(self, parse: Any, value: Any, place: str) -> float:
        try:
            return float(parse(value, f"{self.file}: {place}"))
        except BadExperiment as e:
            self.problems.extend(e.problems)
            return 0.0

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Problems found in the block are kept for the one message at the end."""
        try:
            yield
        except BadExperiment as e:
            self.problems += [f"{self.file}: {p}" for p in e.problems]

    def _problem(self, place: str, text: str) -> None:
        self.problems.append(f"{self.file}: {place}: {text}")


def _orphans_of(where: Where | Sequence[Where]) -> bool:
    """Whether it selects orphans, of which there may be none."""
    return any("orphaned_by" in w for w in ([where] if isinstance(where, Mapping) else where))


def _label(node: Node, key: str) -> str | None:
    """A node's name, component, zone, owner, or any label, with or without `chaos.`."""
    if key in {"name", "component", "zone", "owner"}:
        return str(getattr(node, key))
    return node.labels.get(key, node.labels.get(f"chaos.{key}"))


def _fit(needs: type, node: Node) -> str:
    """Of a target that can do to any node what it can do at all."""
    return ""


def _content(incident: Mapping[str, Any]) -> Sequence[str]:
    """Of a check that the incident's dossier has no say in."""
    return ()


def _values(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _flow(where: Any) -> str:
    if isinstance(where, Mapping):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in where.items()) + "}"
    return "[" + ", ".join(map(_flow, where)) + "]" if isinstance(where, list) else str(where)


def _adds_up(fault: str) -> bool:
    """Whether several of its windows may stand on one node, as long as they are not the same twice."""
    return fault in registry.names("chaos.faults") and getattr(registry.load("chaos.faults", fault), "adds_up", False)


def _can(needs: type) -> str:
    return {
        "CanKill": "can kill and start nodes",
        "CanStop": "can stop and start nodes",
        "CanRestart": "can restart nodes",
        "CanPause": "can freeze nodes",
        "CanStarve": "can limit a node's processor",
        "CanSqueeze": "can limit a node's memory",
        "CanLeak": "can let a node's memory leak away",
        "CanFill": "can fill nodes' volumes",
        "CanForgetNames": "can take nodes their names",
        "CanCut": "can cut links",
        "CanShape": "has a network of its own for each node",
        "CanPower": "can cut links and kill nodes",
        "CanSkew": "can set nodes' clocks off",
        "CanDeploy": "can roll out configurations",
        "CanExec": "can run commands inside nodes",
        "CanTell": "can roll out configurations and run commands inside nodes",
    }.get(needs.__name__, needs.__name__)
