"""Locustfiles as others write them, unchanged, against a real server: what Locust reports becomes operations."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from chaos.load import notes
from chaos.load.contract import NOTES, OPS, Exit
from chaos.model import Note, Op
from tests.contract.test_openloop import ROOT, Server, answering, await_, closed_port, read_ops, resets, stalls
from tests.messages import Says

pytestmark = pytest.mark.alone

# The first example of Locust's documentation, word for word but for the waiting.
QUICKSTART = """
import time
from locust import HttpUser, task, between

class QuickstartUser(HttpUser):
    wait_time = between(0.05, 0.1)

    @task
    def hello_world(self):
        self.client.get("/hello")
        self.client.get("/world")

    @task(3)
    def view_items(self):
        for item_id in range(10):
            self.client.get(f"/item?id={item_id}", name="/item")
            time.sleep(0.01)

    def on_start(self):
        self.client.post("/login", json={"username":"foo", "password":"bar"})
"""
SEVERAL = """
from locust import FastHttpUser, HttpUser, TaskSet, User, constant, events, tag, task

class Browser(HttpUser):
    wait_time = constant(0.05)
    host = {host!r}
    weight = 3

    @task
    class Looking(TaskSet):
        @task
        def look(self):
            with self.client.get("/look", catch_response=True) as answer:
                if "wrong" in answer.text:
                    answer.failure("wrong body")

        @task
        def leave(self):
            self.interrupt()

class Buyer(FastHttpUser):
    wait_time = constant(0.05)
    host = {other!r}

    @tag("shop")
    @task
    def buy(self):
        with self.client.post("/buy", json={{"n": 1}}, catch_response=True) as answer:
            if answer.status_code == 404:
                answer.success()

    @tag("admin")
    @task
    def sell(self):
        self.client.post("/sell")

class Queue(User):
    wait_time = constant(0.05)

    @task
    def send(self):
        events.request.fire(request_type="amqp", name="send", response_time=3, response_length=0, exception=None,
                            context={{}})
        events.request.fire(request_type="amqp", name="lost", response_time=3, response_length=0,
                            exception=ConnectionRefusedError(111, "refused"), context={{}})
"""


def started(run: Path, text: str, *more: str, mode: str = "run", until: float = 2.0) -> subprocess.Popen[bytes]:
    file = run / "locustfile.py"
    file.write_text(text)
    command = [sys.executable, "-m", "chaos.load.closedloop", "--mode", mode, "--file", str(file), "--run", str(run)]
    times = ["--t0", repr(time.monotonic()), "--begin", "0", "--until", str(until), "--seed", "3"]
    with (run / "log").open("wb") as out:
        return subprocess.Popen([*command, *times, *more], cwd=ROOT, stdout=out, stderr=out)


def played(run: Path, text: str, *more: str, until: float = 2.5) -> dict[str, list[Op]]:
    """The operations of a run of some seconds, by journey."""
    process = started(run, text, *more, until=until)
    assert process.wait(30) == 0, (run / "log").read_text()
    found: dict[str, list[Op]] = defaultdict(list)
    for op in read_ops(run):
        found[op.journey].append(op)
    return found


def noted(run: Path) -> list[Note]:
    return list(notes.read(run / NOTES))


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(answering("200 OK", b"fine"))
    yield made
    made.close()


def users(n: int, server: Server | None = None) -> tuple[str, ...]:
    host = ("--host", server.url) if server else ()
    return ("--users", str(n), "--spawn-rate", str(n), *host)


def test_the_quickstart_of_locust_drives_a_run(tmp_path: Path, server: Server) -> None:
    """Each request is an operation, under the name that Locust shows; what on_start asks comes before them."""
    found = played(tmp_path, QUICKSTART, *users(4, server))
    assert set(found) == {"GET /hello", "GET /world", "GET /item"}
    ops = [op for ops in found.values() for op in ops]
    assert {op.result for op in ops} == {"ok"} and {op.status for op in ops} == {200}
    assert {op.user for op in ops} == {f"QuickstartUser-{n}" for n in range(1, 5)}
    assert len({op.id for op in ops}) == len(ops)
    assert all(0 <= op.t == op.start <= op.end for op in ops)
    assert noted(tmp_path) == []


def test_several_classes_and_protocols(tmp_path: Path, server: Server) -> None:
    """Task sets, FastHttpUser, and a client that only fires events; users are shared out by weight."""
    other = Server(answering("404 Not Found"))
    found = played(tmp_path, SEVERAL.format(host=server.url, other=other.url), *users(5))
    other.close()
    results = {name: Counter(op.result for op in ops) for name, ops in found.items()}
    assert set(results) == {"GET /look", "POST /buy", "POST /sell", "amqp send", "amqp lost"}
    assert set(results["GET /look"]) == set(results["POST /buy"]) == set(results["amqp send"]) == {"ok"}
    assert set(results["POST /sell"]) == set(results["amqp lost"]) == {"fail"}
    clients = {op.client: {o.user for ops in found.values() for o in ops if o.client == op.client}
               for ops in found.values() for op in ops}  # fmt: skip
    assert {name: len(who) for name, who in clients.items()} == {"Browser": 3, "Buyer": 1, "Queue": 1}
    assert all(abs(op.end - op.start - 0.003) < 1e-5 for op in found["amqp send"])


def test_tags_and_classes_choose_as_in_locust(tmp_path: Path, server: Server) -> None:
    """One class, without the tasks of a tag."""
    other = Server(answering("200 OK"))
    text = SEVERAL.format(host=server.url, other=other.url)
    assert set(played(tmp_path, text, *users(2), "--class", "Buyer", "--exclude-tag", "admin")) == {"POST /buy"}
    other.close()


BAD: dict[str, tuple[Callable[[], Server] | None, str, str]] = {
    "refused": (None, "fail", "refused"),
    "error": (lambda: Server(answering("500 Internal Server Error")), "info", "500"),
    "not-found": (lambda: Server(answering("404 Not Found")), "fail", "404"),
    "wrong": (lambda: Server(answering("200 OK", b"wrong")), "info", "wrong body"),
    "reset": (lambda: Server(resets()), "info", ""),
    "silent": (lambda: Server(stalls()), "info", "no answer when the load ended"),
}
ONE = """
from locust import {kind}, constant, task

