"""Plans `checks`: what is judged, and the probes that some checks need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment import xfail
from chaos.experiment.plan import CheckSpec, ProbeSpec
from chaos.experiment.planning.context import Context
from chaos.protocols import Checker


class Checks:
    """The checks of one experiment (`found`), their `probes`, and what the user left out, in words (`left_out`).

    `carried` is the extensions' parts of the plan.
    """

    def __init__(self, context: Context, carried: Mapping[str, Any]) -> None:
        self.context, self.problems, self.carried = context, context.problems, carried
        self.found: list[CheckSpec] = []
        self.probes: list[ProbeSpec] = []
        self.left_out: list[str] = []
        known = registry.names("chaos.judge.checkers")
        self.assumed = set(registry.names("chaos.judge.assumptions")) - set(known)
        for kind in sorted(context.choices.without - set(known)):
            self.problems.found.append(f"--without {kind}: no such check; {registry.hint(kind, known)}")
        for n, raw in enumerate(context.experiment.checks):
            self._entry(n, raw)

    def _entry(self, n: int, raw: Mapping[str, Any]) -> None:
        place = f"checks[{n}]"
        names = [k for k in raw if k not in {*xfail.KEYS, "when"}]
        if len(names) != 1:
            self.problems.add(place, f"expected one check, found {', '.join(map(repr, names)) or 'none'}")
            return
        name = names[0]
        if not self.context.settings.applies(raw.get("when") or {}, f"{place}.when"):
            return
        if name in self.context.choices.without:
            self.left_out.append(f"{name} ({place}): --without {name}")
            return
        if not isinstance(raw[name] or {}, Mapping):
            words = f"{name}: found {raw[name]!r:.80}, expected a mapping of parameters, or nothing"
            self.problems.add(place, words)
            return
        if name in self.assumed:
            words = f"{name} is an assumption, which is judged in every run; leave it out here"
            self.problems.add(place, words)
            return
        ident = f"{name}-{n + 1}"
        built = self._built(place, name, ident, dict(raw[name] or {}))
        if built is None:
            return
        cls, params = built
        mark = self._mark(raw, place, cls, params)
        expected = (mark.why, not mark.strict, mark.bound) if mark else ()
        self.found.append(CheckSpec(ident, name, params, *expected))

    def _built(
        self, place: str, name: str, ident: str, params: dict[str, Any]
    ) -> tuple[type[Checker], dict[str, Any]] | None:
        """Return the checker's class and its parameters in base units. Reports invalid ones and returns None then."""
        try:
            cls: type[Checker] = registry.load("chaos.judge.checkers", name)
            if cls.probe:
                params.setdefault("name", ident)
                self.problems.named(params["name"], f"{place}.name")
            params = registry.in_units(cls, params, self.context.experiment.scale)
            if cls.probe:
                self.probes.append(self._probe(place, name, cls.probe, params))
            checker: Checker = registry.build(cls, params)
            for words in checker.refused(self.carried):
                self.problems.add(place, words)
        except BadExperiment as e:
            for p in e.problems:
                self.problems.add(place, p)
            return None
        return cls, params

    def _probe(self, place: str, check: str, kind: str, params: Mapping[str, Any]) -> ProbeSpec:
        cls = registry.load("chaos.probes", kind)
        mine = {k: v for k, v in params.items() if k in cls.takes}
        if missing := cls.missing(self.context.nodes, mine):
            self.problems.add(place, f"{missing}, or leave these checks out with --without {check}")
        return ProbeSpec(kind, str(params["name"]), 1.0, mine)

    def _mark(
        self, raw: Mapping[str, Any], place: str, cls: type[Checker], params: Mapping[str, Any]
    ) -> xfail.Mark | None:
        """Return the check's `xfail`; None if it has none, or none that applies to these settings."""
        mark = None
        with self.problems.noted(place):
            mark = xfail.mark(raw, cls, params, self.context.experiment.scale)
        if mark and self.context.settings.applies(mark.when, f"{place}.{xfail.XFAIL}.when"):
            return mark
        return None
