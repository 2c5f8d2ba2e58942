"""Every metric of the harness, with kind, unit, labels and meaning; docs/reference/metrics.md is generated from it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from chaos.model import Verdict

PHASES = ("up", "steady", "timeline", "recover", "readback", "down")
OP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # a user gives up after two seconds
STEP_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metric(NamedTuple):
    """A metric. Counters end in _total, units are Prometheus' base units, ratios lie in 0..1."""

    name: str  # its name in PromQL (for a histogram followed by _bucket, _sum or _count)
    kind: Literal["gauge", "counter", "histogram", "info"]
    unit: str  # seconds, ratio; empty for a plain number
    labels: tuple[str, ...]
    help: str
    exemplar: tuple[str, ...] = ()  # labels of its exemplars, in OpenMetrics
    needs: str = ""  # what an experiment must have for the metric to exist


RUN = Metric("chaos_run_info", "info", "", ("run", "experiment", "seed", "target", "posture", "no_faults"),
             "Which run this is; always 1")  # fmt: skip
PHASE = Metric("chaos_phase", "gauge", "", ("experiment", "phase"),
               f"1 for the current phase of the run: {', '.join(PHASES)}")  # fmt: skip
FAULT = Metric("chaos_fault_active", "gauge", "", ("fault", "step", "node", "component", "zone"),
               "1 while a fault is in force on a node, 0 once it is healed")  # fmt: skip
STEP = Metric("chaos_step_seconds", "histogram", "seconds", ("fault", "part"),
              "How long each part of a step took: inject (until it is confirmed), active (until its last node is "
              "healed), heal (of one heal)", ("run", "step"))  # fmt: skip
SUCCESS = Metric("chaos_journey_success_ratio", "gauge", "ratio", ("journey",),
                 "Share of a journey's operations in the last two seconds that succeeded")  # fmt: skip
OPS = Metric("chaos_ops_total", "counter", "", ("journey", "result"),
             "Operations that ended: ok, fail (cannot have happened), info (may have happened)",
             ("run", "op"))  # fmt: skip
LATENCY = Metric("chaos_op_seconds", "histogram", "seconds", ("journey",),
                 "Time from the intended start of an operation to its end, including the wait until it was sent",
                 ("run", "op"))  # fmt: skip
REPORTS = Metric("chaos_reports_total", "counter", "", ("region", "category"),
                 "Outage reports filed by a model of people, by form of region. During a run a sample of them "
                 "is asked, the report asks all", needs="people")  # fmt: skip
RTO = Metric("chaos_rto_seconds", "gauge", "seconds", ("journey",),
             "From a journey's first failed operation after the first fault to its return; grows until it is back, "
             "0 if none failed; the figure of the report once the run is judged")  # fmt: skip
VERDICT = Metric("chaos_verdict", "gauge", "", ("verdict",),
                 f"1 for the run's verdict ({', '.join(v.value for v in Verdict)}); all 0 until then")  # fmt: skip
ANNOTATED = Metric("chaos_grafana_annotated", "gauge", "", (),
                   "1 while the harness writes annotations through Grafana's API, 0 where dashboards have to draw "
                   "faults from chaos_fault_active")  # fmt: skip
CLOCK = Metric("chaos_incident_seconds", "gauge", "seconds", (),
               "Incident time since its onset, the first fault", needs="incident")  # fmt: skip
RETURN = Metric("chaos_journey_return_ratio", "gauge", "ratio", ("journey",),
                "When a journey was back, as a share of the incident's length; absent while it is away",
                needs="incident")  # fmt: skip
FACT_RETURN = Metric("chaos_fact_return_ratio", "gauge", "ratio", ("journey", "bound"),
                     "The dossier's figure for it: lower and upper bound", needs="incident")  # fmt: skip
SERVERS = Metric("chaos_servers_up_ratio", "gauge", "ratio", (),
                 "Share of the plant's boot units that are up", needs="incident")  # fmt: skip
FACT_SERVERS = Metric("chaos_fact_servers_up_ratio", "gauge", "ratio", (),
                      "The dossier's latest figure for it at this time; absent before the first one",
                      needs="incident")  # fmt: skip

EVERY = (RUN, PHASE, FAULT, STEP, SUCCESS, OPS, LATENCY, REPORTS, RTO, VERDICT, ANNOTATED,
         CLOCK, RETURN, FACT_RETURN, SERVERS, FACT_SERVERS)  # fmt: skip
