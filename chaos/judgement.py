"""What a run came to: findings, measures, facts beside them, and one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.incident import Row
from chaos.model import Finding, Verdict


@dataclass(frozen=True)
class Judgement:
    """`measures` has the shape of findings.json; `residue` is in words, empty means clean."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    targets: tuple[Row, ...]
    measures: Mapping[str, Any]
    residue: tuple[str, ...] = ()
    run: str = ""  # the run's folder as people name it: runs/zone-fire/20260101T000000Z-s7

    @property
    def exit_code(self) -> int:
        return self.verdict.exit_code

    @property
    def known_gaps(self) -> tuple[Finding, ...]:
        """Checks that carry a mark, whether they failed as known or held by luck."""
        return tuple(f for f in self.findings if f.known_gap)
