"""From a run's journal to one verdict: assumptions first, then the plan's checks, each run safely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chaos import errors, registry
from chaos.checkers.bite import Bite
from chaos.checkers.floor import Floor
from chaos.checkers.machine import Machine, stolen
from chaos.checkers.steady import Steady
from chaos.evidence import cite
from chaos.incident import Row, rows
from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.measures import measure
from chaos.model import Finding, Verdict
from chaos.plan import CheckSpec
from chaos.protocols import Checker

# What a run that was stopped early can still be convicted of: more of it could not have undone this. A rate or a
# quantile over the part that was played could have: it holds the worst of the run without what would have come after.
CONVICTS_EARLY = frozenset({"delivery", "promql", "recovery"})

# What a machine without processors to spare cannot do: lose what was acknowledged.
CONVICTS_STARVED = frozenset({"delivery"})
STARVED = "the machine was starved (see machine), so nobody knows whose doing it is"

ASSUMPTIONS: tuple[Checker, ...] = (Floor(), Steady(), Bite())


def judge(journal: Journal, run: str = "") -> Judgement:
    """What the run came to. `run` is its folder as people name it. The same journal gives the same judgement."""
    ending = tuple(_ending(journal))
    assumptions = tuple(_safely(type(a).__name__.lower(), a, journal) for a in ASSUMPTIONS)
    sound = all(f.verdict is Verdict.PASS for f in (*ending, *assumptions))
    # What others got of the machine is judged where it was counted.
    machine = _safely("machine", Machine(), journal) if stolen(journal) else None
    starved = machine is not None and machine.verdict is not Verdict.PASS
    checks = tuple(_marked(spec, _checked(spec, journal, starved), sound) for spec in journal.plan.checks)
    if machine is not None:
        assumptions = (*assumptions, _borne(machine, checks))
    if not checks:  # nothing is PASS by absence
        checks = (Finding("checks", Verdict.INCONCLUSIVE, "the plan has no check, so nothing was judged"),)
    targets, broken = _targets(journal)
    findings = (*ending, *assumptions, *checks, *broken)
    return Judgement(
        verdict=Verdict.worst(_counts(f) for f in findings),
        findings=findings,
        targets=targets,
        measures=measure(journal),
        residue=_residue(journal)[1],
        run=run,
    )


def _borne(machine: Finding, checks: tuple[Finding, ...]) -> Finding:
    """A machine that was taken away makes nothing hold that does not: it counts where something failed."""
    if machine.verdict is Verdict.PASS or any(STARVED in f.summary for f in checks):
        return machine
    return replace(machine, verdict=Verdict.PASS, summary=f"{machine.summary}; but no check failed")


def _counts(finding: Finding) -> Verdict:
    """A check that fails as it is known to fail leaves the run green."""
    return Verdict.PASS if finding.known_gap and finding.verdict is Verdict.FAIL else finding.verdict


def _checked(spec: CheckSpec, journal: Journal, starved: bool) -> Finding:
    try:
        checker: Checker = registry.build(registry.load("chaos.checkers", spec.check), spec.params)
    except errors.BadExperiment as e:  # a plan of another version of ours
        return Finding(spec.id, Verdict.INCONCLUSIVE, f"cannot be made: {e}")
    finding = _safely(spec.id, checker, journal)
    if finding.verdict is Verdict.FAIL and _cut_off(journal):
        words = f"{finding.summary}; the run was cut off, so nobody knows what it would have shown"
        return replace(finding, verdict=Verdict.INCONCLUSIVE, summary=words)
    excused = starved and spec.check not in CONVICTS_STARVED and not spec.known_gap  # a known gap convicts nobody
    if finding.verdict is Verdict.FAIL and excused:
        words = f"{finding.summary}; {STARVED}"
        return replace(finding, verdict=Verdict.INCONCLUSIVE, summary=words)
    if finding.verdict is Verdict.FAIL and spec.check not in CONVICTS_EARLY and any(journal.of("run.stopped")):
        words = f"{finding.summary}; of the part that was played, which convicts nobody"
        return replace(finding, verdict=Verdict.INCONCLUSIVE, summary=words)
    return finding


def _cut_off(journal: Journal) -> bool:
    """Interrupted or killed, with users still among the faults: what they met is not what was planned."""
    ends = list(journal.of("run.end"))
    return not ends or ends[-1][1].data.get("status") == "interrupted"


def _safely(name: str, checker: Checker, journal: Journal) -> Finding:
    try:
        return checker.check(journal)
    except Exception as e:  # a broken checker must not take the other findings with it
        return Finding(name, Verdict.INCONCLUSIVE, f"the checker raised {type(e).__name__}: {e}")


def _marked(spec: CheckSpec, finding: Finding, sound: bool) -> Finding:
    """A known gap that fails is marked so; one that holds asks for the mark to be removed.

    Not in a run whose assumptions failed: a fault that never bit closes no gap.
    """
    if not spec.known_gap or finding.verdict not in (Verdict.PASS, Verdict.FAIL):
        return finding
    if finding.verdict is Verdict.FAIL or spec.may_hold or not sound:
        return replace(finding, known_gap=spec.known_gap)
    words = f"holds although marked as a known gap ({spec.known_gap}): remove the mark from {spec.id}"
    return replace(finding, verdict=Verdict.FAIL, summary=f"{words}. {finding.summary}")


def _ending(journal: Journal) -> Iterator[Finding]:
    """What the end of the run itself says; nothing when it ended as planned and clean."""
    for n, e in journal.of("run.error"):
        kind = getattr(errors, str(e.data.get("type")), errors.ChaosError)
        mild = e.data.get("type") == "Interrupted" or getattr(kind, "exit_code", 2) == Verdict.INCONCLUSIVE.exit_code
        verdict = Verdict.INCONCLUSIVE if mild else Verdict.ERROR
        yield Finding("run", verdict, str(e.data.get("error", "no words")), cite(journal=[n]))
    for n, e in journal.of("run.stopped"):
        words = f"stopped at {e.t:.1f} s by {e.subject} ({e.data.get('condition')}; it was {e.data.get('value'):.4g})"
        yield Finding("run", Verdict.INCONCLUSIVE, words, cite(journal=[n]))
    ends = list(journal.of("run.end"))
    if not ends:
        yield Finding("run", Verdict.INCONCLUSIVE, "the journal has no run.end: the run was cut off, run it again")
    elif (status := ends[-1][1].data.get("status")) not in ("done", "stopped") and not any(journal.of("run.error")):
        yield Finding("run", Verdict.INCONCLUSIVE, f"the run ended as {status!r}", cite(journal=[ends[-1][0]]))
    line, left = _residue(journal)
    if left:
        words = f"left behind after the heal: {'; '.join(left)}. `chaos down` or a new `chaos run` clears it"
        yield Finding("residue", Verdict.DIRTY, words, cite(journal=[line]))


def _residue(journal: Journal) -> tuple[int, tuple[str, ...]]:
    """The last scan, the one after the heal, and its line (0: there was none)."""
    scans = list(journal.of("residue"))
    if not scans:
        return 0, ()
    line, last = scans[-1]
    return line, tuple(str(w) for w in last.data.get("left", ()))


def _targets(journal: Journal) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    """The dossier's rows, shown whether a check judges them or not; a dossier that cannot be read is a finding."""
    spec = next((c for c in journal.plan.checks if c.check == "incident"), None)
    try:
        return rows(journal, tuple(spec.params.get("reproduced", ())) if spec else ()), ()
    except Exception as e:
        words = f"the dossier's targets cannot be read: {type(e).__name__}: {e}; see the plan's `incident`"
        return (), (Finding("incident facts", Verdict.INCONCLUSIVE, words),)
