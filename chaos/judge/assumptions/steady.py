"""Assumption: every journey and every probe was healthy before the first fault. What was already broken is not the
fault's doing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

from chaos.judge.measures.answers import answers, tolerant
from chaos.judge.measures.phases import studied
from chaos.judge.measures.recovery import WELL
from chaos.model import Finding, Op, Verdict
from chaos.protocols import Assumption
from chaos.record.evidence import LIMIT, cite, too_few
from chaos.record.journal import Journal, Line

MOST = 160  # characters of an error


@final
@dataclass(frozen=True)
class Steady(Assumption):
    place: ClassVar = 2

    def applies(self, journal: Journal) -> bool:
        """Without a load and without probes, nothing says what was healthy."""
        return bool(journal.plan.load.present or tolerant(journal))

    def check(self, journal: Journal) -> Finding:
        found = [*([self._users(journal)] if journal.plan.load.present else []), *self._probes(journal)]
        unwell = [f for f in found if f.verdict is not Verdict.PASS]
        evidence = [name for f in unwell for name in f.evidence][:LIMIT]
        return replace(
            found[0],
            verdict=Verdict.worst(f.verdict for f in found),
            summary="; ".join(f.summary for f in unwell or found),
            evidence=tuple(evidence),
        )

    def _users(self, journal: Journal) -> Finding:
        seen: dict[str, list[tuple[Line, Op]]] = defaultdict(list)
        for n, op, p in studied(journal):
            if p == "before":
                seen[op.journey].append((n, op))
        count = sum(map(len, seen.values()))
        if thin := too_few("steady", count, self.least, "operations before the first fault"):
            return thin
        unwell = {j: ops for j, ops in sorted(seen.items()) if sum(op.ok for _, op in ops) < WELL * len(ops)}
        if unwell:
            words = [f"{j} {sum(op.ok for _, op in ops)} of {len(ops)} ok{_why(ops)}" for j, ops in unwell.items()]
            bad = [n for ops in unwell.values() for n, op in ops if not op.ok]
            return Finding(
                "steady", Verdict.INCONCLUSIVE, f"not steady before the first fault: {', '.join(words)}", cite(ops=bad)
            )
        unseen = sorted(set(journal.journeys) - set(seen))
        aside = f"; not used before: {', '.join(unseen)}" if unseen else ""
        summary = f"{len(seen)} journeys steady in {count:,} operations before the first fault"
        return Finding("steady", Verdict.PASS, summary + aside)

    def _probes(self, journal: Journal) -> Iterator[Finding]:
        """One finding for each probe that was not well, or one for all of them."""
        good = 0
        unwell = []
        for spec in tolerant(journal):
            found = answers(journal, spec)
            before = found.of("before")
            begin, end = found.span("before")
            wanted = found.wanted(self.least, end - begin)
            bad = [a.line for a in before if not a.ok]
            n = len(before)
            if thin := too_few("steady", n, wanted, f"answers to {spec.name} before the first fault{found.why}"):
                unwell.append(thin)
            elif n - len(bad) < WELL * n:
                words = f"probe {spec.name} was not steady before the first fault: {n - len(bad)} of {n} answers good"
                words += _commonest(str(journal.events[line - 1].data.get("why", "")) for line in bad)
                unwell.append(Finding("steady", Verdict.INCONCLUSIVE, words, cite(journal=bad)))
            else:
                good += n
        yield from unwell
        if count := len(tolerant(journal)) - len(unwell):
            words = f"{count} {'probe' if count == 1 else 'probes'} steady in {good:,} answers before the first fault"
            yield Finding("steady", Verdict.PASS, words)


def _why(ops: Sequence[tuple[Line, Op]]) -> str:
    return _commonest(op.error for _, op in ops if not op.ok)


def _commonest(errors: Iterable[str]) -> str:
    """The commonest error, which is often the same for all."""
    found = Counter(filter(None, errors))
    return f" ({found.most_common(1)[0][0][:MOST]})" if found else ""
