"""What all phases of a run share: the plan, the participants, and the run's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chaos.experiment.plan import Plan, Step
from chaos.model import Node
from chaos.probes.prober.watch import Watch
from chaos.protocols import Fault, Load, Probe, Sink, Target
from chaos.run.lease import Lease
from chaos.run.lifecycle import ActiveFault, Before, vitals_of
from chaos.run.node_lock import node_locks
from chaos.run.stop_conditions import StopCondition

VITALS_SECONDS = 1.8  # seconds that nodes may take to report their vitals: the first fault follows soon after


class RunSink(Sink, Protocol):
    """The run's journal. `zero` sets the loop time at which the timeline starts."""

    def zero(self, t0: float) -> None: ...


@dataclass(frozen=True)
class Participants:
    """The parts of a run: target, faults, load, probes, stop conditions and lease. `probes` have no tolerance."""

    target: Target
    faults: Mapping[str, Fault[Any]]  # by step id
    load: Load
    probes: Sequence[Probe]
    owned: bool  # the run starts and ends the stack
    stop_conditions: Sequence[StopCondition] = ()  # they may end the run early
    lease: Lease = field(default_factory=Lease)
    triggers: Mapping[str, StopCondition] = field(default_factory=dict)  # by step id: what may end its fault early
    watch: Watch = field(default_factory=Watch)  # the probes with a tolerance


class Stage:
    def __init__(self, plan: Plan, participants: Participants, sink: RunSink) -> None:
        self.plan, self.participants, self.sink = plan, participants, sink
        self.target, self.load = participants.target, participants.load
        self.faults, self.lease, self.watch = participants.faults, participants.lease, participants.watch
        self.nodes = {n.name: n for n in participants.target.nodes()}
        self.node_locks = node_locks(plan.steps, participants.faults)
        self.looked: dict[str, Before] = {}  # by step id, what was seen before t = 0
        self.t0 = 0.0  # loop time at the start of the timeline

    @property
    def steps(self) -> Sequence[Step]:
        """The steps that will be executed."""
        return () if self.plan.no_faults else self.plan.steps

    def of(self, names: Sequence[str]) -> Sequence[Node]:
        return [self.nodes[name] for name in names]

    async def unharmed(self, step: Step) -> Before:
        """Check that a step's fault has no effect yet. Raises NoEffect."""
        fault, lock = self.faults[step.id], self.node_locks[step.id]
        return await ActiveFault(step, fault, self.target, self.sink, lock).look(self.of(step.nodes))

    async def vitals(self, step: Step) -> Mapping[str, float]:
        fault = self.faults[step.id]
        return await vitals_of(fault, self.target.can.need(fault.needs), self.of(step.nodes), VITALS_SECONDS)

    def tell_vitals(self, when: str, step: Step, found: Mapping[str, float], t: float | None = None) -> None:
        if found:
            self.sink.emit("vitals", step.id, t=t, when=when, figures=dict(found))

    async def until(self, t: float) -> None:
        """Sleep until `t`, in run seconds since the start of the timeline."""
        await asyncio.sleep(self.t0 + t - self.now())

    def now(self) -> float:
        return asyncio.get_running_loop().time()
