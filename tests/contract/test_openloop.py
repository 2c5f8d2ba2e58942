"""The load's process against real sockets that behave badly: what it concludes from each, and when it sends."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chaos.experiment.users import OWN
from chaos.load.contract import ARRIVALS, OPS, USERS
from chaos.model import Op
from tests.messages import Says

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[2]
ADDRESS = "127.0.7.1"

Behaviour = Callable[[socket.socket, bytes], bool]  # answer one request; False ends the connection


def answering(status: str, body: bytes = b"{}", *headers: str) -> Behaviour:
    head = "".join(f"{h}\r\n" for h in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))

    def answer(peer: socket.socket, request: bytes) -> bool:
        peer.sendall(head.encode() + b"\r\n" + body)
        return True

    return answer


def resets(before: bytes = b"") -> Behaviour:
    def answer(peer: socket.socket, request: bytes) -> bool:
        peer.sendall(before)
        time.sleep(0.05 if before else 0)  # let what was sent arrive; a reset overtakes it
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return answer


def closes(before: bytes = b"") -> Behaviour:
    def answer(peer: socket.socket, request: bytes) -> bool:
        peer.sendall(before)
        return False

    return answer


def stalls(before: bytes = b"") -> Behaviour:
    def answer(peer: socket.socket, request: bytes) -> bool:
        peer.sendall(before)
        peer.recv(1)  # until the client gives up
        return False

    return answer


HALF = b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"


class Server:
    """Answers every request of every connection with one behaviour, and counts both."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server((ADDRESS, 0))
        self.url = f"http://{ADDRESS}:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests: Counter[str] = Counter()  # by X-Request-Id
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer:
            try:
                while request := peer.recv(65_536):
                    name = request.partition(b"X-Request-Id: ")[2].partition(b"\r")[0].decode()
                    self.requests[name] += 1
                    if not self._behaviour(peer, request):
                        return
            except OSError:
                return


CLOSED: list[socket.socket] = []  # nobody else can have a port that is bound


def closed_port() -> str:
    """The address of a port that refuses connections."""
    CLOSED.append(socket.socket())
    CLOSED[-1].bind((ADDRESS, 0))
    return f"http://{ADDRESS}:{CLOSED[-1].getsockname()[1]}"


class Swallower:
    """A listener whose queue is full: the kernel drops whoever knocks, as a dead host's network does."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind((ADDRESS, 0))
        self._listener.listen(0)
        self.url = f"http://{ADDRESS}:{self._listener.getsockname()[1]}"
        self._knockers = [socket.socket() for _ in range(4)]
        for s in self._knockers:
            s.setblocking(False)
            s.connect_ex(self._listener.getsockname())

    def close(self) -> None:
        for s in (*self._knockers, self._listener):
            s.close()


# journey: (behaviour of the hosts in turn, method, what is to be concluded, a word of the error)
CASES: dict[str, tuple[tuple[Behaviour | str, ...], str, str, str]] = {
    "created": ((answering("201 Created"),), "POST", "ok", ""),
    "refused": (("closed",), "POST", "fail", "not sent"),
    "no-name": (("http://no-such-host.invalid:8000",), "POST", "fail", "not sent"),
    "swallowed": (("swallowed",), "POST", "fail", "no connection within 300 ms"),
    "not-found": ((answering("404 Not Found"),), "POST", "fail", "404"),
    "not-executed": ((answering("503 Service Unavailable", b"{}", "X-Executed: no"),), "POST", "fail", "not executed"),
    "unavailable": ((answering("503 Service Unavailable"),), "POST", "info", "503"),
    "bad-gateway": ((answering("502 Bad Gateway"),), "POST", "info", "502"),
    "elsewhere": ((answering("302 Found", b"", "Location: /"),), "POST", "info", "302"),
    "silent": ((stalls(),), "POST", "info", "no answer within 2 s"),
    "reset": ((resets(),), "POST", "info", ""),
    "reset-put": ((resets(),), "PUT", "info", ""),
    "reset-get": ((resets(),), "GET", "info", ""),
    "closed": ((closes(),), "PUT", "info", ""),
    "half-closed": ((closes(HALF),), "GET", "info", "broke off"),
    "half-reset": ((resets(HALF),), "GET", "info", "broke off"),
    "half-stalled": ((stalls(HALF),), "GET", "info", "broke off"),
    "garbage": ((closes(b"what?\r\n\r\n"),), "GET", "info", ""),
    "not-json": ((answering("200 OK", b"<html>"),), "GET", "info", "JSONDecodeError"),
    "not-as-promised": ((answering("200 OK", b'{"fine": false}'),), "GET", "info", "not as expected"),
    "next-host": (("closed", "swallowed", answering("201 Created")), "POST", "ok", ""),
    "no-host": (("closed", "closed"), "POST", "fail", ";"),
    "hangs-up-when-idle": ((lambda p, r: answering("201 Created")(p, r) and False,), "POST", "ok", ""),
}

CLASS = """
class User{n}(OpenUser):
    hosts = {hosts!r}

    @journey({name!r}, writes={method!r} != "GET")
    def act(self):
        if {method!r} == "GET":
            self.want(self.get("/thing").json().get("fine", True), "fine")
        elif {method!r} == "PUT":
            self.put("/thing", b"thing")
        else:
            self.post("/thing", {{"id": self.op.id}})
