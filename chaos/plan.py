"""A plan is an experiment with every choice made: no selector, no randomness and no default left in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At `t` the fault leaves `nodes`. A step of fixed length has one; a plant has one a boot unit."""

    t: float  # run seconds since the start of the timeline
    nodes: tuple[str, ...]
    unit: int = 0  # boot unit of the plant, 1 is the first; 0 where there is no plant


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault on named nodes, from `at` to the last of its releases, or until a condition ends it before."""

    id: str
    at: float  # run seconds since the start of the timeline
    fault: str  # file stem in chaos/faults
    params: Mapping[str, Any]
    nodes: tuple[str, ...]
    releases: tuple[Release, ...]
    backend: str = ""  # what the target uses for it, in the target's words
    until: StopSpec | None = None  # holds: everything is released at once

    @property
    def end(self) -> float:
        return max((r.t for r in self.releases), default=self.at)


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something a scripted operator does: a command run inside each of the nodes."""

    id: str
    at: float  # run seconds
    name: str
    command: tuple[str, ...]
    nodes: tuple[str, ...]


class Peak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `at` to `end` (run seconds) users come `times` as often."""

    at: float
    end: float
    times: float


class LoadSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    users: str  # locustfile, relative to experiments/
    count: int  # users
    rate: float  # operations a second, all journeys together
    floor: float  # below this offered rate a run is INCONCLUSIVE
    seed: int
    peak: Peak | None = None


class ProbeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str  # file stem in chaos/probes
    name: str
    every: float  # seconds
    params: Mapping[str, Any]


class CheckSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    check: str  # file stem in chaos/checkers
    params: Mapping[str, Any]
    known_gap: str = ""  # why; empty where none applies to this posture
    may_hold: bool = False


class StopSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ends the run when a value has been `below` or `above` a figure for `lasts` seconds; one of them is set."""

    id: str
    kind: str  # "success", or a file stem in chaos/probes
    of: str  # a journey or "all"; an expression
    below: float | None
    above: float | None
    over: float  # seconds of operations that a success rate is taken from
    lasts: float  # seconds

    def holds(self, value: float) -> bool:
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)

    @property
    def words(self) -> str:
        given = {"below": self.below, "above": self.above}
        bounds = [f"{word} {self.figure(v)}" for word, v in given.items() if v is not None]
        lasting = f" for {self.lasts:g} s" if self.lasts else ""
        return f"{self.subject} {' or '.join(bounds)}{lasting}"

    @property
    def subject(self) -> str:
        if self.kind != "success":
            return f"{self.kind} {self.of}"
        return f"success of {'all journeys' if self.of == 'all' else self.of} over {self.over:g} s"

    def figure(self, value: float) -> str:
        return f"{value:.1%}" if self.kind == "success" else f"{value:g}"


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where reports come from: what its form offers, in its order, and how many people use the app (0..1)."""

    form: tuple[str, ...]
    app: float


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Those behind the users of the load, who file reports when they have given up: chaos/models/reports.py."""

    count: int  # in each region
    visit_every: float  # run seconds between two visits of one person
    tries: int  # visits in a row that must fail, give or take one, until a person gives up
    finds_form: float  # run seconds from there to the report, on average
    notice: float  # 0..1 of the people with an app who take old content for an outage
    first: float  # 0..1 who choose the first line of a form that fits
    regions: Mapping[str, Region]


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All times are run seconds since the start of the timeline, t = 0."""

    experiment: str
    claim: str
    seed: int
    target: str  # compose | process | memory
    settings: Mapping[str, Any]  # the posture's knobs, and `posture` itself
    scale: float  # incident seconds a run second; 1 where there is no incident
    short: bool
    steady: float  # seconds of steady state wanted before t = 0
    steady_within: float  # seconds it may take to get there
    hold: float  # seconds at >= 99 % success that count as "back"
    length: float  # end of the timeline
    recover: float  # seconds of load after it
    nodes: tuple[Mapping[str, str], ...]  # name, component, zone, owner of every node
    steps: tuple[Step, ...]
    acts: tuple[Act, ...]
    load: LoadSpec
    probes: tuple[ProbeSpec, ...]
    checks: tuple[CheckSpec, ...]
    left_out: tuple[str, ...]  # checks the user chose to do without, with the reason
    incident: Mapping[str, Any]  # the seeds file, so that a run can be judged anywhere; {} without one
    limits: Mapping[str, float] = {}  # max_nodes, max_share (0 to 1), max_duration (run seconds), those that are set
    stops: tuple[StopSpec, ...] = ()
    leashed: bool = False  # everything is played but faults and operators' acts
    without: tuple[str, ...] = ()  # kinds of check the user chose to do without
    staff: Mapping[str, Any] = {}  # the roster, where people leave: owners, needs, journeys, lapse, takes
    between_zones_ms: float = 0.0  # the network's normal state: how far zones are apart, one way
    people: People | None = None

    @property
    def posture(self) -> str:
        return str(self.settings.get("posture", ""))

    @property
    def onset(self) -> float:
        """When the first fault starts (0 where there is none)."""
        return min((s.at for s in self.steps), default=0.0)
