"""What the stack's read-backs see: a write sent twice stands there once, and twice where a planted bug stores it twice.

The real programs on a real PostgreSQL, with the real load: users who send every write again under its id.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from chaos.judge.checkers.delivery import Delivery
from chaos.model import Finding, Verdict
from chaos.record.journal import Journal
from services.apps import scheduled
from services.common import ledger, messages
from services.ha.postgres import binaries
from tests.contract.test_openloop import program, read_ops
from tests.unit.histories import plan

asyncpg = pytest.importorskip("asyncpg")
T = TypeVar("T")
KEY = "a key for tests, of 32 bytes or more"
ARRIVALS = 60
USERS = """
from chaos.load.openloop import OpenUser, Page, journey, readback

class Insistent(OpenUser):
    hosts = ({chat!r}, {pay!r})

    def sign_up(self):
        pass

    def credentials(self):
        return {headers!r}[self.name]

    def twice(self, path, body):
        for _ in range(2):  # under the same id: it is one write, said again
            self.post(path, body)

    def at(self, host, path, body=None):
        self._at = host
        return self.get(path) if body is None else self.twice(path, body)

    @journey("text", writes=True)
    def send(self):
        self.at(0, "/chat/messages", {{"id": self.op.id, "to": "bob", "text": "hello"}})

    @journey("pay", writes=True)
    def transfer(self):
        self.at(1, "/pay/transfers", {{"id": self.op.id, "to": "bob", "amount": 1}})

    @readback("text")
    def sent(self, after):
        found = self.at(0, f"/chat/readback?limit=7&after={{after or ''}}").json()
        return Page(found["ids"], found["next"])

    @readback("pay")
    def paid(self, after):
        found = self.at(1, f"/pay/readback?limit=7&after={{after or ''}}").json()
        return Page(found["ids"], found["next"])
"""
# A service that forgets to look whether it has the write already.
BUGS = """
CREATE OR REPLACE FUNCTION post(m_id text, m_sender text, m_recipient text, m_body text) RETURNS text AS $$
    INSERT INTO messages (id, sender, recipient, body) VALUES (m_id, m_sender, m_recipient, m_body);
    SELECT 'done';
$$ LANGUAGE sql;
CREATE OR REPLACE FUNCTION transfer(t_id text, t_payer text, t_payee text, t_cents bigint) RETURNS text AS $$
    SELECT open_account(t_payer);
    SELECT open_account(t_payee);
    SELECT book(t_id, t_payer, t_payee, t_cents);
    SELECT 'done';
$$ LANGUAGE sql;
"""


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def sql(port: int, statement: str, *values: object, database: str = "stack") -> list[Any]:
    session = await asyncpg.connect(host="127.0.0.1", port=port, user="stack", database=database, ssl=False)
    try:
        if values:
            return list(await session.fetch(statement, *values))
        await session.execute(statement)
        return []
    finally:
        session.terminate()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a PostgreSQL of our own."""
    try:
        place = binaries.find()
    except SystemExit as e:
        pytest.skip(str(e))
    home = Path(os.path.realpath(tmp_path_factory.mktemp("pg")))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        who = {"user": "nobody", "group": 65534, "extra_groups": []}
        ours = [f for f in home.parents if Path(os.path.realpath(tempfile.gettempdir())) in f.parents]
        for folder in (home, *ours):
            folder.chmod(0o755)
        shutil.chown(home, "nobody")
    data = home / "data"
    made = [str(place / "initdb"), "-D", str(data), "--auth=trust", "--username=stack", "--no-sync", "--locale=C"]
    subprocess.run(made, check=True, capture_output=True, cwd=home, **who)
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([str(place / "postgres"), "-D", str(data), *options], stderr=log, cwd=home, **who)
    try:
        _await(lambda: run(sql(port, "CREATE DATABASE stack", database="postgres")), server)
        yield port
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(20)


def _await(works: Any, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            works()
            return
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            assert process.poll() is None and time.monotonic() < end, f"it ended with {process.poll()}"
            time.sleep(0.05)


@contextlib.contextmanager
def served(name: str, postgres: int, folder: Path) -> Iterator[str]:
    """Where the program answers, once it can."""
    bind = f"127.{random.randrange(64, 127)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    env = os.environ | {"NODE": f"{name}-a", "BIND": bind, "POSTGRES": f"127.0.0.1:{postgres}", "DB_PASSWORD": "x",
                        "TOKEN_KEY": KEY, "ADMIN_TOKEN": "admin", "DATA_DIR": str(folder)}  # fmt: skip
    with (folder / f"{name}.log").open("wb") as log:
        program = subprocess.Popen([sys.executable, "-m", f"services.apps.{name}"], env=env, stdout=log, stderr=log)
    try:
        _await(lambda: _ready(bind), program)
        yield f"http://{bind}:8000"
    finally:
        program.kill()
        program.wait(10)


