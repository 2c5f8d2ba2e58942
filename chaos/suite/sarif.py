"""suite.sarif: what did not hold, in the form that code-scanning pages read (SARIF 2.1.0, OASIS standard).

A check that failed is an `error`; one that fails as it is known to is a `note` that the experiment file itself has
suppressed; what could not be judged is a result of kind `open`, which the standard keeps for "not decided". What held
is no result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from chaos import registry
from chaos.model import Verdict
from chaos.suite.outcome import Outcome, worst

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# What judge.py says beside the plan's checks.
ENDINGS = {
    "run": "How the run ended: every run is played to its end, and nothing fails on the way.",
    "residue": "Nothing that a fault did is left behind after the heal.",
    "floor": "Enough load was offered all the time.",
    "steady": "Users were well before the first fault.",
    "machine": "The hypervisor left the machine its processors.",
    "bite": "Every planned fault was seen to bite.",
}


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
        "exitCodeDescription": verdict.value,
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
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _rule(rule: str) -> dict[str, Any]:
    kind = rule.removeprefix("chaos/")
    if kind in registry.names("chaos.checkers") and kind not in ENDINGS:
        text = registry.summary(registry.load("chaos.checkers", kind))
    else:
        text = ENDINGS.get(kind, "Something the harness has to say of a run.")
    first = " ".join(text.split("\n\n")[0].split())
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in kind.replace("-", " ").split()),
        "shortDescription": {"text": first},
        "fullDescription": {"text": " ".join(text.split())},
        "help": {"text": "docs/guide/verdicts.md says when this check says no."},
        "defaultConfiguration": {"level": "error"},
    }


def _results(o: Outcome, root: Path) -> Iterator[dict[str, Any]]:
    lines = _Lines(root / "experiments" / f"{o.play.entry.experiment}.yaml", o.play.entry.short, o.checks)
    where = f"experiments/{o.play.entry.experiment}.yaml"
    if o.why:
        kind = "open" if o.verdict is Verdict.INCONCLUSIVE else "fail"
        yield _result(o, "run", o.why, kind, where, 1, ())
    for finding in o.findings:
        kind = kind_of(finding["check"])
        line = lines.of(kind)
        verdict = Verdict(finding["verdict"])
        if verdict is Verdict.PASS:
            continue
        result = _result(
            o, kind, f"{finding['check']}: {finding['summary']}",
            "open" if verdict is Verdict.INCONCLUSIVE else "fail", where, line, finding["evidence"],
        )  # fmt: skip
        if verdict is Verdict.FAIL and finding["known_gap"]:
            result["level"] = "note"
            suppression = {"kind": "inSource", "status": "accepted", "justification": finding["known_gap"]}
            result["suppressions"] = [suppression]
        yield result


def _result(
    o: Outcome, kind: str, text: str, judged: str, where: str, line: int, evidence: Sequence[str]
) -> dict[str, Any]:
    p = o.play
    same = "\n".join([p.entry.experiment, p.entry.posture or "", str(sorted(p.entry.sets.items())), text.split(":")[0]])
    location = {"artifactLocation": {"uri": where, "uriBaseId": "%SRCROOT%"}, "region": {"startLine": line}}
    return {
        "ruleId": f"chaos/{kind}",
        "kind": judged,
        "level": "error" if judged == "fail" else "none",
        "message": {"text": f"{p.title}: {text}"},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"chaosCheck/v1": hashlib.sha256(same.encode()).hexdigest()},
        "properties": {"run": str(o.document.get("run", "")), "seed": p.seed, "evidence": list(evidence)},
    }


def kind_of(check: str) -> str:
    """`recovery text` and `recovery-2` are both `recovery`."""
    word = check.split()[0]
    known = [*registry.names("chaos.checkers"), *ENDINGS]
    return next((k for k in known if word == k or word.rpartition("-")[0] == k), "run")


class _Lines:
    """Where an experiment's file has its checks: asked once a finding, in the order they were judged."""

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
    """The line of each entry under `checks:`, as the run had it."""
    try:
        top = yaml.compose(file.read_text(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError):
        return []
    checks = _key(top, "checks")
    if short and (other := _key(_key(top, "short"), "checks")) is not None:
        checks = other
    return [entry.start_mark.line + 1 for entry in checks.value] if isinstance(checks, yaml.SequenceNode) else []


def _key(node: Any, name: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)

