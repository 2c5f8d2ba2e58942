"""Annotations: what is posted to Grafana's HTTP API, and that a run does not care whether anybody takes it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chaos.errors import BadExperiment, ChaosError
from chaos.model import Event
from chaos.observe.annotations import PASSWORD, TOKEN, Annotations, Grafana, written
from tests.messages import Says
from tests.unit.histories import plan

KILL = {"fault": "kill", "nodes": ["chat-a", "chat-b"]}


@dataclass
class Fake:
    """/api/annotations as Grafana answers it, on this machine."""

    status: int = 200
    body: bytes = b""  # in place of the answer
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    logins: set[str] = field(default_factory=set)
    url: str = ""

    def answer(self, method: str, path: str, body: Any, login: str) -> tuple[int, bytes]:
        self.asked.append((method, path, body))
        self.logins.add(login)
        posted = sum(m == "POST" for m, _, _ in self.asked)
        return self.status, self.body or json.dumps({"id": 100 + posted, "message": "ok"}).encode()


@pytest.fixture
def grafana() -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            login = self.headers["Authorization"]
            status, body = fake.answer(self.command, self.path, json.loads(sent) if sent else None, login)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


def told(url: str, said: list[str], *events: tuple[str, str, dict[str, Any]]) -> None:
    """A run on which these happen, a second apart, while somebody writes annotations to `url`."""
    clock = iter(range(1000, 2000))
    with written(url, said.append) as pipe:
        annotations = Annotations(plan(), "runs/x/1", pipe, lambda: float(next(clock)))
        for kind, subject, data in events:
            annotations.tell(Event(0.0, kind, subject, data))


def test_a_step_is_a_region_from_its_inject_to_its_last_heal(grafana: Fake) -> None:
    """With fault, nodes and run in words and in tags; a heal of some of its nodes does not end it."""
    said: list[str] = []
    told(
        grafana.url, said,
        ("fault.inject", "blow", KILL), ("fault.active", "blow", KILL),
        ("fault.heal", "blow", {"nodes": ["chat-a"]}), ("fault.heal", "blow", {"nodes": ["chat-b"]}),
    )  # fmt: skip
    check, begin, end = grafana.asked
    assert check[:2] == ("GET", "/api/org")
    text, tags = "blow: kill on chat-a, chat-b (runs/x/1)", ["chaos", "fault", "kill", "step:blow", "x"]
    assert begin == ("POST", "/api/annotations", {"time": 1_000_000, "text": text, "tags": tags})
    assert end == ("PATCH", "/api/annotations/101", {"timeEnd": 1_001_000})
    assert said == []


def test_what_a_run_leaves_open_ends_with_it(grafana: Fake) -> None:
    """The run's own region too; two steps keep their ids apart."""
    told(
        grafana.url, [],
        ("run.start", "x", {}), ("fault.inject", "one", KILL), ("fault.inject", "two", KILL),
        ("fault.heal", "one", {"nodes": ["chat-a", "chat-b"]}), ("run.end", "x", {}),
    )  # fmt: skip
    patched = [(path, body["timeEnd"]) for method, path, body in grafana.asked if method == "PATCH"]
    at = "/api/annotations/"
    assert patched == [(f"{at}102", 1_003_000), (f"{at}103", 1_004_000), (f"{at}101", 1_005_000)]


def test_who_is_not_let_in_writes_nothing_and_hears_what_to_do(grafana: Fake, says: Says) -> None:
    """No pipe, so that dashboards know that they have to draw faults from the metric; and no second word."""
    grafana.status = 401
    said: list[str] = []
    told(grafana.url, said, ("fault.inject", "blow", KILL))
    assert len(grafana.asked) == 1 and len(said) == 1
    says(said[0], url=grafana.url)


def test_a_grafana_that_fails_in_the_middle_is_told_once_and_the_run_goes_on(grafana: Fake, says: Says) -> None:
    """Each later annotation is still tried."""
    said: list[str] = []
    with written(grafana.url, said.append) as pipe:
        grafana.status, grafana.body = 500, b"oops"
        annotations = Annotations(plan(), "runs/x/1", pipe)
        for step in ("one", "two", "three"):
            annotations.tell(Event(0.0, "fault.inject", step, KILL))
    assert [method for method, _, _ in grafana.asked] == ["GET", "POST", "POST", "POST"]
    assert len(said) == 1
    says(said[0], url=grafana.url)


def test_a_writer_that_hangs_does_not_hold_the_run_up() -> None:
    """Nobody reads the pipe: what does not fit is dropped, and nothing waits."""
    read, write = os.pipe()
    annotations = Annotations(plan(), "runs/x/1", write)
    for n in range(2000):
        annotations.tell(Event(0.0, "fault.inject", f"step-{n}", KILL))
    os.close(write)
    with open(read, "rb") as lines:
        kept = lines.read().splitlines()
    assert 10 < len(kept) < 2000 and json.loads(kept[0])["key"] == "step-0"


@pytest.mark.parametrize("body", [b"<html>", b"[1]"])
def test_something_else_that_answers_there_is_no_grafana(grafana: Fake, body: bytes, says: Says) -> None:
    """A web page, a list: said with the address."""
    grafana.body = body
    with says.raises(ChaosError, url=grafana.url):
        Grafana(grafana.url, {}).check()


def test_a_token_goes_before_the_admins_password(grafana: Fake) -> None:
    """Both from the environment, and neither ever on a command line."""
    Grafana(grafana.url, {TOKEN: "t0ken", PASSWORD: "pw"}).check()
    Grafana(grafana.url, {PASSWORD: "pw"}).check()
    assert grafana.logins == {"Bearer t0ken", "Basic YWRtaW46cHc="}


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://here", "http://"])
def test_an_address_that_is_none_is_refused_before_anything_starts(url: str, says: Says) -> None:
    """With an example."""
    with says.raises(BadExperiment):
        Grafana(url, {})