"""


def write_users(run: Path, *kinds: str) -> None:
    """What prepare would have left."""
    users = [{"name": f"u{i:02}", "kind": kind, "kept": {}} for i, kind in enumerate(kinds)]
    (run / USERS).write_text(json.dumps(users))


def program(mode: str, file: Path, run: Path, *more: str, log: Path | None = None) -> subprocess.Popen[bytes]:
    what = "--requests" if file.suffix == ".json" else "--file"
    command = [sys.executable, "-m", "chaos.load.openloop", "--mode", mode, what, str(file), "--run", str(run)]
    out = (log or run / "log").open("wb")
    with out:
        return subprocess.Popen([*command, *more], cwd=ROOT, stdout=out, stderr=out)


def play(file: Path, run: Path, arrivals: list[tuple[float, int, float]]) -> tuple[subprocess.Popen[bytes], float]:
    """The process in mode run, with its schedule handed over once it is ready; and when t = 0 of `arrivals` is."""
    users = len(json.loads((run / USERS).read_text()))
    t0 = time.monotonic()
    process = program("run", file, run, "--t0", repr(t0))
    await_(process, (run / OPS).exists)
    shift = time.monotonic() - t0 + 0.2
    shifted = [(t + shift, user, draw) for t, user, draw in arrivals]
    plan = {"seed": 1, "rate": 1, "users": users, "start": shift, "end": 99, "arrivals": shifted}
    (run / "new").write_text(json.dumps(plan))
    (run / "new").rename(run / ARRIVALS)
    return process, t0


def await_(process: subprocess.Popen[bytes], true: Callable[[], object]) -> None:
    """Until it is so, while the process lives; half a minute is for machines with other things to do."""
    until = time.monotonic() + 30
    while not true():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def read_ops(run: Path) -> list[Op]:
    return [msgspec.json.decode(line, type=Op) for line in (run / OPS).read_bytes().splitlines()]


Played = tuple[dict[str, list[Op]], dict[str, list[Server]]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Every case in one run of the process: its journey three times, half a second apart."""
    run = tmp_path_factory.mktemp("cases")
    file = run / "users.py"
    source = "from chaos.load.openloop import OpenUser, journey\n"
    servers: dict[str, list[Server]] = defaultdict(list)
    swallowers: list[Swallower] = []
    for n, (name, (behaviours, method, _, _)) in enumerate(CASES.items()):
        hosts = []
        for b in behaviours:
            if b == "closed":
                hosts.append(closed_port())
            elif b == "swallowed":
                swallowers.append(Swallower())
                hosts.append(swallowers[-1].url)
            elif isinstance(b, str):
                hosts.append(b)
            else:
                servers[name].append(Server(b))
                hosts.append(servers[name][-1].url)
        place = n % len(hosts)  # users start spread over the hosts; here all begin with the first
        source += CLASS.format(
            n=n, hosts=(*hosts[-place:], *hosts[:-place]) if place else tuple(hosts), name=name, method=method
        )
    file.write_text(source)
    arrivals = [(0.5 * k, n, 0.5) for k in range(3) for n in range(len(CASES))]
    write_users(run, *(f"User{n}" for n in range(len(CASES))))
    process, _ = play(file, run, arrivals)
    assert process.wait(30) == 0, (run / "log").read_text()
    found: dict[str, list[Op]] = defaultdict(list)
    for op in read_ops(run):
        found[op.journey].append(op)
    yield found, servers
    for swallower in swallowers:
        swallower.close()
    for server in (s for several in servers.values() for s in several):
        server.close()