class One({kind}):
    wait_time = constant(0.1)

    @task
    def look(self):
        with self.client.get("/look", catch_response=True) as answer:
            if answer.status_code == 200 and "wrong" in answer.text:
                answer.failure("wrong body")
"""


@pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
@pytest.mark.parametrize("case", BAD)
def test_conclusion(case: str, kind: str, tmp_path: Path) -> None:
    """What was not sent is fail and what may have happened is info, of both of Locust's clients."""
    make, result, word = BAD[case]
    server = make() if make else None
    host = server.url if server else closed_port()
    found = played(tmp_path, ONE.format(kind=kind), *users(2), "--host", host, until=2.0)
    if server:
        server.close()
    (ops,) = found.values()
    assert {op.result for op in ops} == {result} and {op.op for op in ops} == {"GET"}, ops
    assert all(word in op.error for op in ops), ops
    assert {op.journey for op in ops} == {"GET /look"}


def test_slow_answers_are_as_slow_as_they_were(tmp_path: Path) -> None:
    """A user waits: the next operation starts after the answer."""

    def slow(peer: object, request: bytes) -> bool:
        time.sleep(0.3)
        return answering("200 OK")(peer, request)  # type: ignore[arg-type]

    server = Server(slow)
    (ops,) = played(tmp_path, ONE.format(kind="HttpUser"), *users(1, server)).values()
    server.close()
    assert ops and all(0.29 < op.end - op.start < 0.6 for op in ops)
    assert all(later.start >= op.end for op, later in pairwise(ops))


@pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
def test_a_redirect_after_a_request_that_was_answered_proves_nothing(kind: str, tmp_path: Path) -> None:
    """The place that it leads to refuses, but the first request was executed."""
    server = Server(answering("302 Found", b"", f"Location: {closed_port()}/gone"))
    found = played(tmp_path, ONE.format(kind=kind), *users(1, server), until=1.5)
    server.close()
    assert {op.result for ops in found.values() for op in ops} == {"info"}


BLOCKING = """
import ctypes
from locust import User, constant, events, task

LIBC = ctypes.CDLL(None)

class Blocking(User):
    wait_time = constant(0.05)
    done = 0

    @task
    def work(self):
        Blocking.done += 1
        if Blocking.done == 10:
            query()
        events.request.fire(request_type="sql", name="select", response_time=1, response_length=0, exception=None,
                            context={})

def query():
    LIBC.usleep(1_500_000)  # as a driver in C waits for its socket
"""


