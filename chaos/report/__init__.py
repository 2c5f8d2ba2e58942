"""The output of a run for people and programs: on the terminal, and in the files of chaos/report/formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chaos import registry
from chaos.errors import ChaosError
from chaos.judge.judgement import Judgement
from chaos.record.journal import Journal
from chaos.report.format import Report

FORMATS = "chaos.report.formats"


def write_all(run_dir: Path, journal: Journal, judgement: Judgement) -> dict[str, Path]:
    """Write findings.json first, then report.md, junit.xml, report.html, and those of other packages. Returns paths by
    name.

    Raises ChaosError.
    """
    named = replace(judgement, run=judgement.run or label(run_dir))
    written = {}
    for report in every_format():
        path = run_dir / report.file
        try:
            path.write_text(report.render(journal, named), encoding="utf-8")
        except OSError as e:
            words = f"{path}: cannot be written ({e.strerror}); the run's records are kept"
            raise ChaosError(f"{words}: make room, then `chaos report {run_dir}`") from None
        written[report.file] = path
    return written


def every_format() -> list[Report]:
    """All formats in the order in which they are written. Raises BadExperiment for an installed one that is broken."""
    made: list[Report] = [registry.build(registry.load(FORMATS, name), {}) for name in registry.names(FORMATS)]
    return sorted(made, key=lambda report: (report.place, report.file))


def label(run_dir: Path) -> str:
    """A run's folder for display, independent of its location: runs/zone-fire/20260101T000000Z-s7."""
    found = run_dir.resolve()
    return f"runs/{found.parent.name}/{found.name}"
