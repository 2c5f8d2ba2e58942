"""JSON Schemas for editors: of experiment files, with the parameters, units and limits of faults and checks, and of
chaos.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chaos import registry, units
from chaos.experiment import extensions, loads
from chaos.experiment.file import OWN, Experiment
from chaos.experiment.overlay import Overlay


def beside_the_stack() -> Mapping[str, Any]:
    """JSON Schema of chaos.yaml."""
    return msgspec.json.schema(Overlay)


QUESTIONS = "chaos.probes.questions"


def schema() -> Mapping[str, Any]:
    found = msgspec.json.schema(Experiment)
    entry, experiment = found["$defs"]["Entry"], found["$defs"]["Experiment"]
    entry["required"].append("where")  # it is checked by the planner, whose message says what to write
    entry["allOf"] = [_with(name) for name in registry.names("chaos.faults")]
    checks = {name: _parameters("chaos.judge.checkers", name) for name in registry.names("chaos.judge.checkers")}
    experiment["properties"]["checks"]["items"] = {"type": "object", "properties": checks}
    _add_loads(found)
    experiment["properties"]["probes"]["items"] = _probe(found["$defs"]["Steady"]["properties"]["for"])
    _add_blocks(found)
    return found


def _add_loads(found: dict[str, Any]) -> None:
    """The forms of `load`, one of which its keys choose."""
    forms, defined = msgspec.json.schema_components(loads.KINDS.values(), ref_template="#/$defs/{name}")
    found["$defs"] |= defined
    one = [{"required": [method]} for method in loads.METHODS]
    found["$defs"]["Request"]["oneOf"] = one
    found["$defs"]["Experiment"]["properties"]["load"] = {"anyOf": list(forms)}


def _probe(duration: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of `probes`. Parameters stand in a mapping, or one of them alone and the others beside it."""
    written = {key: value for key, value in duration.items() if key != "default"}
    found: dict[str, Any] = {
        "name": {"type": "string"},
        "every": written,
        "within": written,
        "when": {"type": "object"},
    }
    names = registry.names(QUESTIONS)
    for name in names:
        inside = _parameters(QUESTIONS, name)
        bare = registry.load(QUESTIONS, name).bare
        found |= {key: form for key, form in inside["properties"].items() if key != bare and key not in found}
        found[name] = {"anyOf": [inside, inside["properties"][bare]]} if bare else inside
    one = [{"required": [name]} for name in names]
    return {"type": "object", "properties": found, "required": ["name"], "oneOf": one, "additionalProperties": False}


def _add_blocks(found: dict[str, Any]) -> None:
    """Those of extensions, beside the harness's own."""
    kinds = {name: kind for name, kind in extensions.blocks().items() if name not in OWN}
    nullable = [kind | None for kind in kinds.values()]
    forms, defined = msgspec.json.schema_components(nullable, ref_template="#/$defs/{name}")
    found["$defs"] |= defined
    properties = found["$defs"]["Experiment"]["properties"]
    del properties["blocks"]
    for name, form in zip(kinds, forms, strict=True):
        properties[name] = {**form, "default": None}


def _with(fault: str) -> Mapping[str, Any]:
    is_it = {"properties": {"fault": {"const": fault}}, "required": ["fault"]}
    return {"if": is_it, "then": {"properties": {"with": _parameters("chaos.faults", fault)}}}


def _parameters(package: str, name: str) -> Mapping[str, Any]:
    cls = registry.load(package, name)
    kinds = registry.types(cls)
    known = {key: units.schema(key, kinds[key]) for key in registry.parameters(cls)}
    theirs = {word for one in extensions.every().values() for word in one.params}
    for chosen in {"to", *theirs} & set(known):  # selectors, which a plan turns into lists
        known[chosen] = {"description": units.form(chosen, kinds[chosen])}
    return {"type": ["object", "null"], "properties": known, "additionalProperties": False}
