"""junit.xml of a suite: a test suite for each run with a case for each check; measures are properties."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from chaos.model import Finding, Verdict
from chaos.record.findings import Found
from chaos.report.formats.junit import case, written
from chaos.report.suite.outcome import Outcome

TAGS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def render(suite: str, outcomes: Sequence[Outcome]) -> str:
    top = ET.Element("testsuites", name=f"chaos {suite}")
    for o in outcomes:
        top.append(_suite(o))
    for count in ("tests", *TAGS):
        top.set(count, str(sum(int(one.get(count, "0")) for one in top)))
    top.set("time", f"{sum(o.seconds for o in outcomes):.3f}")
    return written(top)


def _suite(o: Outcome) -> ET.Element:
    experiment = o.play.entry.experiment
    cases = [case(experiment, _finding(f)) for f in o.findings]
    if o.why:
        wrong = ET.Element("testcase", classname=f"chaos.{experiment}", name="run")
        ET.SubElement(wrong, "error", type=o.verdict.value, message=o.why)
        cases.append(wrong)
    found = ET.Element("testsuite", name=o.play.title, tests=str(len(cases)), time=f"{o.seconds:.3f}")
    for count, tag in TAGS.items():
        found.set(count, str(sum(one.find(tag) is not None for one in cases)))
    properties = ET.SubElement(found, "properties")
    said = {
        "verdict": o.verdict.value,
        "badge": o.badge,
        "seed": o.play.seed,
        "run": o.document.run if o.document else "",
    }
    said |= {name: "never" if value is None else f"{value:g}" for name, value in o.figures.items()}
    for name, value in said.items():
        ET.SubElement(properties, "property", name=name, value=str(value))
    found.extend(cases)
    return found


def _finding(found: Found) -> Finding:
    return Finding(found.check, Verdict(found.verdict), found.summary, found.evidence, found.xfail or "")
