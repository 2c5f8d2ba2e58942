"""A lock for steps of one plan that share nodes: one change at a time, and a record of which step is in force where."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaos.experiment.plan import Step
from chaos.model import Node
from chaos.protocols import Fault

if TYPE_CHECKING:
    from chaos.run.lifecycle import ActiveFault


class NodeLock:
    """A lock for steps that share nodes. Concurrent changes would let the confirm of one see the heal of another.

    `everywhere`: all faults of the plan that have begun and are not healed, including those under other locks.
    """

    def __init__(self, everywhere: list[ActiveFault] | None = None) -> None:
        self.changing = asyncio.Lock()
        self.in_force: list[ActiveFault] = []  # in the order of injection
        self.everywhere = [] if everywhere is None else everywhere

    def others(self, one: ActiveFault) -> list[ActiveFault]:
        """Other steps in force."""
        return [other for other in self.everywhere if other.step.id != one.step.id and other.owed]

    def held(self, one: ActiveFault) -> dict[str, list[str]]:
        """The other steps in force on each of the fault's nodes, by node name."""
        found: dict[str, list[str]] = {}
        for other in self.others(one):
            for node in other.owed:
                found.setdefault(node.name, []).append(other.step.id)
        return found

    def over(self, one: ActiveFault, nodes: Sequence[Node]) -> dict[str, set[str]]:
        """Which of `nodes` have a later fault in force, by name, with the steps' ids."""
        later = self.in_force[self.in_force.index(one) + 1 :] if one in self.in_force else []
        owing = {n.name: {b.step.id for b in later if n in b.owed} for n in nodes}
        return {name: ids for name, ids in owing.items() if ids}

    async def again(self, nodes: Sequence[Node]) -> None:
        """Restore the other faults after a heal on `nodes`, and after each fault that had to be injected again."""
        touched, waiting = set(nodes), list(self.in_force)
        while waiting:
            one = waiting.pop(0)
            if one in self.in_force and touched & set(one.owed):  # it may have begun to leave in the meantime
                last = not any(touched & set(b.owed) for b in waiting)
                if await one.again(last):
                    touched |= set(one.owed)


def node_locks(steps: Sequence[Step], faults: Mapping[str, Fault[Any]]) -> dict[str, NodeLock]:
    """One lock for each step, by id. Steps that share a node, directly or through other steps, share a lock.

    Faults that add up have a lock of their own: the target holds each of them separately, and no other heal removes
    them.
    """
    everywhere: list[ActiveFault] = []
    of_node: dict[str, NodeLock] = {}
    of_step = {step.id: NodeLock(everywhere) for step in steps}
    for step in steps:
        if faults[step.id].adds_up:
            continue
        met = {id(of_node[n]): of_node[n] for n in step.nodes if n in of_node}
        own = next(iter(met.values()), None) or NodeLock(everywhere)
        for places in (of_node, of_step):
            places.update({key: own for key, lock in places.items() if id(lock) in met})
        of_node |= dict.fromkeys(step.nodes, own)
        of_step[step.id] = own
    return of_step
