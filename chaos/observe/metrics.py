"""The harness's own metrics for Prometheus: the run's phase, faults in force, and the experience of users.

Names and meanings are in chaos/observe/catalogue.py.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chaos.errors import ChaosError
from chaos.experiment.plan import Plan
from chaos.model import Event, Op, Verdict
from chaos.observe import catalogue
from chaos.observe.catalogue import PHASES
from chaos.observe.replay import Replay
from chaos.observe.tally import Tally
from chaos.report import label

PORT = 9464
PATIENCE = 6.0  # seconds to wait for one more scrape: three times the scrape interval of the stack's Prometheus
RESULTS = ("ok", "fail", "info")

Success = Callable[[], Mapping[str, tuple[int, int]]]
# Outage reports: run seconds, region, category, and how many reports each one stands for.
Filed = Callable[[Sequence[Op]], Iterable[tuple[float, str, str, float]]]

# The additional "created" series of counters and histograms are not needed.
disable_created_metrics()


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Raises ChaosError with the port that is taken, and what to do."""
    try:
        return socket.create_server((address, port))
    except OSError as e:
        raise ChaosError(
            f"{address}:{port}, where the harness shows its metrics, cannot be opened ({e.strerror}); "
            "end what uses it, choose another with --metrics-port N, or 0 for none"
        ) from None


class Metrics:
    """`tell` has to receive every event. Serves /metrics on the given sockets until the block is left.

    `success` returns recent (ok, all) counts by journey. `filed`, if the plan has people who report outages, returns
    their reports about the given operations.
    """

    def __init__(
        self, plan: Plan, run: Path, success: Success = dict, annotated: bool = False, filed: Filed | None = None
    ) -> None:
        self._plan = plan
        self._run = label(run)
        self.registry = CollectorRegistry()
        self._live = _Live(self, success, filed)
        self.registry.register(self._live)  # first, because it updates what the others show
        text = {"seed": str(plan.seed), "no_faults": str(plan.no_faults).lower(), "posture": plan.posture}
        Info("chaos_run", catalogue.RUN.help, registry=self.registry).info(
            {"run": self._run, "experiment": plan.experiment, "target": plan.target, **text}
        )
        self._phase, self._fault, self._verdict, annotation = (
            self._made(Gauge, x) for x in (catalogue.PHASE, catalogue.FAULT, catalogue.VERDICT, catalogue.ANNOTATED)
        )
        annotation.set(annotated)
        for verdict in Verdict:
            self._verdict.labels(verdict.value).set(0)
        self._step = self._made(Histogram, catalogue.STEP, buckets=catalogue.STEP_BUCKETS)
        self._ops = self._made(Counter, catalogue.OPS)
        self._seconds = self._made(Histogram, catalogue.LATENCY, buckets=catalogue.OP_BUCKETS)
        self._nodes = {n["name"]: (n.get("component", ""), n.get("zone", "")) for n in plan.nodes}
        self._faults: dict[str, str] = {}
        self._began: dict[tuple[str, str], float] = {}  # part and step: run seconds
        self._owed: dict[str, set[str]] = {}  # step: nodes on which it is in force
        self.tally, self.replay = Tally(run), Replay(plan)
        self.zero: float | None = None
        self._asked = threading.Event()
        self._servers: list[WSGIServer] = []
        self._known: set[str] = set()  # journeys

    def _made(self, kind: Any, metric: catalogue.Metric, **more: Any) -> Any:
        return kind(metric.name, metric.help, metric.labels, unit=metric.unit, registry=self.registry, **more)

    # --- events

    def tell(self, event: Event) -> None:
        self.replay.tell(event)
        if event.kind == "phase":
            for phase in PHASES:
                self._phase.labels(self._plan.experiment, phase).set(phase == event.subject)
            if event.subject == "timeline":
                self.zero = time.monotonic() - event.t
        elif event.kind == "fault.inject":
            self._faults[event.subject] = str(event.data["fault"])
            self._began["inject", event.subject] = event.t
        elif event.kind == "fault.active":
            self._activated(event)
        elif event.kind == "step.heal":
            self._began["heal", event.subject] = event.t
        elif event.kind == "fault.heal":
            self._healed(event)

    def _activated(self, event: Event) -> None:
        step = event.subject
        self._faults[step] = str(event.data["fault"])
        self._owed[step] = set(event.data["nodes"])
        self._took("inject", step, event.t)
        self._began["active", step] = event.t
        if self.tally.struck is None:
            self.tally.struck = event.t
        self._show(step, event.data["nodes"], 1)

    def _healed(self, event: Event) -> None:
        step = event.subject
        owed = self._owed.get(step, set())
        owed.difference_update(event.data["nodes"])
        if event.data["nodes"]:
            self._took("heal", step, event.t)
        if not owed:
            self._took("active", step, event.t)
        self._show(step, event.data["nodes"], 0)

    def _show(self, step: str, nodes: Iterable[str], value: int) -> None:
        for node in nodes:
            component, zone = self._nodes.get(node, ("", ""))
            self._fault.labels(self._faults.get(step, ""), step, node, component, zone).set(value)

    def _took(self, part: str, step: str, t: float) -> None:
        """Observe the duration of a part, once for each start."""
        if (began := self._began.pop((part, step), None)) is not None:
            exemplar = {"run": self._run, "step": step}
            self._step.labels(self._faults.get(step, ""), part).observe(max(0.0, t - began), _fitting(exemplar))

    def judged(self, verdict: Verdict, rto: Mapping[str, float | None]) -> None:
        """Set the verdict, and the recovery times that the report shows."""
        for one in Verdict:
            self._verdict.labels(one.value).set(one is verdict)
        self._live.rto = {journey: seconds for journey, seconds in rto.items() if seconds is not None}

    def asked_again(self) -> bool:
        """Wait until the final values have been scraped. False if there was never a scrape, or none within PATIENCE."""
        if not self._asked.is_set():
            return False
        self._asked.clear()
        return self._asked.wait(PATIENCE)

    @property
    def t(self) -> float | None:
        """The current time in run seconds; None before the timeline."""
        return None if self.zero is None else time.monotonic() - self.zero

    # --- scrapes

    def count(self) -> list[Op]:
        """Count the operations that have ended since the last scrape."""
        found = list(self.tally.new())
        for op in found:
            if op.journey not in self._known:  # a ratio needs the zero too
                self._known.add(op.journey)
                for result in RESULTS:
                    self._ops.labels(op.journey, result)
            exemplar = _fitting({"run": self._run, "op": op.id})
            self._ops.labels(op.journey, op.result).inc(1, exemplar)
            self._seconds.labels(op.journey).observe(max(0.0, op.latency), exemplar)
        return found

    @property
    def run(self) -> str:
        return self._run

    @property
    def plan(self) -> Plan:
        return self._plan

    def serve(self, sockets: Sequence[socket.socket]) -> Self:
        shown = make_wsgi_app(self.registry)

        def app(environ: Any, start: Any) -> Any:
            answer = shown(environ, start)
            self._asked.set()
            return answer

        for sock in sockets:
            host, port = sock.getsockname()[:2]
            server = WSGIServer((host, port), _Quiet, bind_and_activate=False)
            server.socket.close()
            server.socket = sock
            server.server_name, server.server_port = host, port
            server.setup_environ()
            server.set_app(app)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self._servers.append(server)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self.tally.close()


