"""The tables of all reports, as rows of text that each format lays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.experiment.plan import Step
from chaos.judge.judgement import Judgement
from chaos.judge.measures.phases import PHASES
from chaos.record.findings import Quantiles, Reports
from chaos.record.journal import Journal
from chaos.report.words import NONE, incident_time, most_used, ms, percent, standing, value


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def journeys(journal: Journal, judgement: Judgement) -> Table:
    """Success before, during and after, how long each journey was away, and the number of operations."""
    m, scale = judgement.measures, journal.plan.scale
    rows = []
    for j in most_used(judgement):
        a = m.availability[j]
        shares = [f"{percent(a.of(p))} ({a.counts.of(p):,})" if a.counts.of(p) else NONE for p in PHASES]
        rto, grain = m.rto_s.get(j, NONE), m.resolution_s.get(j)
        away = rto if isinstance(rto, str) else "never back" if rto is None else f"{rto:.2f} s" if rto else "0"
        row = [j, *shares, away]
        if scale != 1:
            row.append(incident_time(rto, scale) if isinstance(rto, float) and rto else NONE)
        if m.return_fraction is not None:
            f = m.return_fraction.get(j)
            row.append(NONE if f is None else f"{f:.3f}")
        rows.append((*row, NONE if grain is None else f"{grain:.2f} s"))
    head = ["journey", "before", "during", "after", "RTO"]
    head += ["incident time"] if scale != 1 else []
    head += ["of the outage"] if m.return_fraction is not None else []
    note = "Share of operations that succeeded (number of operations). RTO: from the first failed operation to the"
    note += " return that lasted; known to the resolution, one over the journey's arrival rate."
    return Table("Users, by journey", (*head, "resolution"), tuple(rows), note)


def probes(journal: Journal, judgement: Judgement) -> Table:
    """Good answers before, during and after, how long each probe was away, and the number of answers."""
    m, scale = judgement.measures, journal.plan.scale
    every = {p.name: p.every for p in journal.plan.probes}
    rows = []
    for name, a in m.probe_availability.items():
        shares = [percent(a.of(p)) for p in PHASES]
        unseen = f"{a.unseen:,}" if a.unseen else "0"
        rows.append((name, *shares, away(m.probe_rto_s, name, scale), f"{a.n:,}", unseen, f"{every[name]:g} s"))
    note = "Share of good answers. RTO: from the first bad answer to the return that lasted. Not asked: questions that"
    note += " could not be asked, which says nothing about the system. RTO is known to the interval."
    head = ("probe", *PHASES, "RTO", "answers", "not asked", "every")
    return Table("Probes", head, tuple(rows), note)


def away(rto_s: Mapping[str, float | None], name: str, scale: float) -> str:
    """How long a probe was away."""
    if name not in rto_s:
        return NONE
    if (rto := rto_s[name]) is None:
        return "never back"
    if not rto:
        return "0"
    return f"{rto:.2f} s" if scale == 1 else f"{incident_time(rto, scale)} ({rto:.2f} s)"


def latency(journal: Journal, judgement: Judgement) -> Table:
    m = judgement.measures
    rows = []
    for j in most_used(judgement):
        phases, n = m.latency_ms[j], m.availability[j].counts
        cells = [ms(q, n.of(p)) for p in PHASES for q in (phases.of(p) or Quantiles()).all]
        rows.append((j, *cells))
    head = ("journey", *(f"{p} {q}" for p in PHASES for q in ("p50", "p95", "p99")))
    note = "Milliseconds from the intended start, over all operations. One that did not succeed counts as"
    note += ' infinitely slow, so "no answer" means that the user at this quantile got none.'
    return Table("Latency", head, tuple(rows), note)


def facts(journal: Journal, judgement: Judgement) -> Table:
    rows = tuple((r.name, r.use, value(r.fact), value(r.measured), standing(r), r.note) for r in judgement.facts)
    note = (
        "Fractions of the outage are counted from the first fault. Reproduced: the run was calibrated with the fact, so"
    )
    note += " it proves nothing. Predicted: a result of the run."
    head = ("target", "use", "fact", "measured", "so", "note")
    return Table("The incident's facts beside this run", head, rows, note)


def reported(journal: Journal, judgement: Judgement) -> Table:
    """By region what people reported; without a model of people it has no rows."""
    found, scale = judgement.measures.reports or Reports(), journal.plan.scale
    rows = tuple(
        (name, f"{r.n:,}", value(r.shares) if r.shares else NONE, _peak(r.peak_at_s, scale))
        for name, r in found.regions.items()
    )
    note = f"A model: {found.people:,} people a region, who experience what users of the load did."
    return Table("What people reported", ("region", "reports", "shares", "most at"), rows, note)


def beside(journal: Journal, judgement: Judgement) -> Table:
    """Reports, and the true service level at the same time."""
    rows = tuple(
        (incident_time(t, journal.plan.scale) if t > 0 else "0", f"{n:,}", percent(success))
        for t, n, success in (judgement.measures.reports or Reports()).beside
    )
    note = "Success is measured, of all operations from then on; reports are the model's."
    note += " People who only read the status page are not counted."
    return Table("Reports beside the service level", ("from", "reports", "success"), rows, note)


def _peak(at: float | None, scale: float) -> str:
    return NONE if at is None else incident_time(max(at, 0.0), scale)


def delivery(journal: Journal, judgement: Judgement) -> Table:
    d, rpo = judgement.measures.delivery, judgement.measures.rpo_s
    kinds = ("acked", "lost", "ghost", "duplicated", "unread")
    rows = [
        (j, *(f"{n:,}" for n in (w.acked, w.lost, w.ghost, w.duplicated, w.unread)), _seconds(rpo.get(j)))
        for j, w in (d.journeys if d else {}).items()
    ]
    note = "Acked: acknowledged. Lost: acknowledged and missing. Ghost: refused and present. RPO: how long before the"
    note += " fault the oldest lost write was acknowledged."
    return Table("Acknowledged writes, read back", ("journey", *kinds, "RPO"), tuple(rows), note)


def added(journal: Journal, judgement: Judgement) -> Table:
    """A row for each figure of the measures that are in no other table."""
    rows = tuple(
        (m.title, of, NONE if value is None else f"{value:,.4g}", m.unit)
        for m in judgement.measures.added.values()
        for of, value in m.figures.items()
    )
    return Table("Further measures", ("measure", "of", "figure", "unit"), rows)


def steps(journal: Journal, judgement: Judgement) -> Table:
    """The faults in order, with their nodes, planned times, and the times when they were confirmed."""
    p = journal.plan
    bit = {e.subject: e.t for _, e in journal.of("fault.active")}
    done = {e.subject: e.t for _, e in journal.of("operator.done")}
    rows = [
        (s.at, s.id, s.fault, ", ".join(s.nodes), _at(bit.get(s.id)), _at(_last_back(s)), _units(len(s.releases)))
        for s in p.steps
    ]
    rows += [(a.at, a.id, f"operator: {a.name}", ", ".join(a.nodes), _at(done.get(a.id)), NONE, NONE) for a in p.acts]
    table = tuple((f"{at:.2f} s", *rest) for at, *rest in sorted(rows))
    head = ("at", "step", "what", "nodes", "confirmed at", "healed at", "healed in")
    return Table("What was done", head, table)


def vitals(journal: Journal) -> Table:
    """The state of each step's nodes before, during and after, by figure; no rows if none was recorded."""
    seen: dict[tuple[str, str], dict[str, float]] = {}
    for _, e in journal.of("vitals"):
        for name, figure in e.data.get("figures", {}).items():
            seen.setdefault((e.subject, name), {})[str(e.data.get("when"))] = figure
    rows = [
        (step, name.replace("_", " "), *(_figure(found.get(p)) for p in PHASES)) for (step, name), found in seen.items()
    ]
    note = "Measured at the nodes. Before: in the steady state. During: once the fault was confirmed. After:"
    note += " once it was healed everywhere; other active faults show as well. A round trip is between two nodes."
    return Table("What the faults did", ("step", "figure", *PHASES), tuple(rows), note)


def _seconds(v: float | None) -> str:
    return NONE if v is None else f"{v:.2f} s"


def _figure(v: float | None) -> str:
    return NONE if v is None else f"{v:,.4g}"


def _last_back(step: Step) -> float:
    """When its last node is healed; later boot units may not contain any of its nodes."""
    return max((r.t for r in step.releases if r.nodes), default=step.end)


def _at(t: float | None) -> str:
    return "never" if t is None else f"{t:.2f} s"


def _units(n: int) -> str:
    return "one piece" if n <= 1 else f"{n} units"
