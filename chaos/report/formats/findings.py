"""findings.json: the judgement for programs. docs/guide/verdicts.md says what each field means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, final

import msgspec

from chaos.judge.judgement import Judgement
from chaos.model import Finding
from chaos.record.findings import Document, Found
from chaos.record.journal import Journal
from chaos.report.format import Report


@final
@dataclass(frozen=True)
class Findings(Report):
    file: ClassVar = "findings.json"
    kind: ClassVar = "application/json"
    place: ClassVar = 1

    def render(self, journal: Journal, judgement: Judgement) -> str:
        return render(journal, judgement)


def render(journal: Journal, judgement: Judgement) -> str:
    """Sorted keys and fixed rounding: the same journal gives the same bytes."""
    found = msgspec.to_builtins(document(journal, judgement))
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def document(journal: Journal, judgement: Judgement) -> Document:
    p = journal.plan
    return Document(
        experiment=p.experiment,
        run=judgement.run,
        seed=p.seed,
        target=p.target,
        posture=p.posture,
        settings=dict(p.settings),
        scale=p.scale,
        short=p.short,
        verdict=judgement.verdict.value,
        expected_failures=judgement.expected_failures,
        exit=judgement.exit_code,
        residue=judgement.residue,
        left_out=p.left_out,
        measures=judgement.measures,
        facts=judgement.facts,
        findings=tuple(map(_finding, judgement.findings)),
    )


def _finding(f: Finding) -> Found:
    return Found(f.check, f.verdict.value, f.summary, f.xfail or None, f.evidence)