class _Live(Collector):
    """Metrics that are computed on each scrape. Concurrent scrapes are handled one at a time."""

    def __init__(self, metrics: Metrics, success: Success, filed: Filed | None) -> None:
        self._metrics, self._success, self._filed = metrics, success, filed
        self._lock = threading.Lock()
        self._ops: list[Op] = []  # kept only if people report
        self._reported: dict[tuple[str, str], float] = {}
        self.rto: Mapping[str, float] = {}  # from the judge

    def describe(self) -> Iterator[Metric]:
        """Empty: it is called before the run has started."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            new = self._metrics.count()
            if self._filed is not None:
                self._ops += new
            hold = self._metrics.plan.hold
            away = dict(self._metrics.tally.away)
            yield _family(catalogue.SUCCESS, {(j,): ok / n for j, (ok, n) in self._success().items() if n})
            rto = {**{j: a.rto(hold) for j, a in away.items()}, **self.rto}
            yield _family(catalogue.RTO, {(j,): seconds for j, seconds in rto.items()})
            if self._filed is not None:
                yield self._reports(self._filed)
            if self._metrics.replay.length:
                onset = self._metrics.plan.onset  # a journey without failures was back then
                backs = {j: onset if a.first is None else a.returned(hold) for j, a in away.items()}
                yield from self._incident(backs)

    def _reports(self, filed: Filed) -> Metric:
        now = self._metrics.t
        counts: dict[tuple[str, str], float] = {}
        for t, region, category, many in filed(self._ops) if self._ops else ():
            if now is not None and t <= now:
                counts[region, category] = counts.get((region, category), 0.0) + many
        x = catalogue.REPORTS
        family = CounterMetricFamily(x.name, x.help, labels=x.labels)
        for labels, n in counts.items():  # the estimate improves with each scrape, but a counter may only grow
            self._reported[labels] = max(n, self._reported.get(labels, 0.0))
        for labels, n in self._reported.items():
            family.add_metric(labels, n)
        return family

    def _incident(self, backs: Mapping[str, float | None]) -> Iterator[Metric]:
        replay, t = self._metrics.replay, self._metrics.t
        now = -1.0 if t is None else t
        yield _family(catalogue.CLOCK, {(): replay.seconds(now)})
        yield _family(catalogue.RETURN, {(j,): replay.fraction(back) for j, back in backs.items() if back is not None})
        facts = replay.fact_returns()
        bounds: dict[tuple[str, ...], float] = {
            (j, bound): x for j, ends in facts.items() for bound, x in zip(("low", "high"), ends, strict=True)
        }
        yield _family(catalogue.FACT_RETURN, bounds)
        for metric, value in (
            (catalogue.SERVERS, replay.servers_up()),
            (catalogue.FACT_SERVERS, replay.fact_servers(now)),
        ):
            yield _family(metric, {} if value is None else {(): value})


def _family(metric: catalogue.Metric, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _fitting(exemplar: Mapping[str, str]) -> dict[str, str]:
    """The labels that fit into an exemplar: OpenMetrics allows 128 characters, including names. The run comes first."""
    left, found = 128, {}
    for name, value in exemplar.items():
        if (left := left - len(name) - len(value)) >= 0:
            found[name] = value
    return found


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...
