"""The questions: what is a good answer, a bad one, and none."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import Mapping, Sequence
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from chaos import registry
from chaos.errors import ChaosError, TargetError
from chaos.model import Node
from chaos.probes.questions.exec import Exec
from chaos.probes.questions.http import Http
from chaos.probes.questions.promql import Promql
from chaos.probes.questions.tcp import Tcp
from chaos.protocols.capabilities import HOST, Hosted, Hosting
from chaos.protocols.questions import Answer, Client
from chaos.protocols.table import Table
from chaos.targets.memory.target import Memory
from tests.virtual import virtually


class Said(Client):
    """A client that gets this status and body, or this error."""

    def __init__(self, status: int = 200, body: bytes = b"", error: Exception | None = None) -> None:
        self._answer, self._error = (status, body), error
        self.asked: list[Any] = []

    async def get(self, url: str, headers: Mapping[str, str], verify: bool) -> tuple[int, bytes]:
        self.asked.append((url, dict(headers), verify))
        if self._error:
            raise self._error
        return self._answer

    async def connect(self, host: str, port: int) -> None:
        self.asked.append((host, port))
        if self._error:
            raise self._error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
FULL = OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize(
    ("params", "client", "answer"),
    [
        ({}, Said(200), Answer(True, {"status": 200.0})),
        ({}, Said(302), Answer(True, {"status": 302.0})),
        ({}, Said(404), Answer(False, {"status": 404.0}, "status 404")),
        ({"status": 404}, Said(404), Answer(True, {"status": 404.0})),
        ({"status": 200}, Said(204), Answer(False, {"status": 204.0}, "status 204")),
        ({"contains": "up"}, Said(200, b"it is up"), Answer(True, {"status": 200.0})),
        ({"contains": "up"}, Said(200, b"down"), Answer(False, {"status": 200.0}, "status 200, without 'up'")),
        ({}, Said(error=REFUSED), Answer(False, why="Connection refused")),
        ({}, Said(error=UNKNOWN), Answer(False, why="name not resolved: Name or service not known")),
        ({}, Said(error=ConnectionResetError()), Answer(False, why="ConnectionResetError")),
        ({}, Said(error=IncompleteRead(b"")), Answer(False, why="not a whole HTTP answer: IncompleteRead")),
    ],
)
def test_an_http_answer_is_good_or_bad(params: dict[str, Any], client: Said, answer: Answer) -> None:
    """By status and body; a system that refuses or breaks the connection answers badly."""
    made = Http("http://front:8080/", **params)
    assert virtually(made.ask(client, 1.0)) == answer


def test_headers_and_the_choice_to_trust_any_certificate_are_passed_on() -> None:
    """As they were written."""
    client = Said()
    virtually(Http("https://front/", headers={"host": "shop"}, verify=False).ask(client, 1.0))
    assert client.asked == [("https://front/", {"host": "shop"}, False)]


def test_a_tcp_answer_is_good_or_bad() -> None:
    """Accepted, or not."""
    client = Said()
    assert virtually(Tcp("[::1]:5432").ask(client, 1.0)) == Answer(True)
    assert client.asked == [("::1", 5432)]
    assert virtually(Tcp("db:5432").ask(Said(error=REFUSED), 1.0)) == Answer(False, why="Connection refused")


@pytest.mark.parametrize("question", [Http("http://front/"), Tcp("front:80")])
def test_a_prober_that_has_no_files_left_could_not_ask(question: Http | Tcp) -> None:
    """That says nothing about the system."""
    with pytest.raises(ChaosError):
        virtually(question.ask(Said(error=FULL), 1.0))


class Node1(Memory):
    """A node `kv` whose commands end with this code and output."""

    def __init__(self, code: int = 0, output: str = "") -> None:
        super().__init__([Node("kv", "kv", "a")])
        self._answer = (code, output)

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        self.executed.append((node.name, tuple(command)))
        assert timeout > 1.0, "whoever asks gives up first"
        return self._answer


@pytest.mark.parametrize(
    ("target", "contains", "answer"),
    [
        (Node1(), "", Answer(True, {"code": 0.0})),
        (Node1(3, "a\nno quorum\n"), "", Answer(False, {"code": 3.0}, "exit code 3: no quorum")),
        (Node1(1), "", Answer(False, {"code": 1.0}, "exit code 1")),
        (Node1(0, "leader: kv"), "leader", Answer(True, {"code": 0.0})),
        (Node1(0, "follower"), "leader", Answer(False, {"code": 0.0}, "its output lacks 'leader': follower")),
    ],
)
def test_a_command_answers_by_its_exit_code_and_output(target: Node1, contains: str, answer: Answer) -> None:
    """The last line of its output says why."""
    assert virtually(Exec("kv", ("kvctl", "health"), contains).ask(target, 1.0)) == answer
    assert target.executed == [("kv", ("kvctl", "health"))]


def test_a_command_in_a_node_that_is_down_is_no_answer() -> None:
    """The target's error is passed on."""

    class Down(Node1):
        async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
            raise TargetError("kv: not running")

    with pytest.raises(TargetError):
        virtually(Exec("kv", ("true",)).ask(Down(), 1.0))


class Answers(Hosting):
    def __init__(self, *values: str) -> None:
        rows = [{"metric": {}, "value": [0, value]} for value in values]
        self._body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        raise NotImplementedError

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        return 200, self._body


class Prometheus(Memory):
    def __init__(self, *values: str) -> None:
        super().__init__([Node("prometheus", "prometheus", "a")])
        self._users = Answers(*values)

    @property
    def can(self) -> Table:
        return Table(HOST.by(self._users))


@pytest.mark.parametrize(
    ("bounds", "value", "answer"),
    [
        ({"at_most": 1}, "1", Answer(True, {"value": 1.0})),
        ({"at_most": 1}, "1.5", Answer(False, {"value": 1.5}, "1.5")),
        ({"at_least": 2}, "1.5", Answer(False, {"value": 1.5}, "1.5")),
        ({"at_least": 1, "at_most": 2}, "1.5", Answer(True, {"value": 1.5})),
    ],
)
def test_an_expression_answers_by_its_bounds(bounds: dict[str, float], value: str, answer: Answer) -> None:
    """The value is a figure of the answer."""
    assert virtually(Promql("up", **bounds).ask(Prometheus(value), 1.0)) == answer


@pytest.mark.parametrize("values", [(), ("NaN",), ("1", "2")])
def test_an_expression_without_one_number_is_no_answer(values: tuple[str, ...]) -> None:
    """Prometheus may not have scraped yet."""
    with pytest.raises(ChaosError):
        virtually(Promql("up", at_most=1).ask(Prometheus(*values), 1.0))
    assert not Promql.slow_is_bad


def test_every_question_is_one_documented_class() -> None:
    """A name in YAML is a file stem; its parameters can be written alone where it says so."""
    for name in registry.names("chaos.probes.questions"):
        cls = registry.load("chaos.probes.questions", name)
        assert registry.summary(cls) and cls.fails and cls.__name__.lower() == name
        assert not cls.bare or cls.bare in registry.parameters(cls)
