"""`leave` and `orphaned_by`: choose the people who leave, and the nodes that have no owner after that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import msgspec

from chaos import registry
from chaos.experiment.plan import Plan
from chaos.experiment.planning.selectors import flow
from chaos.experiment.planning.settings import values
from chaos.experiment.stack import Stack
from chaos.incidents import carried
from chaos.incidents.staff import ownership
from chaos.incidents.staff.model import Roster, leaving
from chaos.model import Node
from chaos.protocols.extension import Extension
from chaos.units import share

LEAVE, ORPHANED_BY = "leave", "orphaned_by"
WAYS = {"share", "team", "people"}


@final
@dataclass
class Leavers(Extension):
    carries: ClassVar = carried.Staff
    params: ClassVar = (LEAVE,)
    choosers: ClassVar = (ORPHANED_BY,)
    none_chosen: ClassVar = "nothing was orphaned, so nothing is hit"

    found: ownership.Staff | None

    @staticmethod
    def read(given: None, stack: Stack) -> ownership.Staff | None:
        """Return the staff that the stack's description declares; None if it declares none. Raises BadExperiment."""
        return ownership.declared(stack)

    def param(self, name: str, value: Any, place: str) -> Mapping[str, Any]:
        """Return the names of the people who leave, and how the stack is told: its variable and its command."""
        staff, problems = self.found, self.context.problems
        if staff is None:
            problems.add(place, "the stack's description names no staff; add x-chaos.staff (docs/guide/staff.md)")
            return {LEAVE: [], "variable": "", "ask": []}
        if not staff.variable or not staff.ask:
            problems.add(place, "x-chaos.staff does not say who is told; add `variable:` and `ask:`")
        gone = self._gone(staff.roster, value, place)
        if not gone:
            problems.add(place, f"{flow(value)}: nobody leaves; choose more people")
        return {LEAVE: gone, "variable": staff.variable, "ask": list(staff.ask)}

    def _gone(self, roster: Roster, leave: Any, place: str) -> list[str]:
        problems, context = self.context.problems, self.context
        chosen = leave if isinstance(leave, Mapping) else {"people": leave}
        if len(chosen) != 1 or not set(chosen) <= WAYS:
            problems.add(place, f"found {flow(leave)}, expected one of share, team and people: {{share: 50%}}")
            chosen = {"people": []}
        if "share" in chosen:
            wanted = problems.read(share, context.settings.value(chosen["share"], place), f"{place}.share")
            return list(leaving(roster, context.choices.seed, wanted))
        known = roster.teams if "team" in chosen else roster.people
        names = [str(n) for n in values(next(iter(chosen.values())))]
        for name in (n for n in names if n not in known):
            problems.add(place, f"nobody called {name!r} owns anything; {registry.hint(name, known)}")
        found = {p for n in names for p in (roster.teams.get(n, ()) if "team" in chosen else (n,))}
        return sorted(found & set(roster.people))

    def chosen(self, chooser: str, value: Any, nodes: Sequence[Node], place: str) -> Sequence[Node]:
        """Return the nodes of components that have no owner after the people of an earlier step have left."""
        leavers = {s.id: s.params[LEAVE] for s in self.context.draft.steps if LEAVE in s.params}
        ident = str(value)
        if ident not in leavers or self.found is None:
            words = (
                f"{chooser}: no earlier step called {ident!r} in which people leave; {registry.hint(ident, leavers)}"
            )
            self.context.problems.add(place, words)
            return ()
        orphans = self.found.roster.orphans(leavers[ident])
        return [n for n in nodes if n.component in orphans]

    def carry(self) -> carried.Staff | None:
        """Return the roster; None if nobody leaves in this plan."""
        staff = self.found
        if staff is None or not any(LEAVE in s.params for s in self.context.draft.steps):
            return None
        roster = staff.roster
        said = {"owners": roster.owners, "needs": roster.needs, "journeys": roster.journeys, "takes": staff.takes}
        return msgspec.convert(said | {"lapse": staff.lapse}, carried.Staff)

    @staticmethod
    def said(plan: Plan) -> Sequence[str]:
        """Return a line for each step in which people leave: their names, and the components that they orphan."""
        roster, lines = carried.staff(plan).roster, []
        for step in plan.steps:
            if LEAVE in step.params:
                gone = step.params[LEAVE]
                words = f"{step.id}: {len(gone)} of {len(roster.people)} people leave: {', '.join(gone)}; orphaned: "
                lines.append(words + (", ".join(roster.orphans(gone)) or "nothing"))
        return lines
