"""findings.json: the judgement for programs. docs/guide/verdicts.md says what each field means."""

from __future__ import annotations

import json
from typing import Any

from chaos.incident import Row
from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.model import Finding


def render(journal: Journal, judgement: Judgement) -> str:
    """Sorted keys and fixed rounding: the same journal gives the same bytes."""
    found = document(journal, judgement)
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def document(journal: Journal, judgement: Judgement) -> dict[str, Any]:
    p = journal.plan
    return {
        "experiment": p.experiment,
        "run": judgement.run,
        "seed": p.seed,
        "target": p.target,
        "posture": p.posture,
        "settings": dict(p.settings),
        "scale": p.scale,
        "short": p.short,
        "verdict": judgement.verdict.value,
        "exit": judgement.exit_code,
        "residue": list(judgement.residue),
        "left_out": list(p.left_out),
        "measures": judgement.measures,
        "targets": [_row(r) for r in judgement.targets],
        "findings": [_finding(f) for f in judgement.findings],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "use": row.use,
        "fact": row.fact,
        "measured": row.measured,
        "holds": row.holds,
        "shown": row.shown,
        "note": row.note,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "known_gap": finding.known_gap or None,
        "summary": finding.summary,
        "evidence": list(finding.evidence),
    }
