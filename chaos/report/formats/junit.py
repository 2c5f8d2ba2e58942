"""junit.xml: the judgement for a build server, one test case for each check.

An expected failure is `skipped`, with its reason. `passed` would be wrong, and `failure` would make the build red for a
known problem. Build servers count skipped tests separately from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final
from xml.etree import ElementTree as ET

from chaos import safe
from chaos.judge.judgement import Judgement
from chaos.model import Finding, Verdict
from chaos.record.journal import Journal
from chaos.report import words
from chaos.report.format import Report


@final
@dataclass(frozen=True)
class Junit(Report):
    file: ClassVar = "junit.xml"
    kind: ClassVar = "text/xml; charset=utf-8"
    place: ClassVar = 3

    def render(self, journal: Journal, judgement: Judgement) -> str:
        return render(journal, judgement)


def render(journal: Journal, judgement: Judgement) -> str:
    p = journal.plan
    cases = [case(p.experiment, f) for f in judgement.findings]
    suite = ET.Element(
        "testsuite",
        name=p.experiment,
        tests=str(len(cases)),
        failures=str(_count(cases, "failure")),
        errors=str(_count(cases, "error")),
        skipped=str(_count(cases, "skipped")),
    )
    properties, measures = ET.SubElement(suite, "properties"), judgement.measures.added
    facts = {"seed": p.seed, "target": p.target, "posture": p.posture, "verdict": judgement.verdict.value}
    facts["badge"] = judgement.badge
    facts |= {name: _said(value) for m in measures.values() for name, value in m.named.items()}
    rto = judgement.measures.probe_rto_s
    facts |= {f"RTO of probe {name}, s": _said(value) for name, value in rto.items()}
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=str(value))
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = "\n".join(words.lost(journal, judgement))
    return written(suite)


def _said(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"


def written(root: ET.Element) -> str:
    """The file's text. XML cannot contain control characters, which a node's output may have."""
    for element in root.iter():
        element.text = element.text and safe.xml(element.text)
        for name, value in element.attrib.items():
            element.set(name, safe.xml(value))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def case(experiment: str, finding: Finding) -> ET.Element:
    found = ET.Element("testcase", classname=f"chaos.{experiment}", name=finding.check)
    evidence = "\n".join(finding.evidence)
    if finding.xfail and finding.verdict is Verdict.FAIL:
        ET.SubElement(found, "skipped", message=f"expected failure: {finding.xfail}. {finding.summary}")
    elif finding.verdict is not Verdict.PASS:
        # An error means "unknown", a failure "does not hold"; build servers show them separately.
        tag = "failure" if finding.verdict is Verdict.FAIL else "error"
        wrong = ET.SubElement(found, tag, type=finding.verdict.value, message=finding.summary)
        wrong.text = evidence or None
    else:
        ET.SubElement(found, "system-out").text = finding.summary
    return found


def _count(cases: list[ET.Element], tag: str) -> int:
    return sum(one.find(tag) is not None for one in cases)
