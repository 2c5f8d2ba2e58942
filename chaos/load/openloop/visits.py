"""Mode run: executes the schedule. Each arrival is an operation in its own greenlet, and one line of ops.jsonl."""

from __future__ import annotations

import random
import signal
import sys
import time
import traceback
from pathlib import Path

import gevent
import gevent.event
import gevent.pool
import msgspec

from chaos.load.arrivals import Arrival, choose
from chaos.load.contract import ARRIVALS, NOTES, OPS, PATIENCE, Exit, Schedule
from chaos.load.heartbeat import Heartbeat
from chaos.load.notes import Notebook
from chaos.load.openloop import crowd
from chaos.load.openloop.crowd import Kind
from chaos.load.openloop.user import Broken, OpenUser, Operation, begin
from chaos.load.record import Line, Record
from chaos.load.stop import Stop

BEGIN = 60.0  # seconds to wait for the schedule; without a harness there is nothing to do
LATE = 0.1  # seconds: operations sent later than this are counted in the log


class Visits:
    """The operations in flight, each in its own greenlet, and their lines."""

    def __init__(self, users: list[OpenUser], kinds: dict[str, Kind], record: Record, t0: float, first: int) -> None:
        self._users, self._record, self._t0 = users, record, t0
        self.stop = gevent.event.Event()  # no new arrivals
        self.failed: OSError | None = None  # why a line could not be written
        self._kinds = [kinds[type(u).__name__] for u in users]
        self._next = [first] * len(users)
        self._under_way = gevent.pool.Group()
        self._puzzled: set[str] = set()  # errors of the users' file that were already printed
        self.lateness: list[float] = []

    def begin(self, arrival: Arrival) -> None:
        """Start the operation of an arrival in a new greenlet. Returns at once."""
        number = self._next[arrival.user]
        self._next[arrival.user] += 1
        self._under_way.spawn(self._visit, arrival, f"{self._users[arrival.user].name}-{number:07d}")

    def drain(self) -> None:
        self._under_way.join(timeout=PATIENCE + 1.0)  # every operation has its own, shorter limit

    def _visit(self, arrival: Arrival, identity: str) -> None:
        user, kind = self._users[arrival.user], self._kinds[arrival.user]
        name, method = kind.journeys[choose(kind.weights, arrival.draw)]
        start = time.monotonic()
        operation = Operation(identity, start + PATIENCE)
        begin(operation)
        result, error = "ok", ""
        try:
            with gevent.Timeout(PATIENCE):
                getattr(user, method)()
        except Broken as e:
            result, error = e.result, e.error
            if result == "fail" and operation.done:  # "fail" promises that nothing was executed
                result, error = "info", f"{error} (after {operation.done} done)"
        except gevent.Timeout:  # between two requests: everything sent before was answered
            result, error = "info", f"gave up after {PATIENCE:g} s"
        except Exception as e:  # a response that the users' file could not parse, or a mistake in it
            result, error = "info", f"{type(e).__name__}: {e}"
            self._puzzle(f"{type(user).__name__}.{method}: {error}")
        end = time.monotonic()
        self.lateness.append(start - self._t0 - arrival.t)
        line = Line(
            t=arrival.t,
            start=round(start - self._t0, 6),
            end=round(end - self._t0, 6),
            journey=name,
            op=method,
            client=user.client_type,
            user=user.name,
            id=identity,
            result=result,
            status=operation.status,
            error="; ".join(filter(None, (operation.note, error))),
            age=operation.age,
            write=method in kind.writes,
        )
        try:
            self._record.write(line)
        except OSError as e:
            self.failed = e
            self.stop.set()

    def _puzzle(self, what: str) -> None:
        if what not in self._puzzled and len(self._puzzled) < 20:
            self._puzzled.add(what)
            print(f"{what}\n{traceback.format_exc()}", file=sys.stderr)


def walk(run: Path, kinds: dict[str, Kind], t0: float, first: int) -> None:
    """Signal readiness, wait for the schedule, and start each arrival when it is due, until the end or SIGTERM."""
    users = crowd.people(crowd.saved(run, kinds), kinds)
    visits = Visits(users, kinds, Record(run / OPS), t0, first)
    gevent.signal_handler(signal.SIGTERM, visits.stop.set)
    Heartbeat(Notebook(run / NOTES, t0)).start()
    schedule = _schedule(run, visits.stop, len(users))
    for arrival in schedule:
        wait = t0 + arrival.t - time.monotonic()
        if visits.stop.wait(wait) if wait > 0 else visits.stop.is_set():
            break
        visits.begin(arrival)
        if wait <= 0:
            gevent.sleep(0)  # late, but other greenlets have to run
    visits.drain()
    _report(visits.lateness, len(schedule))
    if visits.failed:
        raise visits.failed


def _report(lateness: list[float], arrivals: int) -> None:
    """Log whether this process kept up with the schedule."""
    late = sorted(lateness)
    if late:
        over = sum(x > LATE for x in late)
        print(
            f"{len(late):,} of {arrivals:,} arrivals; sent late by p50 {late[len(late) // 2] * 1e3:.1f} ms, "
            f"p99 {late[len(late) * 99 // 100] * 1e3:.1f} ms, at most {late[-1] * 1e3:.1f} ms; "
            f"{over:,} by more than {LATE * 1e3:.0f} ms",
            file=sys.stderr,
        )


def _schedule(run: Path, stop: gevent.event.Event, users: int) -> list[Arrival]:
    path = run / ARRIVALS
    until = time.monotonic() + BEGIN
    while not path.exists():  # it appears in one piece, by renaming
        if stop.wait(0.02):
            return []
        if time.monotonic() > until:
            raise Stop(Exit.NO_SCHEDULE, f"{path}: not there after {BEGIN:.0f} s; the harness writes it")
    schedule = msgspec.json.decode(path.read_bytes(), type=Schedule)
    if schedule.users != users:
        raise Stop(Exit.NO_USERS, f"{path} is for {schedule.users} users, users.json has {users}")
    random.seed(schedule.seed)  # what a users' file draws is the seed's, too
    return schedule.arrivals
