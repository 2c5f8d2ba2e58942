"""Answers to probes over time, one strip for each probe with a tolerance, with its outage."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from chaos.experiment.plan import ProbeSpec
from chaos.judge.judgement import Judgement
from chaos.judge.measures import answers as measured
from chaos.record.journal import Journal
from chaos.report.bins import answered
from chaos.report.charts.frame import ROW, Axis, Row, beside, chart, rect
from chaos.report.charts.success import FINEST, stack
from chaos.report.tables import away

SPARSE = 2  # answers a bin should contain


def answers(journal: Journal, judgement: Judgement) -> Markup | None:
    """For the answers of each bin: good from below, bad from above. None if there is no probe with a tolerance."""
    asked = judgement.measures.probe_availability
    axis = Axis.of(journal)

    def row(spec: ProbeSpec) -> Row:
        found = answered(journal, spec, max(24, min(FINEST, asked[spec.name].n // SPARSE)))
        outage = measured.answers(journal, spec).outage

        def plot(y: float) -> Iterator[str]:
            for kind in ("ok", "fail"):
                yield f'<path class="{kind}" d="{stack(found, kind, axis, y)}"/>'
            if outage:
                x, end = axis.x(outage.start), axis.x(axis.end if outage.back is None else outage.back)
                yield rect(x, y + ROW + 2, max(end - x, 1.0), 3, "outage")

        return Row(spec.name[:14], plot, beside(away(judgement.measures.probe_rto_s, spec.name, journal.plan.scale)))

    rows = [row(spec) for spec in measured.tolerant(journal)]
    return chart(journal, axis, "Answers to probes over time", rows) if rows else None
