"""The harness's own metrics for Prometheus: what phase a run is in, which faults bite, what users see."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from chaos.errors import ChaosError
from chaos.model import Event

PORT = 9464
PHASES = ("up", "steady", "timeline", "recover", "readback", "down")


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Raises ChaosError saying which port is taken and what to do."""
    try:
        return socket.create_server((address, port))
    except OSError as e:
        raise ChaosError(
            f"{address}:{port}, where the harness shows its metrics, cannot be opened ({e.strerror}); "
            "end what uses it, choose another with --metrics-port N, or 0 for none"
        ) from None


class Metrics:
    """Tell it every event; it serves /metrics on the given sockets until the block is left."""

    def __init__(self, experiment: str, success: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        self._registry = CollectorRegistry()
        self._fault = self._gauge("chaos_fault_active", "1 while a fault bites a node", "fault", "step", "node")
        self._phase = self._gauge("chaos_phase", "1 for the phase the run is in", "experiment", "phase")
        self._registry.register(_Live(success))
        self._experiment = experiment
        self._faults: dict[str, str] = {}
        self._servers: list[WSGIServer] = []

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def tell(self, event: Event) -> None:
        if event.kind == "phase":
            for phase in PHASES:
                self._phase.labels(self._experiment, phase).set(phase == event.subject)
        elif event.kind in {"fault.active", "fault.heal"}:
            if event.kind == "fault.active":
                self._faults[event.subject] = str(event.data["fault"])
            for node in event.data["nodes"]:
                fault = self._faults.get(event.subject, "")
                self._fault.labels(fault, event.subject, node).set(event.kind == "fault.active")

    def serve(self, sockets: Sequence[socket.socket]) -> Self:
        app = make_wsgi_app(self._registry)
        for sock in sockets:
            host, port = sock.getsockname()[:2]
            server = WSGIServer((host, port), _Quiet, bind_and_activate=False)
            server.socket.close()
            server.socket = sock
            server.server_name, server.server_port = host, port
            server.setup_environ()
            server.set_app(app)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers.append(server)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Live(Collector):
    """Read when somebody scrapes, so that nothing has to keep it fresh."""

    def __init__(self, success: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        self._success = success

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ratio = GaugeMetricFamily(
            "chaos_success_ratio", "operations that went well in the last seconds", labels=["journey"]
        )
        for journey, (ok, n) in self._success().items():
            ratio.add_metric([journey], ok / n)
        yield ratio


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...