@pytest.mark.parametrize("case", CASES)
def test_conclusion(case: str, played: Played) -> None:
    """Each way to break off leads to the conclusion that it allows, every time, within the patience."""
    _, method, result, word = CASES[case]
    ops = played[0][case]
    assert [op.result for op in ops] == 3 * [result], ops
    assert all(op.write is (method != "GET") for op in ops), "a write is what its journey says"
    assert all(word in op.error for op in ops), ops
    assert all(op.end - op.start < 3.0 for op in ops), ops


@pytest.mark.parametrize("case", ["reset-put", "reset-get", "closed", "silent", "half-reset"])
def test_nothing_is_sent_twice(case: str, played: Played) -> None:
    """A request that may have been executed is never repeated behind the record's back."""
    (server,) = played[1][case]
    assert sorted(server.requests.values()) == [1, 1, 1]


def test_a_kept_connection_is_used_again(played: Played) -> None:
    """Users keep their connection while it works."""
    assert played[1]["created"][0].connections == 1


def test_a_connection_is_not_used_again_after_a_time_out(played: Played) -> None:
    """A late answer must not be taken for the next one."""
    assert played[1]["silent"][0].connections == 3


def test_the_host_that_worked_is_remembered(played: Played) -> None:
    """Only the first operation pays for the dead hosts before it."""
    first, second, third = played[0]["next-host"]
    assert first.end - first.start > 0.29
    assert min(second.end - second.start, third.end - third.start) < 0.29


def test_a_frozen_system_is_not_let_off(tmp_path: Path) -> None:
    """While nothing answers arrivals go on as scheduled, and latency counts from the intended start."""
    thaw = threading.Event()
    server = Server(lambda p, r: thaw.wait(5) and answering("201 Created")(p, r))
    file = tmp_path / "users.py"
    file.write_text(
        "from chaos.load.openloop import OpenUser, journey\n"
        + CLASS.format(n=0, hosts=(server.url,), name="created", method="POST")
    )
    write_users(tmp_path, "User0")
    process, t0 = play(file, tmp_path, [(0.01 * k, 0, 0.5) for k in range(60)])
    await_(process, lambda: len(server.requests) == 60)  # all have come, and nobody was answered
    thawed = time.monotonic() - t0
    thaw.set()
    assert process.wait(30) == 0, (tmp_path / "log").read_text()
    server.close()
    ops = sorted(read_ops(tmp_path), key=lambda op: op.t)
    assert len(ops) == 60
    assert all(op.end > thawed or op.latency >= 2.0 for op in ops)
    assert [op.id for op in ops] == sorted(op.id for op in ops)


