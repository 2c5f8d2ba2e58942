"""What incident dossiers add to a run: facts to compare it with, and the outage reports people would have filed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaos import registry
from chaos.experiment.plan import Plan
from chaos.protocols import Dossier
from chaos.record.findings import FactRow, Reports
from chaos.record.journal import Journal

PACKAGE = "chaos.judge.dossiers"


def facts(journal: Journal) -> tuple[FactRow, ...]:
    return tuple(row for dossier in _every() for row in dossier.facts(journal))


def length(plan: Plan) -> float | None:
    """Of what the plan replays, in run seconds; None where it replays nothing of a known length."""
    found = (dossier.length(plan) for dossier in _every())
    return next((one for one in found if one is not None), None)


def expected(plan: Plan) -> Mapping[str, tuple[float, float]]:
    """By measure, least and most."""
    return {name: span for dossier in _every() for name, span in dossier.expected(plan).items()}


def outage_reports(journal: Journal) -> list[tuple[float, str]]:
    """(run seconds, region) of every outage report."""
    return [report for dossier in _every() for report in dossier.outage_reports(journal)]


def reports(journal: Journal) -> Reports | None:
    """The reports of the first dossier that has any."""
    found = (dossier.reports(journal) for dossier in _every())
    return next((one for one in found if one is not None), None)


def _every() -> Iterator[Dossier]:
    for name in registry.names(PACKAGE):
        made: Dossier = registry.build(registry.load(PACKAGE, name), {})
        yield made
