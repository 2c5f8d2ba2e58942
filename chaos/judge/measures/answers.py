"""Answers to probes with a tolerance: how many were good, when they stopped, and when nobody could be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from chaos.experiment.plan import ProbeSpec
from chaos.judge.measures.recovery import Outage, Reply, joined, spells
from chaos.judge.measures.samples import enough, span
from chaos.record.journal import Journal, Line

FEW = 3  # answers in a row that may be missing
LATE = 1.0  # seconds for which a busy machine may delay a question


@dataclass(frozen=True)
class Answer:
    """One answer to a probe. Times are seconds on the timeline."""

    line: Line
    t: float  # when it was asked
    end: float
    ok: bool
    phase: str  # a question that was open when the first fault struck belongs to `during`


@dataclass(frozen=True)
class Answers:
    """All answers to one probe from the steady phase on, in order of their questions."""

    journal: Journal
    spec: ProbeSpec
    all: tuple[Answer, ...]
    errors: tuple[tuple[float, str], ...]  # when it could not be asked, and why

    def of(self, phase: str) -> tuple[Answer, ...]:
        return tuple(a for a in self.all if phase in ("all", a.phase))

    @cached_property
    def since(self) -> tuple[Answer, ...]:
        """Since the first fault."""
        return tuple(a for a in self.all if a.phase != "before")

    def span(self, phase: str) -> tuple[float, float]:
        """From when to when it was asked in a phase: a run that ended early asked nothing after that."""
        begin, end = span(self.journal, phase, -self.journal.plan.steady)
        return begin, max(begin, min(end, max((e.t for e in self.journal.events), default=end)))

    @property
    def since_span(self) -> tuple[float, float]:
        return max(self.journal.disturbed.start, -self.journal.plan.steady), self.span("all")[1]

    def wanted(self, most: int, seconds: float) -> int:
        """The number of answers that is enough for a phase of this length."""
        return enough(most, seconds, self.spec.every)

    @property
    def longest(self) -> float:
        """Seconds between two answers that are not yet a gap."""
        return max(FEW * self.spec.every, self.spec.every + LATE)

    def gaps(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """(from, to) for each period in which answers are missing: nobody knows how the system was."""
        inside = [a.t for a in self.all if begin <= a.t < end]
        for one, other in pairwise([begin, *inside, end]):
            if other - one > self.longest:
                yield one, other

    def unseen(self, phase: str) -> int:
        """How many answers are missing in a phase, because the question could not be asked."""
        if not (self.all or self.errors):
            return 0  # it was never asked: the run ended before that
        begin, end = self.span(phase)
        missing = {gap: round((gap[1] - gap[0]) / self.spec.every) - 1 for gap in self.gaps(begin, end)}
        alone = [t for t, _ in self.errors if begin <= t < end and not any(a <= t <= b for a, b in missing)]
        return sum(missing.values()) + len(alone)

    @property
    def why(self) -> str:
        """The first reason why it could not be asked, as half a sentence; empty if there is none."""
        return f" ({self.errors[0][1]})" if self.errors else ""

    @cached_property
    def outage(self) -> Outage | None:
        """From the first bad answer since the fault to the return that lasted; None if none was bad."""
        replies: Sequence[Reply] = [Reply(a.line, a.t, a.ok) for a in self.since]
        seen = max((a.t for a in self.since), default=0.0)
        hold = self.journal.plan.hold
        return joined(spells(replies, hold, seen), replies, hold)


def tolerant(journal: Journal) -> tuple[ProbeSpec, ...]:
    """The plan's probes with a tolerance, in order."""
    return tuple(p for p in journal.plan.probes if p.within is not None)


def answers(journal: Journal, spec: ProbeSpec) -> Answers:
    found = [
        _answer(journal, n, e.t, float(e.data.get("ms") or 0.0), bool(e.data.get("ok")))
        for n, e in journal.of("probe.sample")
        if e.subject == spec.name and e.t >= -journal.plan.steady and isinstance(e.data.get("ok"), int | float)
    ]
    errors = [(e.t, str(e.data.get("error", ""))) for _, e in journal.of("probe.error") if e.subject == spec.name]
    return Answers(journal, spec, tuple(sorted(found, key=lambda a: a.t)), tuple(errors))


def _answer(journal: Journal, line: Line, t: float, ms: float, ok: bool) -> Answer:
    hurt, end = journal.disturbed, t + ms / 1000
    known = end if hurt.end > hurt.start else t
    before = t < hurt.start and known <= hurt.start
    return Answer(line, t, end, ok, "after" if t >= hurt.end else "before" if before else "during")