def test_sigterm_ends_arrivals_and_keeps_what_is_under_way(tmp_path: Path) -> None:
    """Asked to end, the process records what it had begun and ends well."""

    def slow(peer: socket.socket, request: bytes) -> bool:
        time.sleep(0.3)
        return answering("201 Created")(peer, request)

    server = Server(slow)
    file = tmp_path / "users.py"
    file.write_text(
        "from chaos.load.openloop import OpenUser, journey\n"
        + CLASS.format(n=0, hosts=(server.url,), name="created", method="POST")
    )
    write_users(tmp_path, "User0")
    process, _ = play(file, tmp_path, [(0.05 * k, 0, 0.5) for k in range(2000)])
    await_(process, lambda: len(server.requests) > 10)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) == 0, (tmp_path / "log").read_text()
    server.close()
    ops = read_ops(tmp_path)
    assert 10 < len(ops) < 1000
    assert {op.result for op in ops} == {"ok"}
    assert set(server.requests) == {op.id for op in ops}


def test_a_killed_load_leaves_whole_lines(tmp_path: Path) -> None:
    """Lines are on the disk one by one while the load runs, so a SIGKILL leaves them, each whole."""
    server = Server(answering("201 Created"))
    file = tmp_path / "users.py"
    file.write_text(
        "from chaos.load.openloop import OpenUser, journey\n"
        + CLASS.format(n=0, hosts=(server.url,), name="created", method="POST")
    )
    write_users(tmp_path, "User0")
    process, _ = play(file, tmp_path, [(0.01 * k, 0, 0.5) for k in range(4000)])
    await_(process, lambda: (tmp_path / OPS).read_bytes().count(b"\n") >= 10)
    process.kill()
    process.wait(5)
    server.close()
    recorded = {op.id for op in read_ops(tmp_path)}
    assert 10 <= len(recorded) < 4000
    assert recorded <= set(server.requests)


def test_a_full_disk_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    """A load that cannot record is no load: it ends, and every line it wrote is whole."""
    server = Server(answering("201 Created"))
    file = tmp_path / "users.py"
    file.write_text(
        "import resource\nfrom chaos.load.openloop import OpenUser, journey\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"  # the kernel then refuses what is longer
        + CLASS.format(n=0, hosts=(server.url,), name="created", method="POST")
    )
    write_users(tmp_path, "User0")
    process, _ = play(file, tmp_path, [(0.01 * k, 0, 0.5) for k in range(2000)])
    assert process.wait(20) == 74
    server.close()
    assert "File too large" in (tmp_path / "log").read_text()
    assert 5 < len((tmp_path / OPS).read_bytes().splitlines()[:-1]) < 30


READERS = """
from chaos.load.openloop import OpenUser, Page, journey, readback

class Reader(OpenUser):
    hosts = {hosts!r}

    @journey("text", writes=True)
    def send(self):
        self.post("/", {{}})

    @readback("text")
    def sent(self, after):
        found = self.get(f"/readback?after={{after or ''}}").json()
        return Page(found["ids"], found["next"])
"""


def test_read_back_turns_pages_and_has_patience(tmp_path: Path) -> None:
    """Pages follow each other, duplicates stay, a host that cannot answer is passed over."""

    def pages(peer: socket.socket, request: bytes) -> bool:
        if b"after=u1-2" in request:
            return answering("200 OK", b'{"ids": ["u1-3"], "next": null}')(peer, request)
        return answering("200 OK", b'{"ids": ["u1-1", "u1-2", "u1-2"], "next": "u1-2"}')(peer, request)

    good, bad = Server(pages), Server(answering("503 Service Unavailable", b"{}", "X-Executed: no"))
    file = tmp_path / "users.py"
    file.write_text(READERS.format(hosts=(bad.url, good.url)))
    write_users(tmp_path, "Reader")
    (tmp_path / OPS).write_bytes(b'{"t": 1, "start": 1, "end": 1, "journey": "text", "op": "se')  # a killed load's
    process = program("readback", file, tmp_path, "--t0", str(time.monotonic()))
    assert process.wait(30) == 0, (tmp_path / "log").read_text()
    assert [(op.op, op.journey, op.result, op.ids, op.page, op.last) for op in read_ops(tmp_path)] == [
        ("readback", "text", "ok", ("u1-1", "u1-2", "u1-2"), 1, False),
        ("readback", "text", "ok", ("u1-3",), 2, True),
    ]


