"""For each fault on each node: injected, confirmed, checked again and healed, in this order and as planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaos.experiment.plan import Step
from chaos.judge.consistency.flaw import Flaw
from chaos.judge.consistency.story import FILE, SLACK, ended
from chaos.model import Event
from chaos.record.journal import Journal, Line

ABSENT, INJECTED, ACTIVE, HEALED = range(4)
# kind: the states a node may be in before the event, and its state afterwards (None: unchanged)
MOVES: Mapping[str, tuple[tuple[int, ...], int | None]] = {
    "fault.inject": ((ABSENT,), INJECTED),
    "fault.active": ((INJECTED,), ACTIVE),
    "fault.still": ((ACTIVE,), None),
    "fault.gone": ((ACTIVE,), None),
    "fault.hidden": ((ACTIVE,), None),
    "fault.again": ((INJECTED, ACTIVE), None),
    "fault.heal": ((INJECTED, ACTIVE), HEALED),
}
WORDS = ("before it was injected", "before it was confirmed", "while it was in force", "after it was healed")


def flaws(journal: Journal) -> Iterator[Flaw]:
    steps = {s.id: s for s in journal.plan.steps}
    state: dict[tuple[str, str], int] = {}
    cut = {e.subject for _, e in journal.of("step.until")}  # healed early
    whole = ended(journal) and not any(journal.of("run.stopped"))  # in a stopped run all steps may be healed early
    for n, e in journal.of("fault."):
        step = steps.get(e.subject)
        if step is None:
            yield Flaw(FILE, n, f"{e.kind} of {e.subject!r}, which is no step of the plan")
            continue
        yield from _named(n, e, step)
        yield from _moved(n, e, state)
        if whole:
            yield from _too_early(n, e, step, e.subject in cut)
    yield from _acts(journal)
    if ended(journal):
        left = [f"{step} on {node}" for (step, node), at in state.items() if at in (INJECTED, ACTIVE)]
        if left:
            yield Flaw(FILE, 0, f"never healed: {', '.join(left[:5])}")


def _named(n: Line, e: Event, step: Step) -> Iterator[Flaw]:
    if e.data.get("fault", step.fault) != step.fault:
        yield Flaw(FILE, n, f"{e.kind} of {step.id} is {e.data['fault']!r}, the plan has {step.fault!r}")
    if strange := sorted(set(e.data.get("nodes", ())) - set(step.nodes)):
        yield Flaw(FILE, n, f"{e.kind} of {step.id} on {', '.join(strange)}, which the plan does not hit with it")


def _moved(n: Line, e: Event, state: dict[tuple[str, str], int]) -> Iterator[Flaw]:
    if e.kind not in MOVES:
        return
    allowed, after = MOVES[e.kind]
    for node in e.data.get("nodes", ()):
        at = state.get((e.subject, node), ABSENT)
        if at not in allowed:
            yield Flaw(FILE, n, f"{e.kind} of {e.subject} on {node} {WORDS[at]}")
        if after is not None:
            state[e.subject, node] = after


def _too_early(n: Line, e: Event, step: Step, cut: bool) -> Iterator[Flaw]:
    """No step is injected before its planned time. None is healed early, unless its own condition held."""
    if e.kind == "fault.inject" and e.t < step.at - SLACK:
        yield Flaw(FILE, n, f"{step.id} was injected at {e.t:g} s, the plan says {step.at:g} s")
    if e.kind == "fault.heal" and not cut:
        due = {name: r.t for r in step.releases for name in r.nodes}
        early = [name for name in e.data.get("nodes", ()) if e.t < due.get(name, e.t) - SLACK]
        if early:
            yield Flaw(FILE, n, f"{step.id} was healed on {early[0]} at {e.t:g} s, the plan says {due[early[0]]:g} s")


def _acts(journal: Journal) -> Iterator[Flaw]:
    acts = {a.id: a for a in journal.plan.acts}
    started: set[str] = set()
    every = {e.subject for _, e in journal.of("operator.start")}
    for n, e in journal.of("operator."):
        act = acts.get(e.subject)
        if act is None:
            yield Flaw(FILE, n, f"{e.kind} of {e.subject!r}, which is no act of the plan")
        elif strange := sorted({*e.data.get("nodes", ()), *e.data.get("codes", {})} - set(act.nodes)):
            yield Flaw(FILE, n, f"{e.kind} of {act.id} on {', '.join(strange)}, where the plan does not do it")
        elif e.kind == "operator.done" and e.subject in every - started:
            yield Flaw(FILE, n, f"{act.id} was done before it was started")
        if e.kind == "operator.start":
            started.add(e.subject)
