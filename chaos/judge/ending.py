"""Findings about how a run ended: an error, a stop condition, a missing end, or residue."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.model import Event, Finding, Verdict
from chaos.record.evidence import cite
from chaos.record.journal import Journal

# Older journals have no verdict in their errors: these types were INCONCLUSIVE, all others ERROR. The set never grows.
ONCE_MILD = frozenset({"Interrupted", "NoBite", "NotSteady", "Stopped"})


def ending(journal: Journal) -> Iterator[Finding]:
    """Findings about the end of the run; none if it ended as planned and left nothing behind."""
    for n, e in journal.of("run.error"):
        yield Finding("run", _verdict(e), str(e.data.get("error", "no words")), cite(journal=[n]))
    for n, e in journal.of("run.stopped"):
        value = e.data.get("value")
        was = "" if value is None else f"; it was {value:.4g}"
        words = f"stopped at {e.t:.1f} s by {e.subject} ({e.data.get('condition')}{was})"
        yield Finding("run", Verdict.INCONCLUSIVE, words, cite(journal=[n]))
    ends = list(journal.of("run.end"))
    if not ends:
        yield Finding("run", Verdict.INCONCLUSIVE, "the journal has no run.end: the run was interrupted, run it again")
    elif (status := ends[-1][1].data.get("status")) not in ("done", "stopped") and not any(journal.of("run.error")):
        yield Finding("run", Verdict.INCONCLUSIVE, f"the run ended as {status!r}", cite(journal=[ends[-1][0]]))
    line, left = _last_scan(journal)
    if left:
        words = f"left behind after the heal: {'; '.join(left)}. `chaos down` or a new `chaos run` removes it"
        yield Finding("residue", Verdict.DIRTY, words, cite(journal=[line]))


def residue(journal: Journal) -> tuple[str, ...]:
    """What the last scan, after the heal, found; one phrase for each."""
    return _last_scan(journal)[1]


def _verdict(error: Event) -> Verdict:
    """The verdict recorded in the journal. If there is none, it is derived from the error's class name."""
    said = error.data.get("verdict")
    mild = said == Verdict.INCONCLUSIVE.value if said else error.data.get("type") in ONCE_MILD
    return Verdict.INCONCLUSIVE if mild else Verdict.ERROR


def _last_scan(journal: Journal) -> tuple[int, tuple[str, ...]]:
    """The last scan: its line (0 if there was none) and what it found."""
    scans = list(journal.of("residue"))
    if not scans:
        return 0, ()
    line, last = scans[-1]
    return line, tuple(str(w) for w in last.data.get("left", ()))
