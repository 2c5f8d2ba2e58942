"""junit.xml: the judgement for a build server, one test case a check.

A known gap is `skipped` with its reason. `passed` would claim what does not hold and `failure` would turn the build red
for what everybody knows; skipped is the one state that build servers count apart from both.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.model import Finding, Verdict
from chaos.reports import words


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
    properties = ET.SubElement(suite, "properties")
    facts = {"seed": p.seed, "target": p.target, "posture": p.posture, "verdict": judgement.verdict.value}
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=str(value))
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = printable("\n".join(words.lost(journal, judgement)))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def case(experiment: str, finding: Finding) -> ET.Element:
    found = ET.Element("testcase", classname=f"chaos.{experiment}", name=printable(finding.check))
    evidence = "\n".join(finding.evidence)
    if finding.known_gap and finding.verdict is Verdict.FAIL:
        ET.SubElement(found, "skipped", message=printable(f"known gap: {finding.known_gap}. {finding.summary}"))
    elif finding.verdict is not Verdict.PASS:
        # An error is "we do not know", a failure is "it does not hold": build servers show them apart.
        tag = "failure" if finding.verdict is Verdict.FAIL else "error"
        wrong = ET.SubElement(found, tag, type=finding.verdict.value, message=printable(finding.summary))
        wrong.text = evidence or None
    else:
        ET.SubElement(found, "system-out").text = printable(finding.summary)
    return found


def _count(cases: list[ET.Element], tag: str) -> int:
    return sum(one.find(tag) is not None for one in cases)


def printable(text: str) -> str:
    """XML 1.0 has no place for control characters, and a node's last words may have them."""
    return "".join(c if c in "\t\n" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE else "?" for c in text)
