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


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault on named nodes, from `at` to the last of its releases."""

    id: str
    at: float  # run seconds since the start of the timeline
    fault: str  # file stem in chaos/faults
    params: Mapping[str, Any]
    nodes: tuple[str, ...]
    releases: tuple[Release, ...]

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


class LoadSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    users: str  # locustfile, relative to experiments/
    count: int  # users
    rate: float  # operations a second, all journeys together
    floor: float  # below this offered rate a run is INCONCLUSIVE
    seed: int


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

    @property
    def posture(self) -> str:
        return str(self.settings.get("posture", ""))

    @property
    def onset(self) -> float:
        """When the first fault starts (0 where there is none)."""
        return min((s.at for s in self.steps), default=0.0)
