"""Computes the orphaned components, the lost journeys and the bus factors of a roster when people leave.

A component is an orphan if none of its owners is left. A component without owners is an orphan from the start. A
journey is lost if any component that it needs is an orphan: an entry component, or one that an entry depends on,
directly or indirectly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chaos.incidents.draws import shuffled

DRAWS = 400  # orders of leaving that a curve is computed from; they give its mean to about 0.025
STEPS = 20  # steps of a curve, each 5 % of the people
SEARCHED = 100_000  # maximum sets of components that the search of `fewest_for_all` tries


@dataclass(frozen=True)
class Roster:
    """Owners and dependencies of components. Results do not depend on the order of the mappings."""

    owners: Mapping[str, Sequence[str]]  # component: people
    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)  # team: people
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # component: components it depends on
    journeys: Mapping[str, Sequence[str]] = field(default_factory=dict)  # journey: its entry components

    @cached_property
    def people(self) -> tuple[str, ...]:
        """Everybody who owns a component. Other people orphan nothing, and would distort the share who leave."""
        return tuple(sorted({p for owners in self.owners.values() for p in owners}))

    @cached_property
    def closures(self) -> Mapping[str, frozenset[str]]:
        """All components that each journey needs, directly or indirectly."""
        return {j: frozenset(self._closure(entries)) for j, entries in sorted(self.journeys.items())}

    def _closure(self, entries: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(entries)
        while waiting:
            if (component := waiting.pop()) not in found:
                found.add(component)
                waiting += self.needs.get(component, ())
        return found

    def left(self, gone: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the remaining owners of each component."""
        return {c: tuple(p for p in owners if p not in gone) for c, owners in sorted(self.owners.items())}

    def orphans(self, gone: Collection[str]) -> tuple[str, ...]:
        return tuple(c for c, owners in self.left(gone).items() if not owners)

    def lost(self, broken: Collection[str]) -> tuple[str, ...]:
        """Return the journeys that need one of these components."""
        return tuple(j for j, needed in self.closures.items() if needed & set(broken))


def leaving(roster: Roster, seed: int, share: float) -> tuple[str, ...]:
    """Return a seeded share of the people. With the same seed, a larger share includes all people of a smaller one."""
    return tuple(sorted(shuffled(roster.people, seed, "leave")[: round(share * len(roster.people))]))


@dataclass(frozen=True)
class Fewest:
    """The fewest people whose departure causes a loss. If not `exact`, the search was cut short and fewer may do so."""

    people: tuple[str, ...]
    components: tuple[str, ...]  # the components they orphan that cause the loss
    exact: bool = True


def fewest_for(roster: Roster, journey: str) -> Fewest | None:
    """Return the fewest people behind a journey: the owners of its component that has the fewest.

    Returns None if the journey needs no component of the roster.
    """
    known = [c for c in sorted(roster.closures[journey]) if c in roster.owners]
    if not known:
        return None
    weakest = min(known, key=lambda c: len(set(roster.owners[c])))
    return Fewest(tuple(sorted(set(roster.owners[weakest]))), (weakest,))


def fewest_for_all(roster: Roster) -> Fewest | None:
    """Return the fewest people behind all journeys together.

    Returns None if there are no journeys, or if one of them needs no component of the roster.
    """
    needed = [frozenset(c for c in closure if c in roster.owners) for closure in roster.closures.values()]
    if not needed or not all(needed):
        return None
    search = _Search(roster, sorted(needed, key=lambda c: (len(c), sorted(c))))
    search.try_all(frozenset(), ())
    return Fewest(tuple(sorted(search.people)), tuple(sorted(search.components)), search.steps < SEARCHED)


class _Search:
    """A branch-and-bound search over the component through which each journey is lost."""

    def __init__(self, roster: Roster, journeys: Sequence[frozenset[str]]) -> None:
        self.owners = {c: frozenset(owners) for c, owners in roster.owners.items()}
        self.journeys = journeys
        self.people = frozenset(roster.people)
        self.components: tuple[str, ...] = tuple(roster.owners)
        self.steps = 0

    def try_all(self, people: frozenset[str], chosen: tuple[str, ...]) -> None:
        self.steps += 1
        if self.steps >= SEARCHED or (len(people) >= len(self.people) and chosen):
            return
        kept = next((j for j in self.journeys if not any(self.owners[c] <= people for c in j)), None)
        if kept is None:
            self.people, self.components = people, chosen
            return
        for component in sorted(kept, key=lambda c: (len(self.owners[c] - people), c)):
            self.try_all(people | self.owners[component], (*chosen, component))


@dataclass(frozen=True)
class Point:
    """The loss after a share of the people has left: means over all draws, with the 10th and 90th percentile."""

    share: float
    people: int
    orphaned: float  # share of components
    orphaned_range: tuple[float, float]
    lost: float  # share of journeys
    lost_range: tuple[float, float]


def curve(roster: Roster, seed: int, draws: int = DRAWS) -> tuple[Point, ...]:
    """Return a point for each 5 % of the people, over seeded orders of leaving. Empty without people."""
    n = len(roster.people)
    if not n or not roster.owners:
        return ()
    orders = [_falls(roster, shuffled(roster.people, seed, "curve", draw)) for draw in range(draws)]
    points = []
    for step in range(STEPS + 1):
        k = round(step / STEPS * n)
        orphaned = sorted(sum(at <= k for at in components) / len(components) for components, _ in orders)
        lost = sorted(sum(at <= k for at in journeys) / (len(journeys) or 1) for _, journeys in orders)
        mean_orphaned, mean_lost = sum(orphaned) / draws, sum(lost) / draws
        points.append(Point(step / STEPS, k, mean_orphaned, _middle(orphaned), mean_lost, _middle(lost)))
    return tuple(points)


def _falls(roster: Roster, order: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the number of departures after which each component is an orphan, and each journey is lost.

    A journey that is never lost gets a number greater than that of all people.
    """
    place = {person: k for k, person in enumerate(order, 1)}
    at = {c: max((place[p] for p in owners), default=0) for c, owners in roster.owners.items()}
    never = len(order) + 1
    return list(at.values()), [min((at.get(c, never) for c in j), default=never) for j in roster.closures.values()]


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Return the 10th and the 90th percentile of sorted values (nearest rank)."""
    return values[len(values) // 10], values[min(len(values) - 1, len(values) * 9 // 10)]


def incident_rate(roster: Roster, lapsing: Collection[str], share: float, before: float, breaks: float) -> float:
    """Return the incidents in a period after a share of the people has left, as a multiple of those before.

    `before` is the number of incidents in a period while everybody is present. Every component of `lapsing` has a chore
    that is due once in a period. Nobody does the chore of an orphan, and the orphan then breaks with probability
    `breaks`. The expected number of orphans is exact.
    """
    n = len(roster.people)
    gone = round(share * n)
    expected = sum(_all_among(len(set(roster.owners[c])), gone, n) for c in sorted(lapsing) if c in roster.owners)
    return (before + breaks * expected) / before


def _all_among(owners: int, gone: int, people: int) -> float:
    """Return the probability that `owners` given people are all among `gone` people drawn from `people`."""
    p = 1.0
    for k in range(owners):
        p *= max(0, gone - k) / (people - k)
    return p
