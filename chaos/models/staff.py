"""Who is left when whom leaves: orphaned components, lost journeys, bus factors and the curve of both.

A component is an orphan once none of its owners is left; one that never had any is an orphan from the start. A
journey is lost once any component is that it enters by, or that one of those needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chaos.models.draws import shuffled

DRAWS = 400  # orders of leaving that a curve is taken from: its mean is then known to about 0.025
STEPS = 20  # of the share of people, 5 % each
SEARCHED = 100_000  # sets of components looked at for the fewest people behind every journey


@dataclass(frozen=True)
class Roster:
    """Who owns what, and what needs what. All names are sorted where it matters, so any mapping order will do."""

    owners: Mapping[str, Sequence[str]]  # component: people
    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)  # team: people
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # component: components it cannot do without
    journeys: Mapping[str, Sequence[str]] = field(default_factory=dict)  # journey: components it enters by

    @cached_property
    def people(self) -> tuple[str, ...]:
        """Everybody who owns something. Who owns nothing leaves nothing behind, and would thin the share."""
        return tuple(sorted({p for owners in self.owners.values() for p in owners}))

    @cached_property
    def closures(self) -> Mapping[str, frozenset[str]]:
        """By journey, the components it needs, however indirectly."""
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
        """By component, the owners who are still there."""
        return {c: tuple(p for p in owners if p not in gone) for c, owners in sorted(self.owners.items())}

    def orphans(self, gone: Collection[str]) -> tuple[str, ...]:
        return tuple(c for c, owners in self.left(gone).items() if not owners)

    def lost(self, broken: Collection[str]) -> tuple[str, ...]:
        """Journeys that need one of these components."""
        return tuple(j for j, needed in self.closures.items() if needed & set(broken))


def leaving(roster: Roster, seed: int, share: float) -> tuple[str, ...]:
    """A seeded share of the people. A greater share of the same seed has everybody of the smaller one."""
    return tuple(sorted(shuffled(roster.people, seed, "leave")[: round(share * len(roster.people))]))


@dataclass(frozen=True)
class Fewest:
    """The smallest set of people whose leaving does it. `exact` False: the search was ended, fewer may do."""

    people: tuple[str, ...]
    components: tuple[str, ...]  # that they orphan, and that it comes down to
    exact: bool = True


def fewest_for(roster: Roster, journey: str) -> Fewest | None:
    """Whose leaving takes a journey: the owners of the least owned component it needs. None: it needs nothing here."""
    known = [c for c in sorted(roster.closures[journey]) if c in roster.owners]
    if not known:
        return None
    weakest = min(known, key=lambda c: len(set(roster.owners[c])))
    return Fewest(tuple(sorted(set(roster.owners[weakest]))), (weakest,))


def fewest_for_all(roster: Roster) -> Fewest | None:
    """Whose leaving takes every journey; None without journeys, or where one of them needs nothing that is owned."""
    needed = [frozenset(c for c in closure if c in roster.owners) for closure in roster.closures.values()]
    if not needed or not all(needed):
        return None
    search = _Search(roster, sorted(needed, key=lambda c: (len(c), sorted(c))))
    search.try_all(frozenset(), ())
    return Fewest(tuple(sorted(search.people)), tuple(sorted(search.components)), search.steps < SEARCHED)


class _Search:
    """Branch and bound over which component each journey is lost by."""

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
    """What is gone when a share of the people is: means over all draws, with the tenth and ninetieth percentile."""

    share: float
    people: int
    orphaned: float  # share of components
    orphaned_range: tuple[float, float]
    lost: float  # share of journeys
    lost_range: tuple[float, float]


def curve(roster: Roster, seed: int, draws: int = DRAWS) -> tuple[Point, ...]:
    """One point each five per cent of the people, over seeded orders of leaving. Empty without people."""
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
    """After how many departures each component is an orphan, and each journey lost (never: more than there are)."""
    place = {person: k for k, person in enumerate(order, 1)}
    at = {c: max((place[p] for p in owners), default=0) for c, owners in roster.owners.items()}
    never = len(order) + 1
    return list(at.values()), [min((at.get(c, never) for c in j), default=never) for j in roster.closures.values()]


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Tenth and ninetieth percentile of sorted values (nearest rank)."""
    return values[len(values) // 10], values[min(len(values) - 1, len(values) * 9 // 10)]


def incident_rate(roster: Roster, lapsing: Collection[str], share: float, before: float, breaks: float) -> float:
    """How many times as many incidents there are in a period once a share of the people has left.

    `before`: incidents a period with everybody there. Every component of `lapsing` has a chore due once a period; an
    orphan's is left undone and breaks it with probability `breaks`. The expected number of orphans is exact.
    """
    n = len(roster.people)
    gone = round(share * n)
    expected = sum(_all_among(len(set(roster.owners[c])), gone, n) for c in sorted(lapsing) if c in roster.owners)
    return (before + breaks * expected) / before


def _all_among(owners: int, gone: int, people: int) -> float:
    """Probability that `owners` certain people are all among `gone` drawn from `people`."""
    p = 1.0
    for k in range(owners):
        p *= max(0, gone - k) / (people - k)
    return p