def test_a_driver_that_blocks_the_loop_is_named(tmp_path: Path) -> None:
    """With the line, and for how long all users stood still."""
    played(tmp_path, BLOCKING, *users(3), until=4.0)
    (note,) = noted(tmp_path)
    assert note.kind == notes.BLOCKED and note.seconds is not None and 1.2 < note.seconds < 3.0
    assert note.where[-1].startswith(f"{tmp_path.name}/locustfile.py:") and note.where[-1].endswith(" query")


GONE = """
from gevent.event import Event
from locust import User, constant, events, task

class Gone(User):
    def on_start(self):
        raise ValueError("no database")

    @task
    def work(self): ...

class Waiting(User):
    wait_time = constant(0.1)

    @task
    def answer(self):
        Event().wait()
"""


def test_users_who_are_gone_or_wait_for_ever_are_noted(tmp_path: Path) -> None:
    """No operation shows them."""
    played(tmp_path, GONE, *users(2), until=4.0)
    found = {note.kind: note for note in noted(tmp_path)}
    assert found[notes.DIED].what == "Gone: ValueError: no database"
    waiting = found[notes.UNFINISHED]
    assert waiting.what == "Waiting: answer" and waiting.seconds is not None and waiting.seconds > 3.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 / 0", Exit.USAGE),
        ("raise SystemExit(3)", Exit.USAGE),
        ("from locust import HttpUser", Exit.USAGE),
        ("from locust import HttpUser\nclass A(HttpUser): ...", Exit.USAGE),
        (QUICKSTART, Exit.USAGE),  # no host
        (QUICKSTART.replace("HttpUser)", "HttpUser)").replace("@task", "@task\n    @unknown", 1), Exit.USAGE),
        (ONE.format(kind="HttpUser").replace("    @task", '    host = "http://a"\n    @task'), Exit.DONE),
    ],
    ids=range(7),
)
def test_what_only_locust_can_know_is_refused_before_a_fault(text: str, code: int, tmp_path: Path, says: Says) -> None:
    """Mode check: imported as Locust does, with the reason on stderr."""
    assert started(tmp_path, text, mode="check").wait(30) == code, (tmp_path / "log").read_text()
    says((tmp_path / "log").read_text().splitlines()[-1] if code else "accepted")


def test_a_load_whose_users_all_died_ends(tmp_path: Path, says: Says) -> None:
    """It does not play an empty run."""
    text = GONE.partition("class Waiting")[0]
    assert started(tmp_path, text, *users(2), until=30.0).wait(30) == Exit.NO_STACK
    says((tmp_path / "log").read_text().splitlines()[-1])


def test_a_locustfile_that_stops_locust_ends_the_load(tmp_path: Path, says: Says) -> None:
    """Locust's own way to end a test early is not the end of the plan."""
    text = ONE.format(kind="HttpUser").replace("with self", "self.environment.runner.quit()\n        with self")
    assert started(tmp_path, text, *users(1), "--host", "http://127.0.0.1:1", until=30.0).wait(30) == Exit.ENDED
    says((tmp_path / "log").read_text().splitlines()[-1])


def test_sigterm_lets_users_end_their_tasks(tmp_path: Path, server: Server) -> None:
    """Asked to end, the process ends well and soon."""
    process = started(tmp_path, QUICKSTART, *users(3, server), until=60.0)
    await_(process, lambda: (tmp_path / OPS).exists() and len(read_ops(tmp_path)) > 5)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) == 0, (tmp_path / "log").read_text()


CHOICES = """
from locust import HttpUser, task, between

class Chooser(HttpUser):
    wait_time = between(0.005, 0.02)

    def on_start(self):
        self.n = 0

    def go(self, path):
        self.n += 1
        self.client.get(path, name=f"{self.n} {path}")

    @task
    def hello(self):
        self.go("/hello")

    @task(3)
    def item(self):
        self.go("/item")
"""


def test_a_seed_is_the_same_choices(tmp_path: Path, server: Server) -> None:
    """One user's tasks are drawn from it; when they begin to count, and how many there are, is the machine's."""
    seen = []
    for n in range(2):
        run = tmp_path / str(n)
        run.mkdir()
        words = [journey.split() for journey in played(run, CHOICES, *users(1, server))]
        seen.append({int(number): path for _, number, path in words})
    both = seen[0].keys() & seen[1].keys()
    assert len(both) > 10 and {n: seen[0][n] for n in both} == {n: seen[1][n] for n in both}
    assert {"/hello", "/item"} <= set(seen[0].values())
