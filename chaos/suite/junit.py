"""junit.xml of a suite: one test suite a run, one case a check as in the run's own, every measure a property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from chaos.history import flatten
from chaos.model import Finding, Verdict
from chaos.reports.junit import case, printable
from chaos.suite.outcome import Outcome

TAGS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def render(suite: str, outcomes: Sequence[Outcome]) -> str:
    top = ET.Element("testsuites", name=f"chaos {suite}")
    for o in outcomes:
        top.append(_suite(o))
    for count in ("tests", *TAGS):
        top.set(count, str(sum(int(one.get(count, "0")) for one in top)))
    top.set("time", f"{sum(o.seconds for o in outcomes):.3f}")
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _suite(o: Outcome) -> ET.Element:
    experiment = o.play.entry.experiment
    cases = [case(experiment, _finding(f)) for f in o.findings]
    if o.why:
        wrong = ET.Element("testcase", classname=f"chaos.{experiment}", name="run")
        ET.SubElement(wrong, "error", type=o.verdict.value, message=printable(o.why))
        cases.append(wrong)
    found = ET.Element("testsuite", name=o.play.title, tests=str(len(cases)), time=f"{o.seconds:.3f}")
    for count, tag in TAGS.items():
        found.set(count, str(sum(one.find(tag) is not None for one in cases)))
    properties = ET.SubElement(found, "properties")
    said = {"verdict": o.verdict.value, "seed": o.play.seed, "run": o.document.get("run", "")}
    said |= {name: "never" if value is None else f"{value:g}" for name, value in flatten(o.measures)}
    for name, value in said.items():
        ET.SubElement(properties, "property", name=name, value=str(value))
    found.extend(cases)
    return found


def _finding(found: Mapping[str, Any]) -> Finding:
    """As findings.json has it."""
    verdict, gap = Verdict(found["verdict"]), found["known_gap"] or ""
    return Finding(found["check"], verdict, found["summary"], tuple(found["evidence"]), gap)