def _ready(bind: str) -> None:
    with socket.create_connection((bind, 8000), 1.0) as s:
        s.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        answer = s.recv(1024)
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise OSError(answer)


def headers(user: str) -> dict[str, str]:
    seal = hmac.new(KEY.encode(), f"user:{user}".encode(), hashlib.sha256).hexdigest()
    return {"X-User": user, "X-User-Seal": seal}


def lived_through(folder: Path, chat: str, pay: str) -> Finding:
    """What delivery says of users who send everything twice."""
    names = [f"u{n}-{folder.name}" for n in range(3)]
    file = folder / "users.py"
    file.write_text(USERS.format(chat=chat, pay=pay, headers={name: headers(name) for name in names}))
    (folder / "users.json").write_text(json.dumps([{"name": n, "kind": "Insistent", "kept": {}} for n in names]))
    arrivals = [[0.02 * k, k % 3, k / ARRIVALS] for k in range(ARRIVALS)]
    walk = program("run", file, folder, "--t0", str(time.monotonic() + 1.5), log=folder / "walk.log")
    schedule = {"seed": 1, "rate": 50.0, "users": 3, "start": 0.0, "end": 2.0, "arrivals": arrivals}
    (folder / "arrivals.json").write_text(json.dumps(schedule))
    assert walk.wait(30) == 0, (folder / "walk.log").read_text()
    assert program("readback", file, folder).wait(30) == 0, (folder / "log").read_text()
    ops = read_ops(folder)
    assert [op.result for op in ops] == ["ok"] * len(ops), [op for op in ops if not op.ok][:3]
    assert sum(op.write for op in ops) == ARRIVALS
    return Delivery().check(Journal(plan(), (), tuple(replace(op) for op in ops)))


def test_a_write_that_is_said_many_times_at_once_is_one(postgres: int) -> None:
    """No table keeps an id from standing there twice: the functions do, whoever asks at the same time."""

    async def at_once(calls: list[tuple[str, tuple[object, ...]]]) -> list[str]:
        answers = await asyncio.gather(*(sql(postgres, f"SELECT {call}", *values) for call, values in calls))
        return sorted(rows[0][0] for rows in answers)

    run(sql(postgres, messages.SCHEMA + scheduled.SCHEMA + ledger.SCHEMA))
    post, pay = "post($1, $2, $3, $4)", "transfer($1, $2, $3, $4)"
    assert run(at_once([(post, ("a", "ann", "bob", "hello"))] * 12)) == ["again"] * 11 + ["done"]
    assert run(at_once([(post, ("a", "ann", "bob", "other")), (post, ("a", "eve", "bob", "hello"))])) == ["taken"] * 2
    assert run(at_once([(pay, ("t", "ann", "bob", 5))] * 12)) == ["again"] * 11 + ["done"]
    rival = run(at_once([(pay, ("r", f"payer{k}", "bob", 5)) for k in range(8)]))
    assert rival == ["done"] + ["taken"] * 7
    later = ("b", "ann", "bob", "later", 0.0)
    for _ in range(2):
        assert run(sql(postgres, scheduled.KEEP, *later))
        run(sql(postgres, "SELECT pg_sleep($1)", 0.01))
        run(sql(postgres, scheduled.POST.replace("LIMIT 100", "LIMIT $1"), 100))
    for table, name in (("messages", "a"), ("messages", "b"), ("transfers", "t"), ("transfers", "r")):
        assert run(sql(postgres, f"SELECT count(*) FROM {table} WHERE id = $1", name))[0][0] == 1, (table, name)


def test_a_service_that_stores_a_write_twice_is_convicted(postgres: int, tmp_path: Path) -> None:
    """A planted bug, on both tables that acknowledge writes; ids that stand there twice lie on two pages as well."""
    sound, broken = tmp_path / "sound", tmp_path / "broken"
    for folder in (sound, broken):
        folder.mkdir()
    with served("chat", postgres, tmp_path) as chat, served("pay", postgres, tmp_path) as pay:
        found = lived_through(sound, chat, pay)
        words = f"0 lost, 0 ghost, 0 duplicated of {ARRIVALS} acknowledged writes (pay, text)"
        assert (found.verdict, found.summary) == (Verdict.PASS, words)
        run(sql(postgres, BUGS))
        found = lived_through(broken, chat, pay)
        assert found.verdict is Verdict.FAIL
        assert found.summary.startswith(f"0 lost, 0 ghost, {ARRIVALS} duplicated of {ARRIVALS} ")
