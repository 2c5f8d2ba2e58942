"""The tables every report shows, as rows of text: written once, laid out three times."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.journal import Journal
from chaos.judgement import Judgement
from chaos.measures.phases import PHASES
from chaos.plan import Step
from chaos.reports.words import NONE, incident_time, most_used, ms, percent, standing, value


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def journeys(journal: Journal, judgement: Judgement) -> Table:
    """Success before, during and after, how long each was away, and how many operations say so."""
    m, scale = judgement.measures, journal.plan.scale
    rows = []
    for j in most_used(judgement):
        a = m["availability"][j]
        counts = a["counts"]
        shares = [f"{percent(a[p])} ({counts[p]:,})" if counts[p] else NONE for p in PHASES]
        rto, grain = m["rto_s"].get(j, NONE), m["resolution_s"].get(j)
        away = rto if isinstance(rto, str) else "never back" if rto is None else f"{rto:.2f} s" if rto else "0"
        row = [j, *shares, away]
        if scale != 1:
            row.append(incident_time(rto, scale) if isinstance(rto, float) and rto else NONE)
        if "return_fraction" in m:
            f = m["return_fraction"].get(j)
            row.append(NONE if f is None else f"{f:.3f}")
        rows.append((*row, NONE if grain is None else f"{grain:.2f} s"))
    head = ["journey", "before", "during", "after", "RTO"]
    head += ["incident time"] if scale != 1 else []
    head += ["of the outage"] if "return_fraction" in m else []
    note = "Share of operations that got the promised answer (operations). RTO: from the first failed operation to the"
    note += " return that lasted; known to the resolution, one over the journey's arrival rate."
    return Table("Users, by journey", (*head, "resolution"), tuple(rows), note)


def latency(journal: Journal, judgement: Judgement) -> Table:
    m = judgement.measures
    rows = []
    for j in most_used(judgement):
        phases = m["latency_ms"][j]
        n = m["availability"][j]["counts"]
        cells = [ms(phases.get(p, {}).get(q), n[p]) for p in PHASES for q in ("p50", "p95", "p99")]
        rows.append((j, *cells))
    head = ("journey", *(f"{p} {q}" for p in PHASES for q in ("p50", "p95", "p99")))
    note = "Milliseconds from the intended start, over all operations. One without the promised answer took for ever,"
    note += ' so "no answer" says that the user at this quantile did not get one.'
    return Table("Latency", head, tuple(rows), note)


def targets(journal: Journal, judgement: Judgement) -> Table:
    rows = tuple((r.name, r.use, value(r.fact), value(r.measured), standing(r), r.note) for r in judgement.targets)
    note = "Fractions of the outage are counted from the first fault. Reproduced: this run was set by the fact, so it"
    note += " proves nothing. Predicted: it came out."
    head = ("target", "use", "fact", "measured", "so", "note")
    return Table("The incident's facts beside this run", head, rows, note)


def reported(journal: Journal, judgement: Judgement) -> Table:
    """By region what people filed; without a model of people it has no rows."""
    found, scale = judgement.measures.get("reports", {}), journal.plan.scale
    rows = tuple(
        (name, f"{r['n']:,}", value(r["shares"]) if r["shares"] else NONE, _peak(r["peak_at_s"], scale))
        for name, r in found.get("regions", {}).items()
    )
    note = f"A model: {found.get('people', 0):,} people a region, who live through what users of the load did."
    return Table("What people reported", ("region", "reports", "shares", "most at"), rows, note)


def beside(journal: Journal, judgement: Judgement) -> Table:
    """Reports and the true service level at the same time."""
    rows = tuple(
        (incident_time(t, journal.plan.scale) if t > 0 else "0", f"{n:,}", percent(success))
        for t, n, success in judgement.measures.get("reports", {}).get("beside", ())
    )
    note = "Success is measured, of all operations from then on; reports are the model's. A status page is not counted."
    return Table("Reports beside the service level", ("from", "reports", "success"), rows, note)


def _peak(at: float | None, scale: float) -> str:
    return NONE if at is None else incident_time(max(at, 0.0), scale)


def delivery(journal: Journal, judgement: Judgement) -> Table:
    d, rpo = judgement.measures["delivery"], judgement.measures["rpo_s"]
    kinds = ("acked", "lost", "ghost", "duplicated", "unread")
    rows = [
        (j, *(f"{counts[k]:,}" for k in kinds), NONE if rpo[j] is None else f"{rpo[j]:.2f} s")
        for j, counts in d.get("journeys", {}).items()
    ]
    note = "Acked: acknowledged. Lost: acknowledged and not there. Ghost: refused and there. RPO: how long before the"
    note += " blow the oldest lost write was acknowledged."
    return Table("Acknowledged writes, read back", ("journey", *kinds, "RPO"), tuple(rows), note)


def steps(journal: Journal, judgement: Judgement) -> Table:
    """What was done to whom, in order: planned time, and when it was seen to bite."""
    p = journal.plan
    bit = {e.subject: e.t for _, e in journal.of("fault.active")}
    done = {e.subject: e.t for _, e in journal.of("operator.done")}
    rows = [
        (s.at, s.id, s.fault, ", ".join(s.nodes), _at(bit.get(s.id)), _at(_last_back(s)), _units(len(s.releases)))
        for s in p.steps
    ]
    rows += [(a.at, a.id, f"operator: {a.name}", ", ".join(a.nodes), _at(done.get(a.id)), NONE, NONE) for a in p.acts]
    table = tuple((f"{at:.2f} s", *rest) for at, *rest in sorted(rows))
    head = ("at", "step", "what", "nodes", "seen at", "ends at", "returns in")
    return Table("What was done", head, tuple(tuple(map(str, r)) for r in table))


def vitals(journal: Journal) -> Table:
    """How the nodes of each step were before, during and after, by figure; no rows in a journal without any."""
    seen: dict[tuple[str, str], dict[str, float]] = {}
    for _, e in journal.of("vitals"):
        for name, figure in e.data.get("figures", {}).items():
            seen.setdefault((e.subject, name), {})[str(e.data.get("when"))] = figure
    rows = [
        (step, name.replace("_", " "), *(_figure(found.get(p)) for p in PHASES)) for (step, name), found in seen.items()
    ]
    note = "Seen at the nodes themselves. Before: in the steady state. During: once the fault was seen to bite. After:"
    note += " once it was healed everywhere; what else bites then shows as well. A round trip is between two nodes."
    return Table("What the faults did", ("step", "figure", *PHASES), tuple(rows), note)


def _figure(v: float | None) -> str:
    return NONE if v is None else f"{v:,.4g}"


def _last_back(step: Step) -> float:
    """When its last node is given back; boot units without a node of it may come later."""
    return max((r.t for r in step.releases if r.nodes), default=step.end)


def _at(t: float | None) -> str:
    return "never" if t is None else f"{t:.2f} s"


def _units(n: int) -> str:
    return "one piece" if n <= 1 else f"{n} units"
