"""Reads records of earlier releases under the names of this release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from chaos import jsonfile, registry
from chaos.experiment.plan import Plan
from chaos.model import Event

PACKAGE = "chaos.experiment.extensions"
PLAN: Mapping[str, str] = {"leashed": "no_faults"}  # keys of plan.json
CHECK: Mapping[str, str] = {"known_gap": "xfail"}  # keys of an entry of its `checks`
EXTENSIONS = ("incident", "people", "staff")  # keys of plan.json that are under `extensions` now
KINDS: Mapping[str, str] = {"step.leashed": "step.skipped"}  # of events in journal.jsonl
FINDINGS: Mapping[str, str] = {"bite": "effective"}  # names of checks in findings.json


def plan(path: Path) -> Plan:
    """The plan in `path`. Raises jsonfile.Unreadable, and OSError if there is no such file."""
    found = _renamed(jsonfile.read(path, dict[str, Any]), PLAN)
    if isinstance(checks := found.get("checks"), list):
        found["checks"] = [_renamed(c, CHECK) if isinstance(c, dict) else c for c in checks]
    made = jsonfile.convert(_extended(found), Plan, str(path))
    return msgspec.structs.replace(made, extensions={k: _typed(path, k, v) for k, v in made.extensions.items()})


def _extended(found: Mapping[str, Any]) -> dict[str, Any]:
    """With the keys of EXTENSIONS where they are now. They were empty where an extension had nothing to say."""
    if "extensions" in found:
        return dict(found)
    former = {key: value for key, value in found.items() if key in EXTENSIONS and value}
    return {k: v for k, v in found.items() if k not in EXTENSIONS} | {"extensions": former}


def _typed(path: Path, name: str, value: Any) -> Any:
    """As its extension has it; as it is where that is not installed here. Raises jsonfile.Unreadable."""
    if name not in registry.names(PACKAGE):
        return value
    return jsonfile.convert(value, registry.load(PACKAGE, name).carries, f"{path}: extensions.{name}")


def _renamed(found: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in found.items()}


def event(found: Event) -> Event:
    kind = KINDS.get(found.kind)
    return msgspec.structs.replace(found, kind=kind) if kind else found


def finding(found: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `findings` in findings.json, under today's names."""
    named = {"check": FINDINGS.get(name, name)} if isinstance(name := found.get("check"), str) else {}
    return {**found, **named, "xfail": xfail(found) or None}


def xfail(finding: Mapping[str, Any]) -> str:
    """Why a finding of findings.json is expected to fail; empty if it is not."""
    return str(finding.get("xfail") or finding.get("known_gap") or "")


def expected_failures(findings: Mapping[str, Any]) -> int:
    """How many checks of a findings.json failed as expected. Earlier releases did not write the number."""
    if isinstance(count := findings.get("expected_failures"), int):
        return count
    found = findings.get("findings")
    rows = [f for f in found if isinstance(f, Mapping)] if isinstance(found, list) else []
    return sum(f.get("verdict") == "FAIL" and bool(xfail(f)) for f in rows)
