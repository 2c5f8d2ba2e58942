"""For the run as a whole: it starts once, goes through its phases in order, is healed, scanned and ended once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaos.judge.consistency.flaw import Flaw
from chaos.model import Event
from chaos.record.journal import Journal, Line

FILE = "journal.jsonl"
PHASES = ("up", "steady", "timeline", "recover", "readback", "down")
FRAME = {"phase", "stack.up", "load.start", "run.heal"}  # only a run writes these, and a run begins with run.start
IN_ORDER = ("run.", "phase", "step.", "fault.", "operator.", "residue")  # kinds written as they happen
GRAIN = 0.001  # seconds
SLACK = 1.0
LONG = 3600.0  # seconds that a run may take beyond its plan, to start, be read back and be healed


def ended(journal: Journal) -> bool:
    """Whether the run ended normally, so that its record has to be complete."""
    return any(e.data.get("status") in ("done", "stopped") for _, e in journal.of("run.end"))


def flaws(journal: Journal) -> Iterator[Flaw]:
    yield from _once(journal)
    yield from _beginning(journal)
    yield from _phases(journal)
    yield from _times(journal)
    if ended(journal):
        yield from _clean(journal)


def _once(journal: Journal) -> Iterator[Flaw]:
    for kind in ("run.start", "run.end"):
        for n, _ in list(journal.of(kind))[1:]:
            yield Flaw(FILE, n, f"a second {kind}: this is more than one run")
    over = next((n for n, _ in journal.of("run.end")), None)
    if over is not None and over < len(journal.events):
        yield Flaw(FILE, over + 1, "something happened after the end of the run")
    seen: set[tuple[float, str]] = set()
    for n, e in journal.of("probe.sample"):
        if (e.t, e.subject) in seen:
            yield Flaw(FILE, n, f"a second sample of {e.subject} at the same time")
        seen.add((e.t, e.subject))


def _beginning(journal: Journal) -> Iterator[Flaw]:
    """The run starts with run.start, for the plan beside it, before t = 0."""
    if any(e.kind in FRAME for e in journal.events) and journal.events[0].kind != "run.start":
        yield Flaw(FILE, 1, f"found {journal.events[0].kind}, expected run.start: the beginning is missing")
    plan = journal.plan
    planned: Mapping[str, object] = {"seed": plan.seed, "target": plan.target, "posture": plan.posture}
    for n, e in journal.of("run.start"):
        told: dict[str, tuple[object, object]] = {"experiment": (e.subject, plan.experiment)}
        told |= {key: (e.data[key], value) for key, value in planned.items() if e.data.get(key) is not None}
        for key, (found, wanted) in told.items():
            if found != wanted:
                yield Flaw(FILE, n, f"{key} {found!r}, but plan.json has {wanted!r}: they belong to different runs")
        if e.t >= 0 and any(journal.of("fault.inject")):
            yield Flaw(FILE, n, "the run starts at or after t = 0, so the start of its timeline is missing")


def _phases(journal: Journal) -> Iterator[Flaw]:
    """The phases that were recorded are in order. A stopped run, or one with an error, may lack some."""
    reached, last = -1, ""
    for n, e in journal.of("phase"):
        if e.subject in PHASES:
            if (at := PHASES.index(e.subject)) <= reached:
                yield Flaw(FILE, n, f"phase {e.subject} after {last}")
            reached, last = max(reached, at), e.subject
    begun = [n for n, e in journal.of("phase") if e.subject == "timeline"]
    early = [n for n, _ in journal.of("fault.inject") if begun and n < begun[0]]
    if begun:
        yield from (Flaw(FILE, n, "a fault before the timeline began") for n in early)
    elif any(journal.of("phase")):
        yield from (Flaw(FILE, n, "a fault, and the timeline never began") for n, _ in journal.of("fault.inject"))


def _times(journal: Journal) -> Iterator[Flaw]:
    plan = journal.plan
    first = min([-plan.steady - plan.steady_within - LONG, *(e.t for _, e in journal.of("run.start") if e.t <= 0)])
    last = plan.length + plan.recover + LONG
    started = next((e.t for _, e in journal.of("run.start")), first)
    over = next((e.t for _, e in journal.of("run.end")), last)
    before = first
    for n, e in enumerate(journal.events, 1):
        if not max(first, started - SLACK) <= e.t <= min(last, over + SLACK):
            yield Flaw(FILE, n, f"{e.kind} at {e.t:g} s, which is outside the run")
        elif _written_when_it_happens(e):
            if e.t < before - GRAIN:
                yield Flaw(FILE, n, f"{e.kind} at {e.t:g} s, after an event at {before:g} s: not in order")
            before = max(before, e.t)


def _written_when_it_happens(e: Event) -> bool:
    return e.kind.startswith(IN_ORDER)


def _clean(journal: Journal) -> Iterator[Flaw]:
    """The target was healed before the first fault and after the last one, and scanned after that."""
    heals = [n for n, _ in journal.of("fault.heal")]
    last = max(heals, default=0)
    if not any(n > last for n, _ in journal.of("residue")) and not any(journal.of("run.error")):
        yield Flaw(FILE, last, "no scan for residue after the last heal")
    if not any(journal.of("phase")):
        return  # written by an older version, or by hand
    runs: list[Line] = [n for n, _ in journal.of("run.heal")]
    first = min([n for n, _ in journal.of("fault.inject")], default=len(journal.events) + 1)
    if not any(n < first for n in runs):
        yield Flaw(FILE, 0, "nothing was healed before the first fault")
    if not any(n > max(last, min(runs, default=0)) for n in runs):
        yield Flaw(FILE, last, "nothing was healed at the end of the run")
