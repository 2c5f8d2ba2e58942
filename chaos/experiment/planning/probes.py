"""Plans `probes`: the questions with a tolerance that are asked before, during and after the faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment.plan import ProbeSpec
from chaos.experiment.planning import fit
from chaos.experiment.planning.context import Context
from chaos.protocols.questions import Question

QUESTIONS = "chaos.probes.questions"
OWN = ("name", "every", "within", "when")
EVERY = "1s"
WITHIN = 1.0  # seconds; longer where a probe is asked less often
FASTEST, SLOWEST = 0.05, 60.0  # seconds between two questions
LONGEST = 60.0  # seconds for an answer
OPEN = 100  # questions of one probe that wait for their answers at once
TAKEN = {"machine"}  # subjects of the harness's own samples


def planned(context: Context) -> tuple[ProbeSpec, ...]:
    """Return the probes that apply to these settings. Reports invalid ones."""
    found: list[ProbeSpec] = []
    names: set[str] = set()
    for n, raw in enumerate(context.experiment.probes):
        place = f"probes[{n}]"
        name = raw.get("name")
        if name is None:
            context.problems.add(place, "found no name, expected `name:`, by which checks refer to it")
        elif isinstance(name, str) and name in names | TAKEN:
            why = "a second probe called" if name in names else "the harness's own probe is called"
            context.problems.add(f"{place}.name", f"{why} {name!r}; choose another name")
        else:
            context.problems.named(name, f"{place}.name")
        spec = _Entry(context, place, raw).spec()
        if name is not None and context.settings.applies(raw.get("when") or {}, f"{place}.when"):
            found.append(spec)
        names.add(str(name))
    return tuple(found)


class _Entry:
    """One probe of the file: `{name: front, http: {get: …, status: 200}, every: 250ms}`."""

    def __init__(self, context: Context, place: str, raw: Mapping[str, Any]) -> None:
        self.context, self.problems, self.place, self.raw = context, context.problems, place, raw

    def spec(self) -> ProbeSpec:
        """Return the probe, without parameters if they are invalid: a check that names it is not wrong, too."""
        every = self._time("every", EVERY, FASTEST, SLOWEST)
        within = self._time("within", f"{min(max(WITHIN, every), LONGEST):g}s", 0.001, LONGEST)
        if every >= FASTEST and within > OPEN * every:
            words = f"found {within:g} s, {within / every:.0f} times `every`; expected at most {OPEN} times"
            self.problems.add(f"{self.place}.within", words)
        kind, params = "", {}
        with self.problems.noted(self.place):
            kind = self._kind()
            params = self._built(kind, self._params(kind))
        return ProbeSpec(kind, str(self.raw.get("name")), every, params, within)

    def _kind(self) -> str:
        """Return which question it asks. Raises BadExperiment unless it is one."""
        known = registry.names(QUESTIONS)
        kinds = [key for key in self.raw if key in known]
        if len(kinds) != 1:
            others = ", ".join(repr(key) for key in self.raw if key not in OWN) or "none"
            found = f"found {' and '.join(map(repr, kinds))}" if kinds else f"found {others}"
            raise BadExperiment(f"expected one of {', '.join(known)}; {found}")
        return kinds[0]

    def _time(self, key: str, default: str, least: float, most: float) -> float:
        """Return seconds of the run: time-outs and intervals are never scaled. Reports what is out of bounds."""
        text = self.raw.get(key)
        if text is None:
            text = default
        before = len(self.problems.found)
        seconds = self.context.settings.run_time(text, f"{self.place}.{key}")
        if not least <= seconds <= most and len(self.problems.found) == before:
            words = f"found {text}, expected {least * 1000:g}ms to {most:g}s"
            self.problems.add(f"{self.place}.{key}", words)
        return seconds

    def _params(self, kind: str) -> dict[str, Any]:
        """Return the parameters: those of the mapping, or the value that stands alone, and those beside it."""
        cls = registry.load(QUESTIONS, kind)
        value, beside = self.raw[kind], {k: v for k, v in self.raw.items() if k not in (*OWN, kind)}
        if not isinstance(value, Mapping):
            if not cls.bare or value is None:
                wanted = f"`{cls.bare}` alone, or a mapping" if cls.bare else "a mapping"
                names = ", ".join(registry.parameters(cls))
                raise BadExperiment(f"{kind}: found {value!r:.80}, expected {wanted} of parameters ({names})")
            value = {cls.bare: value}
        if twice := sorted(set(value) & set(beside)):
            raise BadExperiment(f"{twice[0]}: found it twice, beside {kind} and in it")
        return {**value, **beside}

    def _built(self, kind: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters in base units. Raises BadExperiment if this stack and target cannot be asked."""
        context, cls = self.context, registry.load(QUESTIONS, kind)
        params = registry.in_units(cls, params)
        question: Question[Any] = registry.build(cls, params)
        if why := question.missing(context.nodes):
            raise BadExperiment(why)
        inside = [node for node in context.nodes if node.name == question.inside()]
        what = f"{kind} (to ask from the users' place)" if question.of_users else kind
        if words := list(fit.problems(context.target, what, cls.needs, inside)):
            raise BadExperiment(*words)
        return params
