"""Reads seeds/NAME.yaml strictly: every fact with its confidence, every target with its use, no unknown key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chaos import registry
from chaos.dossier import SURENESS, USES, Dossier, Fact, Target, WhatIf, When
from chaos.errors import BadExperiment
from chaos.experiment import document

FACTS = ("timeline_public", "causes_public", "controls_public", "observed_public", "public")
FIGURES = ("report_shares_public", "optimism")  # sections that say their confidence under `confidence:`
SURE = f"expected one of {', '.join(f'{k} ({v})' for k, v in SURENESS.items())}"
USE = f"expected one of {', '.join(f'{k} ({v})' for k, v in USES.items())}"


def names(root: Path) -> list[str]:
    return sorted(p.stem for p in (root / "seeds").glob("*.yaml"))


def path(root: Path, name: str) -> Path:
    """seeds/NAME.yaml. Raises BadExperiment with the nearest name."""
    found = root / "seeds" / f"{name}.yaml"
    if not found.is_file():
        known = names(root)
        close = [n for n in known if name and n.startswith(name)]  # `kakao` will do as a question
        hint = f"did you mean {close[0]!r}?" if close else registry.hint(name, known)
        raise BadExperiment(f"no incident called {name!r} in {found.parent}; {hint}")
    return found


def read(file: Path) -> Dossier:
    """The dossier in `file`. Raises BadExperiment with every problem found, each with its place."""
    return check(file, document(file))


def raw(file: Path) -> Mapping[str, Any]:
    """The same as plain values, for a plan to carry along; refused as `read` refuses."""
    doc = document(file)
    check(file, doc)
    return doc


def check(file: Path, doc: Mapping[str, Any]) -> Dossier:
    """`doc` as a dossier; `file` is for the errors only."""
    problems = [f"{file}: {p}" for p in _problems(file, doc)]
    if problems:
        raise BadExperiment(*problems)
    try:
        return msgspec.convert(doc, Dossier)
    except msgspec.ValidationError as e:
        raise BadExperiment(f"{file}: {_readable(e)}") from None


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
        named = what_if.get("target") if isinstance(what_if, dict) else None
        if named and named not in (targets or {}):
            yield f"{place}.target: no target called {named!r}; {registry.hint(str(named), targets or {})}"
        if named and what_if.get("value") is None and what_if.get("formula") is None:
            yield f"{place}: names the target {named} and no figure; say what is expected, `value: …` or `formula: …`"
    if "when" in doc:
        yield from _piece(When, "when", doc["when"])
    yield from _whole(file, doc)


def _whole(file: Path, doc: Mapping[str, Any]) -> Iterator[str]:
    """What no single entry shows."""
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
        if said[section] not in SURENESS:
            yield f"confidence.{section}: found {said[section]!r}, {SURE}"


def _fact(place: str, fact: Any, timed: bool) -> Iterator[str]:
    if isinstance(fact, dict):
        if fact.get("confidence") not in SURENESS:
            found = f"found {fact['confidence']!r}" if "confidence" in fact else "no confidence"
            yield f"{place}: {found}, {SURE}"
            fact = {**fact, "confidence": "L"}
        if "source" in fact and not fact["source"]:
            yield f"{place}: an empty source; name the outlet, or leave it out: it is the public record then"
        if timed and "t" not in fact:
            yield f"{place}: no `t`; expected hours after the onset, a number or [from, to]"
    yield from _piece(Fact, place, fact)


def _target(place: str, target: Any) -> Iterator[str]:
    if isinstance(target, dict):
        if target.get("use") not in USES:
            found = f"found use {target['use']!r}" if "use" in target else "no use"
            yield f"{place}: {found}, {USE}"
            target = {**target, "use": "calibrate"}
        if len({"value", "at_least", "formula"} & set(target)) != 1:
            yield f"{place}: nothing to compare with, or too much; expected one of value, at_least and formula"
        if target.get("sets") and target["use"] != "calibrate":
            yield (
                f"{place}: it sets {target['sets']}, so a run shows nothing by meeting it: found use "
                f"{target['use']!r}, expected calibrate"
            )
    yield from _piece(Target, place, target)


def _piece(kind: Any, place: str, value: Any) -> Iterator[str]:
    unknown = list(_unknown(kind, value, f"{place}: "))
    yield from unknown
    if unknown:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        yield f"{place}: {_readable(e)}"


def _unknown(kind: Any, value: Any, place: str) -> Iterator[str]:
    known = registry.parameters_of_struct(kind)
    for key in value if isinstance(value, dict) else ():
        if key not in known:
            cut = value[key] is None  # YAML ends a text at a comma inside {…}
            hint = "a text with a comma in it must stand in quotes" if cut else registry.hint(str(key), known)
            yield f"{place}unknown field {key!r}; {hint}"


def _list(doc: Mapping[str, Any], key: str) -> list[Any]:
    found = doc.get(key)
    return found if isinstance(found, list) else []


def _readable(e: msgspec.ValidationError) -> str:
    text = re.sub(r" - at `\$\.?([^`]*)`", lambda m: f" (at {m[1]})" if m[1] else "", str(e))
    return text.replace("`", "'").replace("Object missing required field", "missing field")
