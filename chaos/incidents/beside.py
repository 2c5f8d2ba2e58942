"""Gives the harness the facts of a run's incident, and the outage reports that people would have filed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from chaos.experiment.plan import Plan
from chaos.incidents.carried import dossier
from chaos.incidents.measures import facts, figures
from chaos.incidents.measures.outage_reports import filed, outage_reports
from chaos.protocols import Dossier
from chaos.record.findings import FactRow, Reports
from chaos.record.journal import Journal


@final
@dataclass(frozen=True)
class Incident(Dossier):
    """The incident whose dossier the plan carries. Only targets that apply to the run's settings are compared."""

    def facts(self, journal: Journal) -> Sequence[FactRow]:
        return facts(journal)

    def length(self, plan: Plan) -> float | None:
        """Return the length of the outage in run seconds; None if the dossier does not give it."""
        hours = dossier(plan).get("when", {}).get("outage_hours")
        return None if hours is None else float(hours) * 3600 / plan.scale

    def expected(self, plan: Plan) -> Mapping[str, tuple[float, float]]:
        """Return (least, most) of each numeric target that applies to this run's settings, by name."""
        return dict(figures(plan))

    def outage_reports(self, journal: Journal) -> Sequence[tuple[float, str]]:
        return [(report.t, report.region) for report in filed(journal)]

    def reports(self, journal: Journal) -> Reports | None:
        return outage_reports(journal)
