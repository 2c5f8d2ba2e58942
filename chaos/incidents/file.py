"""Reads seeds/NAME.yaml strictly: every fact needs a confidence, every target a use, and unknown keys are errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chaos import forms, registry, yamlfile
from chaos.errors import BadExperiment
from chaos.incidents.dossier import SURENESS, USES, Dossier, Fact, Target, WhatIf, When
from chaos.incidents.formula import unreadable

FACTS = ("timeline_public", "causes_public", "controls_public", "observed_public", "public")
FIGURES = ("report_shares_public", "optimism")  # sections whose confidence is given under `confidence:`
SURE = f"expected one of {', '.join(f'{k} ({v})' for k, v in SURENESS.items())}"
VALUE = (
    "expected a number, true or false, text, [least, most], {name: number}, [[first], [next, beside it]] or "
    "[[time, number], …]"
)
USE = f"expected one of {', '.join(f'{k} ({v})' for k, v in USES.items())}"


def names(root: Path) -> list[str]:
    return yamlfile.names(root / "seeds")


def path(root: Path, name: str) -> Path:
    """Return the path of seeds/NAME.yaml. Raises BadExperiment with the closest known name if it does not exist."""
    found = yamlfile.find(root / "seeds", name)
    if found is None:
        known = names(root)
        close = [n for n in known if name and n.startswith(name)]  # `kakao` suggests the first name that starts with it
        hint = f"did you mean {close[0]!r}?" if close else registry.hint(name, known)
        raise BadExperiment(f"no incident called {name!r} in {root / 'seeds'}; {hint}")
    return found


def read(file: Path) -> Dossier:
    """Return the dossier in `file`. Raises BadExperiment with all problems, each with its place."""
    return check(file, yamlfile.mapping(file))


def raw(file: Path) -> Mapping[str, Any]:
    """Return the dossier as plain values, for a plan to carry. Raises BadExperiment as `read` does."""
    doc = yamlfile.mapping(file)
    check(file, doc)
    return doc


def check(file: Path, doc: Mapping[str, Any]) -> Dossier:
    """Return `doc` as a dossier. Its `id` must be the stem of `file`. Raises BadExperiment with all problems."""
    problems = [f"{file}: {p}" for p in _problems(file, doc)]
    if problems:
        raise BadExperiment(*problems)
    return forms.convert(doc, Dossier, str(file))


def _problems(file: Path, doc: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(Dossier, doc, "")
    for section in FACTS:
        for n, fact in enumerate(_list(doc, section)):
            yield from _fact(f"{section}[{n}]", fact, timed=section == "timeline_public")
    targets = doc.get("targets")
    for name, target in targets.items() if isinstance(targets, dict) else ():
        yield from _target(f"targets.{name}", target)
    for n, what_if in enumerate(_list(doc, "counterfactuals")):
        place = f"counterfactuals[{n}]"
        yield from _piece(WhatIf, place, what_if)
        yield from _figures(place, what_if)
        named = what_if.get("target") if isinstance(what_if, dict) else None
        known = targets if isinstance(targets, dict) else {}
        if isinstance(named, str) and named not in known:
            yield f"{place}.target: no target called {named!r}; {registry.hint(named, known)}"
        if named and what_if.get("value") is None and what_if.get("formula") is None:
            yield f"{place}: names the target {named} and no figure; say what is expected, `value: …` or `formula: …`"
    if "when" in doc:
        yield from _piece(When, "when", doc["when"])
    yield from _whole(file, doc)


def _whole(file: Path, doc: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of the dossier as a whole: its id, its articles, and the confidence of its sections."""
    if doc.get("id") not in (None, file.stem):
        yield f"id: found {doc['id']!r}, expected the file's own name, {file.stem!r}"
    if doc.get("from_the_seeds") and not doc.get("seeds"):
        yield "seeds: found no article, so what stands in from_the_seeds has no source; name the articles' files"
    said = doc.get("confidence") or {}
    for section in FIGURES:
        if doc.get(section) and not (isinstance(said, dict) and section in said):
            yield f"{section}: no confidence; write `confidence: {{{section}: M}}`, {SURE}"
    for section in said if isinstance(said, dict) else ():
        if section not in doc:
            yield f"confidence.{section}: no such section; {registry.hint(str(section), doc)}"
        if not _among(said[section], SURENESS):
            yield f"confidence.{section}: found {said[section]!r:.80}, {SURE}"


