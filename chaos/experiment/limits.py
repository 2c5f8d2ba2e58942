"""The limits and stop conditions of an experiment (`limits:` and `stop:`), evaluated while planning."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment.file import Limits, Stop
from chaos.experiment.plan import StopSpec
from chaos.load.tail import MEMORY
from chaos.model import Node
from chaos.units import UNITS, duration, in_words, read, share

SHOWN = 6  # names of nodes shown in a refusal
ROUNDING = 1e-9


def kept(limits: Limits, hit: Collection[str], nodes: int, length: float, scale: float) -> Mapping[str, float]:
    """The limits as numbers: nodes, a share of all `nodes`, and run seconds. `length` is the timeline's, in run
    seconds.

    Raises BadExperiment with every limit that is invalid or exceeded.
    """
    problems: list[str] = []
    found: dict[str, float] = {}
    fewer = "hit fewer with `pick:` or `share:`, or allow more"
    if limits.max_nodes is not None:
        found["max_nodes"] = limits.max_nodes
        if limits.max_nodes < 1:
            problems.append(f"limits.max_nodes: {limits.max_nodes} is not a number of nodes; expected at least 1")
        elif len(hit) > limits.max_nodes:
            over = f"the faults hit {len(hit)} nodes ({some(hit)}), at most {limits.max_nodes} are allowed"
            problems.append(f"limits.max_nodes: {over}; {fewer}")
    try:
        if limits.max_share is not None:
            found["max_share"] = most = share(limits.max_share, "limits.max_share")
            if len(hit) > most * nodes + ROUNDING:
                over = f"the faults hit {len(hit)} of {nodes} nodes ({len(hit) / nodes:.0%}), at most {most:.0%}"
                problems.append(f"limits.max_share: {over} are allowed; {fewer}")
    except BadExperiment as e:
        problems += e.problems
    try:
        if limits.max_duration is not None:
            longest = duration(limits.max_duration, "limits.max_duration")
            found["max_duration"] = round(longest / scale, 6)
            if length * scale > longest + 1e-6 * scale:
                over = f"the timeline lasts {in_words(length * scale)}, at most {in_words(longest)} are allowed"
                problems.append(f"limits.max_duration: {over}; end its faults earlier, or allow more")
    except BadExperiment as e:
        problems += e.problems
    if problems:
        raise BadExperiment(*problems)
    return found


def strangers(hit: Iterable[Node], named: Collection[str]) -> list[str]:
    """Those of `hit` without any chaos label that were not selected by name: nothing says that they may be broken."""
    return sorted(n.name for n in hit if n.name not in named and not any(k.startswith("chaos.") for k in n.labels))


def condition(n: int, stop: Stop, nodes: Sequence[Node]) -> StopSpec:
    """The n-th stop condition, without open choices. Raises BadExperiment with all problems."""
    problems: list[str] = []
    if (stop.success is None) == (stop.promql is None):
        problems.append("expected either `success:` (a journey, or all) or `promql:` (an expression)")
    if stop.success is not None and stop.below is None:
        problems.append("`success:` needs `below:`, e.g. below: 50%")
    if stop.promql is not None:
        if stop.below is None and stop.above is None:
            problems.append("`promql:` needs `below:` or `above:`")
        if missing := registry.load("chaos.probes", "promql").missing(nodes, {"expr": stop.promql}):
            problems.append(f"{missing}, or take this condition out of the file (--without leaves out checks only)")
    figures: dict[str, float | None] = {}
    for word, text in (("below", stop.below), ("above", stop.above)):
        try:
            figures[word] = None if text is None else _figure(text, word, stop.success is not None)
        except BadExperiment as e:
            problems += e.problems
    times = {"over": 0.0, "for": 0.0}
    for word, text in (("over", stop.over), ("for", stop.lasts)):
        try:
            times[word] = duration(text, word)
        except BadExperiment as e:
            problems += e.problems
        else:
            if word == "over" and not 0 < times[word] <= MEMORY:
                problems.append(f"over: {text!r} is longer than the recorded period; expected at most {MEMORY:g} s")
    if problems:
        raise BadExperiment(*(f"stop[{n}]: {p}" for p in problems))
    kind, of = ("success", stop.success) if stop.promql is None else ("promql", stop.promql)
    return StopSpec(f"stop-{n + 1}", kind, str(of), figures["below"], figures["above"], times["over"], times["for"])


def _figure(value: str | float, word: str, of_success: bool) -> float:
    """A limit. Raises BadExperiment for something that is not a share of operations, or a value in base units."""
    if of_success:
        return share(value, word)
    try:
        return float(str(read(value, UNITS["base"])))
    except BadExperiment as e:
        raise BadExperiment(*(f"{word}: {p}" for p in e.problems)) from None


def some(names: Collection[str]) -> str:
    """The first few names, as text."""
    more = len(names) - SHOWN
    return ", ".join(sorted(names)[:SHOWN]) + (f" and {more} more" if more > 0 else "")
