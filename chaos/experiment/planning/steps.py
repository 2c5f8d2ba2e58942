"""Plans the timeline: each line becomes steps (a fault on named nodes, with its releases) or an operator's act."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment.file import Entry, Stop
from chaos.experiment.plan import Act, Release, Step
from chaos.experiment.planning import conditions, fit, selectors
from chaos.experiment.planning.context import Context
from chaos.model import Node
from chaos.protocols.capabilities import EXEC


def entry(context: Context, n: int, line: Entry) -> None:
    """Add the steps or the act of the n-th line of the timeline to the draft."""
    place, problems = f"timeline[{n}]", context.problems
    at = context.settings.time(line.at, f"{place}.at")
    problems.named(line.id, f"{place}.id")
    wheres = selectors.wheres(context, line.where, place)
    nodes = selectors.select(context, wheres, place) if wheres else []
    if not nodes and (words := selectors.none_chosen(context, wheres)) and not problems.found:
        name = line.id or place
        context.draft.idle[name] = f"{name} ({place}): {words}"
        return
    if (line.fault is None) == (line.do is None):
        problems.add(place, "expected either `fault:` or `do:`")
    elif line.do is not None and (words := _of_faults(line)):
        problems.add(place, f"{words}: is for faults; found it beside `do: {line.do}`, a command that runs once")
    elif line.do is not None:
        _act(context, place, line, at, nodes)
    elif line.every is not None:
        _one_by_one(context, place, line, at, nodes)
    else:
        _Fault(context, place, line).add(at, nodes)


def _of_faults(line: Entry) -> str:
    """Return the first word of the line that only a fault may have; empty if there is none."""
    given = {"for": line.lasts, "every": line.every, "until": line.until, "with": line.params or None}
    return next((word for word, value in given.items() if value is not None), "")


def _one_by_one(context: Context, place: str, line: Entry, at: float, nodes: Sequence[Node]) -> None:
    """Plan `every: 2s`: one step for each node, in order of names, each that much later than the one before."""
    every = context.settings.lasting(str(line.every), f"{place}.every")
    if line.until is not None:
        context.problems.add(place, "every: expected `for:` rather than `until:` beside it")
        return
    name = line.id or f"{line.fault}-{len(context.draft.steps) + 1}"
    for k, node in enumerate(nodes):
        one = msgspec.structs.replace(line, id=f"{name}-{node.name}")
        _Fault(context, place, one).add(round(at + k * every, 6), [node])


def _act(context: Context, place: str, line: Entry, at: float, nodes: Sequence[Node]) -> None:
    assert line.do is not None
    problems, operators = context.problems, context.experiment.operators
    problems.named(line.do, f"{place}.do")
    operation = operators.get(line.do)
    if operation is None:
        known = registry.hint(line.do, operators)
        problems.add(place, f"no operation called {line.do!r} under `operators:`; {known}")
        return
    if not any(operation.exec):
        problems.add(f"operators.{line.do}.exec", "found no command, expected something like [promote, now]")
    for words in fit.problems(context.target, line.do, EXEC, nodes):
        problems.add(place, words)
    name = line.id or f"{line.do}-{len(context.draft.acts) + 1}"
    context.draft.acts.append(Act(name, at, line.do, tuple(operation.exec), tuple(n.name for n in nodes)))


class _Fault:
    """A line with `fault:`. A `whole` fault ends on all of its nodes at once."""

    def __init__(self, context: Context, place: str, line: Entry) -> None:
        assert line.fault is not None
        self.context, self.place, self.line = context, place, line
        self.problems = context.problems
        self.fault: str = line.fault
        self.whole, self.backend = False, ""

    def add(self, at: float, nodes: Sequence[Node]) -> None:
        params = self._params(nodes)
        names = tuple(n.name for n in nodes)
        releases = self._releases(at, names)
        draft = self.context.draft
        name = self.line.id or f"{self.fault}-{len(draft.steps) + 1}"
        if any(s.id == name for s in draft.steps):
            self.problems.add(self.place, f"a second step called {name!r}")
        stop = self.line.until
        until = conditions.until(self.context, stop, self.place, name) if isinstance(stop, Stop) else None
        draft.steps.append(Step(name, at, self.fault, params, names, releases, self.backend, until))

    def _params(self, nodes: Sequence[Node]) -> dict[str, Any]:
        """Return the parameters in base units, with nodes by name. Reports what the fault or the target refuses."""
        context, place, given = self.context, self.place, self.line.params
        theirs = context.extensions.params
        params = {
            k: context.settings.filled(v, f"{place}.with.{k}") for k, v in given.items() if k not in {"to", *theirs}
        }
        others: Sequence[Node] = ()
        if "to" in given:
            others = selectors.others(context, given["to"], f"{place}.with.to")
            params["to"] = [n.name for n in others]
            if others and not set(others) - set(nodes):
                words = f"with.to: {selectors.flow(given['to'])} selects nobody but those of `where`"
                self.problems.add(place, words)
        for name in given:
            if name in theirs:
                params |= theirs[name].param(name, given[name], f"{place}.with.{name}")
        try:
            cls = registry.load("chaos.faults", self.fault)
            self.whole = cls.whole
            self.backend = fit.backend(context.target, cls.needs)
            params = registry.in_units(cls, params, context.experiment.scale)
            registry.build(cls, params)
            for words in fit.problems(context.target, self.fault, cls.needs, sorted({*nodes, *others})):
                self.problems.add(place, words)
        except BadExperiment as e:
            for p in e.problems:
                self.problems.add(place, p)
        return params

    def _releases(self, at: float, names: tuple[str, ...]) -> tuple[Release, ...]:
        """Return the releases of the fault; none if the line gives no end, because the draft adds that later."""
        line = self.line
        if isinstance(line.until, str):
            return self._until(line.until, at, names)
        if line.lasts is not None:
            return (Release(at + self.context.settings.lasting(line.lasts, f"{self.place}.for"), names),)
        return ()

    def _until(self, end: str, at: float, names: tuple[str, ...]) -> tuple[Release, ...]:
        """Return the releases for a word after `until:`, from the extension that handles the word."""
        place, problems, ends = self.place, self.problems, self.context.extensions.ends
        if end not in ends:
            words = " and ".join(f"`until: {word}`" for word in ends)
            known = f"only {words} {'is' if len(ends) == 1 else 'are'} known" if ends else "no such word is known"
            condition = "a condition such as `until: {success: text, below: 90%}`"
            problems.add(place, f"until: {end!r}; {known}, {condition}, or `for: DURATION`")
            return ()
        if self.line.lasts is not None:
            problems.add(place, f"for: {self.line.lasts} beside `until: {end}`; expected one of the two")
        if self.whole:
            problems.add(place, f"until: {end} gives nodes back one by one; {self.fault} ends for all at once")
            return ()
        return tuple(ends[end].releases(end, at, names, place))
