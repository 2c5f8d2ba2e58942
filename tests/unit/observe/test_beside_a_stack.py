"""`chaos up --observe`: what is started beside the stack, and the words where it cannot be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from chaos.cli import observe
from chaos.errors import BadExperiment, TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.place import standing
from tests.messages import Says

REFUSED = TargetError("stack.yml: `compose up` failed: no registry answers, and an image that is needed is not here")


class Engine:
    """Starts what it is asked to, or fails."""

    def __init__(self, stack: Stack, fails: TargetError | None = None) -> None:
        self._stack, self._fails = stack, fails
        self.started: list[str] = []

    def nodes(self) -> Sequence[Node]:
        return self._stack.nodes

    async def up_beside(self, names: Sequence[str]) -> None:
        if self._fails:
            raise self._fails
        self.started += names


def described(folder: Path, port: int) -> Stack:
    file = folder / "stack.yml"
    file.write_text(f"""
services:
  prometheus-c:
    labels: {{chaos.component: prometheus}}
    ports: ["127.0.0.1:9090:9090"]
  grafana-c:
    image: grafana/grafana:11.6.0
    profiles: [observe]
    ports: ["127.0.0.1:{port}:3000"]
  other:
    profiles: [observe, tools]
""")
    return stackfile.read(file, strict=False)


def test_it_is_started_beside_the_stack_and_runs_know_where_it_answers(tmp_path: Path, says: Says) -> None:
    """Said with both addresses; forgotten when the stack goes down."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        port = int(server.server_address[1])
        stack, said = described(tmp_path, port), list[str]()
        engine = Engine(stack)
        observe.begin("compose", stack, engine, said.append)
        server.shutdown()
    assert engine.started == ["grafana-c"]
    says("\n".join(said), port=port)
    assert standing.read_observed(tmp_path) == f"http://127.0.0.1:{port}"
    standing.write_observed(tmp_path, None)
    assert standing.read_observed(tmp_path) is None


def test_an_image_that_cannot_be_pulled_is_said_and_the_stack_stands(tmp_path: Path, says: Says) -> None:
    """Which image, what to do, and no word of our own images; no run looks for a Grafana afterwards."""
    stack, said = described(tmp_path, 1), list[str]()
    observe.begin("compose", stack, Engine(stack, REFUSED), said.append)
    says(said[-1])
    assert standing.read_observed(tmp_path) is None


def test_the_embedded_target_says_what_to_do_instead(tmp_path: Path, says: Says) -> None:
    """And starts nothing."""
    stack, said = described(tmp_path, 1), list[str]()
    engine = Engine(stack)
    observe.begin("process", stack, engine, said.append)
    assert engine.started == [] and len(said) == 1
    says(said[0])


def test_a_stack_that_describes_nothing_to_observe_with_is_refused_before_anything_starts(
    tmp_path: Path, says: Says
) -> None:
    """With the key that is missing. What another profile turns on as well is a node, and not beside the stack."""
    stack = described(tmp_path, 1)
    assert set(observe.services(stack)) == {"grafana-c"}
    stack.path.write_text("services: {one: {command: [true]}}")
    with says.raises(BadExperiment):
        observe.services(stack)
