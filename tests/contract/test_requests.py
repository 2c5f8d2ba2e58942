"""A load without code against real sockets that behave badly: what it concludes is what a users' file would."""

from __future__ import annotations

import json
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.experiment.plan import Request
from chaos.load.contract import OPS, USERS
from chaos.model import Op
from tests.contract.test_openloop import (
    HALF,
    Behaviour,
    Server,
    answering,
    closed_port,
    closes,
    play,
    program,
    read_ops,
    resets,
    stalls,
)

pytestmark = pytest.mark.alone


def slowly(behaviour: Behaviour, seconds: float = 0.4) -> Behaviour:
    def answer(peer: socket.socket, request: bytes) -> bool:
        time.sleep(seconds)
        return behaviour(peer, request)

    return answer


# journey: (behaviour, request, what is to be concluded, a word of the error)
CASES: dict[str, tuple[Behaviour | None, dict[str, Any], str, str]] = {
    "ok": (answering("200 OK", b"hello"), {}, "ok", ""),
    "expected": (answering("404 Not Found"), {"status": (404,)}, "ok", ""),
    "one-of": (answering("302 Found", b"", "Location: /"), {"status": (200, 302)}, "ok", ""),
    "contains": (answering("200 OK", b"hello world"), {"contains": "lo wo"}, "ok", ""),
    "slow": (slowly(answering("200 OK")), {}, "ok", ""),
    "created": (answering("201 Created"), {"method": "POST", "form": {"a": "b c"}}, "ok", ""),
    "deleted": (answering("204 No Content", b""), {"method": "DELETE"}, "ok", ""),
    "refused": (None, {"method": "POST"}, "fail", "not sent"),
    "not-found": (answering("404 Not Found"), {}, "fail", "404"),
    "not-executed": (answering("503 Service Unavailable", b"{}", "X-Executed: no"), {}, "fail", "not executed"),
    "error": (answering("500 Internal Server Error"), {}, "info", "500"),
    "elsewhere": (answering("302 Found", b"", "Location: /"), {}, "info", "302"),
    "other-status": (answering("200 OK"), {"status": (204,)}, "info", "200, expected 204"),
    "wrong-body": (answering("200 OK", b"sorry"), {"contains": "hello"}, "info", "no 'hello' in the body"),
    "silent": (stalls(), {"method": "POST", "json": {"n": 1}}, "info", "no answer within 2 s"),
    "reset": (resets(), {}, "info", ""),
    "half": (closes(HALF), {}, "info", "broke off"),
}


def played(run: Path, requests: list[Request], arrivals: list[tuple[float, int, float]], users: int) -> list[Op]:
    file = run / "requests.json"
    file.write_bytes(msgspec.json.encode(requests))
    assert program("prepare", file, run, "--count", str(users)).wait(30) == 0, (run / "log").read_text()
    assert len(json.loads((run / USERS).read_text())) == users
    process, _ = play(file, run, arrivals)
    assert process.wait(30) == 0, (run / "log").read_text()
    return read_ops(run)


Played = tuple[dict[str, list[Op]], dict[str, Server], dict[str, list[bytes]]]


def keeping(heard: list[bytes], behaviour: Behaviour) -> Behaviour:
    """The same, and what it was asked is kept."""

    def answer(peer: socket.socket, request: bytes) -> bool:
        heard.append(request)
        return behaviour(peer, request)

    return answer


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Every request twice, in one run of the process."""
    servers: dict[str, Server] = {}
    heard: dict[str, list[bytes]] = defaultdict(list)
    requests = []
    for name, (behaviour, more, _, _) in CASES.items():
        base = closed_port()
        if behaviour is not None:
            servers[name] = Server(keeping(heard[name], behaviour))
            base = servers[name].url
        given = {key: value for key, value in more.items() if key != "method"}
        requests.append(Request(name, more.get("method", "GET"), f"{base}/thing?token=s3cret", **given))
    n = len(requests)
    arrivals = [(0.5 * k + 0.001 * i, 0, (i + 0.5) / n) for k in range(2) for i in range(n)]
    by: dict[str, list[Op]] = defaultdict(list)
    for op in played(tmp_path_factory.mktemp("cases"), requests, arrivals, 1):
        by[op.journey].append(op)
    yield by, servers, heard
    for server in servers.values():
        server.close()


@pytest.mark.parametrize("case", CASES)
def test_conclusion(case: str, found: Played) -> None:
    """As for users in Python: fail only if nothing can have happened."""
    _, more, result, word = CASES[case]
    ops = found[0][case]
    assert [op.result for op in ops] == 2 * [result], ops
    assert all(word in op.error and "s3cret" not in op.error for op in ops), ops
    assert {op.op for op in ops} <= {f"{more.get('method', 'GET')} /thing{tail}" for tail in ("", *NUMBERED)}
    assert not any(op.write for op in ops), "nothing is read back"
    assert all(op.end - op.start > 0.39 for op in ops) or case not in ("slow", "silent")


NUMBERED = [f" ({n})" for n in range(2, len(CASES) + 2)]


def test_bodies_and_headers_are_sent_as_written(found: Played) -> None:
    """A form as a browser sends it, JSON as JSON, each with its type and the operation's id."""
    form, json_ = found[2]["created"][0], found[2]["silent"][0]
    assert form.startswith(b"POST /thing?token=s3cret HTTP/1.1\r\n") and form.endswith(b"\r\n\r\na=b+c")
    assert b"application/x-www-form-urlencoded" in form and b"X-Request-Id: u0-" in form
    assert json_.endswith(b'\r\n\r\n{"n":1}') and b"Content-Type: application/json" in json_


@pytest.mark.parametrize("case", ["reset", "silent", "half"])
def test_nothing_is_sent_twice(case: str, found: Played) -> None:
    """A request that may have been executed is not repeated."""
    assert sorted(found[1][case].requests.values()) == [1, 1]


def test_weights_are_shares_of_all_requests(tmp_path: Path) -> None:
    """Three to one, of any number of users."""
    server = Server(answering("200 OK"))
    requests = [Request("often", "GET", f"{server.url}/a", 3.0), Request("seldom", "GET", f"{server.url}/b", 1.0)]
    ops = played(tmp_path, requests, [(0.01 * k, k % 3, k / 40) for k in range(40)], 3)
    server.close()
    assert [sum(op.journey == name for op in ops) for name in ("often", "seldom")] == [30, 10]
    assert len({op.user for op in ops}) == 3 and {op.client for op in ops} == {"app"}
    assert (tmp_path / OPS).exists()