def _fact(place: str, fact: Any, timed: bool) -> Iterator[str]:
    if isinstance(fact, dict):
        if not _among(fact.get("confidence"), SURENESS):
            found = f"found {fact['confidence']!r:.80}" if "confidence" in fact else "no confidence"
            yield f"{place}: {found}, {SURE}"
            fact = {**fact, "confidence": "L"}
        if "source" in fact and not fact["source"]:
            yield f"{place}: an empty source; name the outlet, or leave it out: it is the public record then"
        if timed and "t" not in fact:
            yield f"{place}: no `t`; expected hours after the onset, a number or [from, to]"
    yield from _piece(Fact, place, fact)


def _target(place: str, target: Any) -> Iterator[str]:
    if isinstance(target, dict):
        if not _among(target.get("use"), USES):
            found = f"found use {target['use']!r:.80}" if "use" in target else "no use"
            yield f"{place}: {found}, {USE}"
            target = {**target, "use": "calibrate"}
        if sum(target.get(key) is not None for key in ("value", "at_least", "formula")) != 1:
            yield f"{place}: nothing to compare with, or too much; expected one of value, at_least and formula"
        if target.get("sets") and target["use"] != "calibrate":
            yield (
                f"{place}: it sets {target['sets']}, so a run shows nothing by meeting it: found use "
                f"{target['use']!r}, expected calibrate"
            )
    yield from _figures(place, target)
    yield from _piece(Target, place, target)


def _figures(place: str, said: Any) -> Iterator[str]:
    """Yield the problems of `value` and `formula`. Both must be comparable with what a run measures."""
    value, formula = (said.get(key) if isinstance(said, dict) else None for key in ("value", "formula"))
    names = _names(said)
    if value is not None and not _comparable(value):
        yield f"{place}.value: found {value!r:.80}, {VALUE}"
    if isinstance(formula, str) and (why := unreadable(formula, names)):
        yield f"{place}.formula: {why}"


def _names(said: Any) -> list[str]:
    """Return the names that a formula may use: the keys of `where`."""
    found = said.get("where") if isinstance(said, dict) else None
    return list(found) if isinstance(found, dict) else []


def _comparable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(map(_number, value.values()))
    if not isinstance(value, list):
        return isinstance(value, str) or _number(value) or isinstance(value, bool)
    if all(map(_number, value)):
        return len(value) == 2
    if not value or not all(isinstance(part, list) and part for part in value):
        return False
    pairs = all(len(p) == 2 and isinstance(p[0], str | int | float) and _number(p[1]) for p in value)
    return pairs or all(isinstance(name, str) for part in value for name in part)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _among(value: Any, known: Mapping[str, str]) -> bool:
    return isinstance(value, str) and value in known


def _piece(kind: Any, place: str, value: Any) -> Iterator[str]:
    unknown = list(_unknown(kind, value, f"{place}: "))
    yield from unknown
    if unknown:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        yield f"{place}: {forms.words(e)}"


def _unknown(kind: Any, value: Any, place: str) -> Iterator[str]:
    known = registry.parameters_of_struct(kind)
    for key in value if isinstance(value, dict) else ():
        if key not in known:
            cut = value[key] is None  # inside {…}, YAML ends unquoted text at a comma
            hint = "a text with a comma in it must stand in quotes" if cut else registry.hint(str(key), known)
            yield f"{place}unknown field {key!r}; {hint}"


def _list(doc: Mapping[str, Any], key: str) -> list[Any]:
    found = doc.get(key)
    return found if isinstance(found, list) else []