def test_read_back_that_goes_in_circles_is_no_read_back(tmp_path: Path) -> None:
    """A page that leads back to itself ends in a line that says so, not in a loop."""
    server = Server(answering("200 OK", b'{"ids": ["u1-1"], "next": "u1-1"}'))
    file = tmp_path / "users.py"
    file.write_text(READERS.format(hosts=(server.url,)))
    write_users(tmp_path, "Reader")
    process = program("readback", file, tmp_path)
    assert process.wait(30) == 0, (tmp_path / "log").read_text()
    server.close()
    first, second = read_ops(tmp_path)
    assert (first.result, second.result) == ("ok", "info") and not (first.last or second.last)
    assert "in circles" in second.error


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import nothing_of_the_kind",
        "from chaos.load.openloop import OpenUser\nclass A(OpenUser):\n    hosts = ['https://x:1/y']\n",
        READERS.replace(", writes=True", "").format(hosts=("http://x:1",)),
        READERS.replace('@readback("text")', "").format(hosts=("http://x:1",)),
        READERS.replace('@readback("text")', '@readback("txt")').format(hosts=("http://x:1",)),
    ],
    ids=["nobody", "a missing module", "no journey", "a writer unmarked", "a write unread", "a read-back of nothing"],
)
def test_a_bad_users_file_is_refused(tmp_path: Path, source: str, says: Says) -> None:
    """What is wrong with the file stands in the log, and the exit code is that of usage."""
    file = tmp_path / "users.py"
    file.write_text(source)
    assert program("prepare", file, tmp_path).wait(30) == 64
    says((tmp_path / "log").read_text())


def test_a_journey_that_somebody_asks_about_and_nobody_has_is_refused_before_anybody_comes(tmp_path: Path) -> None:
    """Where the users' file could not be read without running it."""
    file = tmp_path / "users.py"
    file.write_text(
        "from chaos.load.openloop import OpenUser, journey\n"
        "class A(OpenUser):\n    hosts = ['http://127.0.0.1:1']\n    @journey('te' + 'xt')\n    def x(self): ...\n"
    )
    assert program("prepare", file, tmp_path, "--journey", "text").wait(30) == 0
    assert program("prepare", file, tmp_path, "--journey", "text", "--journey", "pay").wait(30) == 64
    assert "pay" in (tmp_path / "log").read_text()


def test_accounts_are_for_their_owner_only(tmp_path: Path) -> None:
    """Preparing leaves what sign_up kept, in a file that nobody else may read."""
    server = Server(answering("200 OK", b'{"token": "secret"}'))
    file = tmp_path / "users.py"
    file.write_text(
        "from chaos.load.openloop import OpenUser, journey\n"
        f"class A(OpenUser):\n    hosts = [{server.url!r}]\n"
        "    def sign_up(self):\n        self.kept['token'] = self.post('/in', {}).json()['token']\n"
        "    @journey('x')\n    def x(self): self.get('/')\n"
    )
    assert program("prepare", file, tmp_path, "--count", "3").wait(30) == 0, (tmp_path / "log").read_text()
    server.close()
    found = json.loads((tmp_path / USERS).read_text())
    assert [u["kept"] for u in found] == 3 * [{"token": "secret"}]
    assert len({u["name"] for u in found}) == 3
    assert (tmp_path / USERS).stat().st_mode & 0o777 == 0o600


def test_the_planner_knows_every_name_that_a_journey_would_hide() -> None:
    """It does not import Locust, so it has a list."""
    code = "from chaos.load.openloop import OpenUser; print(*(n for n in dir(OpenUser) if not n.startswith('_')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert {"ask", "tasks"} <= set(said.split()) <= OWN
