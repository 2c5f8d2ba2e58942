"""The types of a dossier, seeds/NAME.yaml: the facts of an incident, with their source, confidence and use.

chaos/incidents/file.py reads dossiers strictly. The source of facts under `from_the_seeds` is the founding articles.
The source of any other fact is the public record, unless the fact names its own. Confidence: H is an official statement
or two independent outlets, M is one reputable outlet, L is notes, a wiki or a blog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Confidence = Literal["H", "M", "L"]
Use = Literal["calibrate", "predict", "control"]
Span = float | tuple[float, float]  # hours, or a range of hours; facts count from the onset

SURENESS: Mapping[str, str] = {
    "H": "official statement or two independent outlets",
    "M": "one reputable outlet",
    "L": "notes, wiki or blog",
}
USES: Mapping[str, str] = {
    "predict": "must come out of the run, never tuned",
    "control": "must stay unaffected",
    "calibrate": "may set a knob; shown as reproduced, never judged",
}
ARTICLES, RECORD = "founding articles", "public record"


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    what: str
    confidence: Confidence
    t: Span | None = None  # hours after onset
    source: str = RECORD

    @property
    def begins(self) -> float:
        return 0.0 if self.t is None else self.t if isinstance(self.t, int | float) else self.t[0]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fact in a form that a run can be compared with. It has one of value, at_least and formula."""

    use: Use
    value: Any = None
    at_least: float | None = None
    formula: str | None = None
    where: Mapping[str, str] = {}  # name in the formula → the setting that it stands for
    tolerance: float | None = None  # absolute
    when: Mapping[str, Any] = {}  # settings that it applies to; empty: any
    driver: Literal["failover"] | None = None  # not scaled: comparable at scale full_tail only
    quicker_holds: bool = False  # a value below the range holds too
    journey: str | None = None  # the journey that it measures, if the name does not contain it
    journeys: tuple[str, ...] = ()
    sets: str | None = None  # the knob of an experiment that was set from it; calibrate only

    @property
    def fact(self) -> Any:
        return self.value if self.value is not None else self.formula if self.formula is not None else self.at_least


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A counterfactual: settings that differ, and the result that is expected with them."""

    knobs: Mapping[str, Any]
    expect: str
    target: str | None = None  # a run with these settings is judged by the figure as by this target
    value: Any = None
    formula: str | None = None
    where: Mapping[str, str] = {}
    tolerance: float | None = None
    use: Use = "predict"
    driver: Literal["failover"] | None = None
    quicker_holds: bool = False
    journey: str | None = None


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    onset: str
    recovered: str | None = None
    outage_hours: float | None = None
    duration_hours: Span | None = None
    window_hours: float | None = None


class Dossier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    title: str
    when: When
    seeds: tuple[str, ...]  # the founding articles
    targets: Mapping[str, Target]
    where: str = ""
    from_the_seeds: Mapping[str, Any] = {}
    timeline_public: tuple[Fact, ...] = ()
    causes_public: tuple[Fact, ...] = ()
    controls_public: tuple[Fact, ...] = ()
    observed_public: tuple[Fact, ...] = ()
    public: tuple[Fact, ...] = ()
    report_shares_public: Mapping[str, Mapping[str, Span]] = {}  # form → category → share, of one event
    optimism: Mapping[str, float] = {}  # what was promised, compared with what happened
    mechanism_hypothesis: str = ""
    arms: Mapping[str, str] = {}
    scale: Mapping[str, float] = {}  # incident seconds per run second
    counterfactuals: tuple[WhatIf, ...] = ()
    confidence: Mapping[str, Confidence] = {}  # by section, for facts that do not state their own

    def sureness(self, section: str) -> str:
        """Return the confidence of a fact in `section` that states none: M for the articles, which are one outlet."""
        return self.confidence.get(section, "M" if section == "from_the_seeds" else "")

    def facts(self) -> Iterator[tuple[str, Fact]]:
        """Yield (section, fact) for every fact that is a sentence. The timeline comes first, in order of time."""
        yield from (("timeline_public", f) for f in sorted(self.timeline_public, key=lambda f: f.begins))
        for section in ("causes_public", "controls_public", "observed_public", "public"):
            yield from ((section, f) for f in getattr(self, section))

    def figures(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield (name, value, source, confidence) for every fact that is a figure or a word."""
        for section, source in (
            ("from_the_seeds", f"{ARTICLES} ({len(self.seeds)})"),
            ("report_shares_public", RECORD),
            ("optimism", RECORD),
        ):
            for name, value in flat(getattr(self, section)):
                yield name, value, source, self.sureness(section)


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, text) for each value of nested mappings, in order. `a b` joins the keys; a list is one value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{name} {key}".strip().replace("_", " "))
    else:
        yield name, words(value)


def words(value: Any) -> str:
    """Return a value as text: `low to high` for two numbers, `a; b` for other lists."""
    if isinstance(value, list | tuple):
        numbers = len(value) == 2 and all(isinstance(v, int | float) for v in value)
        return (" to " if numbers else "; ").join(map(words, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10000 else f"{value:g}"
