"""suite.sarif: failed checks in the form that code-scanning pages read (SARIF 2.1.0, OASIS standard).

A failed check is an `error`. An expected failure is a `note` that the experiment file suppresses. A check that could
not be judged is a result of kind `open`, which the standard defines as "not decided". Passed checks are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chaos import redaction, registry, safe, yamlfile
from chaos.errors import BadExperiment
from chaos.model import Verdict
from chaos.report.suite.outcome import Outcome, whole, worst

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# The judge's findings about the end of a run.
ENDINGS = {
    "run": "How the run ended: every run is executed to its end without errors.",
    "residue": "No effect of a fault is left behind after the heal.",
}
JUDGED = ("chaos.judge.checkers", "chaos.judge.assumptions")


def render(suite: str, version: str, outcomes: Sequence[Outcome], root: Path) -> str:
    """One `run` object for the whole suite. `root`: the project's folder, to find the lines of checks in."""
    results = [r for o in outcomes for r in _results(o, root)]
    used = sorted({r["ruleId"] for r in results})
    rules = [_rule(rule) for rule in used]
    for result in results:
        result["ruleIndex"] = used.index(result["ruleId"])
    verdict = worst(outcomes)
    driver = {"name": "chaos", "semanticVersion": version, "version": version, "rules": rules}
    invocation = {
        "executionSuccessful": verdict not in (Verdict.ERROR, Verdict.DIRTY),
        "exitCode": verdict.exit_code,
        "exitCodeDescription": whole(outcomes),
    }
    found = {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": f"chaos/{suite}/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [invocation],
                "results": results,
            }
        ],
    }
    return safe.text(json.dumps(found, indent=1, ensure_ascii=False)) + "\n"


def _rule(rule: str) -> dict[str, Any]:
    kind = rule.removeprefix("chaos/")
    package = next((p for p in JUDGED if kind in registry.names(p)), None)
    if package:
        text = registry.summary(registry.load(package, kind))
    else:
        text = ENDINGS.get(kind, "A finding of the harness about a run.")
    first = " ".join(text.split("\n\n")[0].split())
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in kind.replace("-", " ").split()),
        "shortDescription": {"text": first},
        "fullDescription": {"text": " ".join(text.split())},
        "help": {"text": "docs/guide/verdicts.md says when this check fails."},
        "defaultConfiguration": {"level": "error"},
    }


def _results(o: Outcome, root: Path) -> Iterator[dict[str, Any]]:
    name, folder = o.play.entry.experiment, root / "experiments"
    file = yamlfile.find(folder, name) or folder / f"{name}.yaml"
    lines, where = _Lines(file, o.play.entry.short, o.checks), f"experiments/{file.name}"
    if o.why:
        kind = "open" if o.verdict is Verdict.INCONCLUSIVE else "fail"
        yield _result(o, "run", o.why, kind, where, 1, ())
    for finding in o.findings:
        kind = kind_of(finding.check)
        line = lines.of(kind)
        verdict = Verdict(finding.verdict)
        if verdict is Verdict.PASS:
            continue
        result = _result(
            o, kind, f"{finding.check}: {finding.summary}",
            "open" if verdict is Verdict.INCONCLUSIVE else "fail", where, line, finding.evidence,
        )  # fmt: skip
        if verdict is Verdict.FAIL and finding.xfail:
            result["level"] = "note"
            suppression = {"kind": "inSource", "status": "accepted", "justification": finding.xfail}
            result["suppressions"] = [suppression]
        yield result


def _result(
    o: Outcome, kind: str, text: str, judged: str, where: str, line: int, evidence: Sequence[str]
) -> dict[str, Any]:
    p = o.play
    knobs = sorted(redaction.mapping(p.entry.sets).items())
    same = "\n".join([p.entry.experiment, p.entry.posture or "", str(knobs), text.split(":")[0]])
    location = {"artifactLocation": {"uri": where, "uriBaseId": "%SRCROOT%"}, "region": {"startLine": line}}
    return {
        "ruleId": f"chaos/{kind}",
        "kind": judged,
        "level": "error" if judged == "fail" else "none",
        "message": {"text": f"{p.title}: {text}"},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"chaosCheck/v1": hashlib.sha256(same.encode(errors="backslashreplace")).hexdigest()},
        "properties": {"run": o.document.run if o.document else "", "seed": p.seed, "evidence": list(evidence)},
    }


def kind_of(check: str) -> str:
    """`recovery text` and `recovery-2` are both `recovery`."""
    word = check.split()[0]
    known = [*(name for package in JUDGED for name in registry.names(package)), *ENDINGS]
    return next((k for k in known if word == k or word.rpartition("-")[0] == k), "run")


class _Lines:
    """The lines of checks in an experiment's file; queried once for each finding, in the order they were judged."""

    def __init__(self, file: Path, short: bool, checks: Sequence[str]) -> None:
        found = _checks(file, short)
        self._left = []
        for name in checks:
            kind, _, place = name.rpartition("-")
            n = int(place) - 1
            self._left.append((kind, found[n] if n < len(found) else 1))

    def of(self, kind: str) -> int:
        """Line of the next check of this kind; 1 where the file has none (an assumption), or cannot be read."""
        for n, (name, line) in enumerate(self._left):
            if name == kind:
                del self._left[n]
                return line
        return 1


def _checks(file: Path, short: bool) -> list[int]:
    """The line of each entry under `checks:`, in the form that the run used."""
    try:
        top = yamlfile.compose(file)
    except BadExperiment:
        return []
    checks = top and top.get("checks")
    if short and (over := top and top.get("short")) and (other := over.get("checks")):
        checks = other
    return [entry.line for entry in checks.content] if checks and isinstance(checks.content, list) else []
