"""Texts that all forms of a comparison share: knobs, times, differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.report.comparison import Document
from chaos.report.words import NONE, incident_time, percent, value


def knobs(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={value(v)}" for k, v in run["knobs"].items()) or "the same knobs"


def away(seconds: float | None, scale: float) -> str:
    """The length of an outage: in run time, or in incident time if the run is scaled."""
    if seconds is None:
        return "never back"
    if not seconds:
        return "0"
    return f"{seconds:.2f} s" if scale == 1 else incident_time(seconds, scale)


def shorter(difference: float | None, scale: float) -> str:
    """The signed difference of two such times; empty if one never ended or nothing changed."""
    if not difference:
        return ""
    return ("+" if difference > 0 else "-") + away(abs(difference), scale)


def points(difference: float | None) -> str:
    """The signed difference of two shares, in percentage points."""
    return "" if not difference else f"{difference * 100:+.1f}"


def lost(run: Mapping[str, Any]) -> str:
    d = run["delivery"]
    if not d:
        return "unknown"
    extra = "".join(f", {d[k]:,} {k}" for k in ("ghost", "duplicated") if d[k])
    return f"{d['lost']:,} of {d['acked']:,}{extra}"


def effect(found: Mapping[str, Any]) -> str:
    """The title for the effect of one knob, or of several that changed together."""
    knobs = found["knobs"]
    return f"What {knobs[0]} does" if len(knobs) == 1 else f"What {', '.join(knobs)} do together"


def values(row: Mapping[str, Any]) -> str:
    return ", ".join(map(value, row["value"]))


def heading(doc: Document) -> list[str]:
    """What was compared, and what all runs have in common."""
    apart = ("seed", "target", "posture")
    same = ", ".join(f"{k}={value(v)}" for k, v in sorted(doc["same"].items()) if k not in apart)
    fixed = [f"{k} {doc['same'][k]}" for k in apart if k in doc["same"]]
    load = f"{doc['load']['users']} users, {doc['load']['rate']:g} operations a second"
    if not doc["load"]["users"]:
        load = "no load: probes stand in the place of journeys"
    form = ["short form"] if doc["short"] else []
    return [f"The same in all: {', '.join([*fixed, load, *form])}{'; ' + same if same else ''}."]


def added(doc: Document) -> list[tuple[str, ...]]:
    """The measures that are in no other table: a row for each figure, a column for each run."""
    names = dict.fromkeys(name for run in doc["runs"] for name in run["added"])
    return [(name, *(_figure(run["added"], name) for run in doc["runs"])) for name in names]


def _figure(found: Mapping[str, float | None], name: str) -> str:
    if name not in found:
        return NONE
    shown = found[name]
    return "never" if shown is None else f"{shown:,.4g}"


def share(value: float | None) -> str:
    return NONE if value is None else percent(value)
