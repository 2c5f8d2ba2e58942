"""What people and programs read after a run: one module a format, each `render(journal, judgement) -> str`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chaos.errors import ChaosError
from chaos.journal import Journal
from chaos.judgement import Judgement


def write_all(run_dir: Path, journal: Journal, judgement: Judgement) -> dict[str, Path]:
    """findings.json first, then report.md, junit.xml and report.html; their paths by name. Raises ChaosError."""
    from chaos.reports import html, json, junit, markdown

    named = replace(judgement, run=judgement.run or label(run_dir))
    formats = {
        "findings.json": json.render,
        "report.md": markdown.render,
        "junit.xml": junit.render,
        "report.html": html.render,
    }
    written = {}
    for name, render in formats.items():
        path = run_dir / name
        try:
            path.write_text(render(journal, named), encoding="utf-8")
        except OSError as e:
            words = f"{path}: cannot be written ({e.strerror}); what was recorded of the run stays where it is"
            raise ChaosError(f"{words}: make room, then `chaos report {run_dir}`") from None
        written[name] = path
    return written


def label(run_dir: Path) -> str:
    """A run's folder as people name it, wherever it lies: runs/zone-fire/20260101T000000Z-s7."""
    found = run_dir.resolve()
    return f"runs/{found.parent.name}/{found.name}"
