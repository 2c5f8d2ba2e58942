"""experiments/suites/*.yaml: which experiments to run, how, with which seeds, and how long each may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chaos import forms, naming, redaction, registry, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment.file import unknown_fields
from chaos.units import duration

FOLDER = Path("experiments") / "suites"


class Entry(msgspec.Struct, forbid_unknown_fields=True, rename={"sets": "set"}, kw_only=True):
    """One entry: an experiment and its options. The defaults are those of `chaos run`."""

    experiment: str
    target: str | None = None
    posture: str | None = None
    sets: Mapping[str, Any] = {}
    seeds: Sequence[int] = (7,)
    budget: str = "10min"  # for one run, from its start to its reports
    short: bool = False
    without: Sequence[str] = ()


class Suite(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A file of suites/. `name` is the file's stem; `budget` is for all runs together."""

    name: str
    runs: Sequence[Entry]
    about: str = ""
    budget: str = "6h"


@dataclass(frozen=True)
class Play:
    """One run of a suite: an entry with one of its seeds, repetition `turn` of `turns`."""

    entry: Entry
    seed: int
    budget: float  # seconds
    turn: int = 1
    turns: int = 1

    @property
    def title(self) -> str:
        """`zone-fire remedied boot_lanes=8 short seed 7`, with the repetition if there are several."""
        e = self.entry
        knobs = sorted(redaction.mapping(e.sets).items())
        words = [e.experiment, e.posture or "", *(f"{k}={_knob(v)}" for k, v in knobs)]
        words += ["short" if e.short else "", e.target or "", f"seed {self.seed}"]
        words += [f"({self.turn} of {self.turns})"] if self.turns > 1 else []
        return " ".join(w for w in words if w)

    def arguments(self, target: str | None, stack: Path) -> list[str]:
        """The arguments for `chaos run`. `target`: for entries that name none."""
        e = self.entry
        kind = e.target or target
        found = [e.experiment, "--seed", str(self.seed), "--stack", str(stack), "--plain"]
        found += ["--target", kind] if kind else []
        found += ["--posture", e.posture] if e.posture else []
        found += ["--short"] if e.short else []
        for key, value in sorted(e.sets.items()):
            found += ["--set", f"{key}={_knob(value)}"]
        for check in e.without:
            found += ["--without", check]
        return found


def _knob(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def find(name: str, root: Path) -> Path:
    """The file of a suite given by path or by name. Raises BadExperiment with the nearest name."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    path = yamlfile.find(root / FOLDER, name)
    if path is None:
        known = yamlfile.names(root / FOLDER)
        raise BadExperiment(f"no suite called {name!r} in {root / FOLDER}; {registry.hint(name, known)}")
    return path


def read(path: Path) -> Suite:
    """The suite in `path`. Raises BadExperiment with every problem found."""
    doc = yamlfile.mapping(path)
    problems = [f"{path}: {p}" for p in unknown_fields(Suite, doc)]
    entries = doc.get("runs")
    for n, entry in enumerate(entries if isinstance(entries, list) else ()):
        problems += [f"{path}: runs[{n}]: {p}" for p in unknown_fields(Entry, entry)]
    if problems:
        raise BadExperiment(*problems)
    suite = forms.convert(doc, Suite, str(path))
    problems = list(_senseless(path, suite))
    if problems:
        raise BadExperiment(*problems)
    return suite


def _senseless(path: Path, suite: Suite) -> Iterator[str]:
    if suite.name != path.stem:
        yield f"{path}: name: found {suite.name!r}, expected the file's own name, {path.stem!r}"
    if not suite.runs:
        yield f"{path}: runs: found none, expected a list of `{{experiment: NAME, …}}`"
    for place, text in [("budget", suite.budget), *((f"runs[{n}].budget", e.budget) for n, e in enumerate(suite.runs))]:
        try:
            duration(text, f"{path}: {place}")
        except BadExperiment as e:
            yield from e.problems
    for n, entry in enumerate(suite.runs):
        if not naming.fits(entry.experiment):
            yield f"{path}: runs[{n}].experiment: found {entry.experiment!r}, expected the name of an experiment"
        if not entry.seeds:
            yield f"{path}: runs[{n}].seeds: found none, expected at least one whole number"


def plays(suite: Suite, seeds: Sequence[int] = (), repeat: int = 1) -> list[Play]:
    """Every run of the suite, in order. `seeds` replaces the file's; each run is repeated `repeat` times."""
    return [
        Play(entry, seed, duration(entry.budget), turn, repeat)
        for entry in suite.runs
        for seed in (seeds or entry.seeds)
        for turn in range(1, repeat + 1)
    ]
