"""The load's program: `prepare` signs users up, `run` walks the schedule, `readback` reads everything back.

Exit codes are in chaos/load/contract.py; what went wrong stands on stderr.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import gevent
import gevent.event
import gevent.pool
import msgspec

from chaos.load.arrivals import Arrival, choose
from chaos.load.contract import ARRIVALS, OPS, PATIENCE, Exit, Schedule
from chaos.load.openloop import crowd
from chaos.load.openloop.crowd import Kind, Stop
from chaos.load.openloop.record import Line, Record
from chaos.load.openloop.user import Broken, OpenUser, Operation, Page, begin

SIGN_UP = 30.0  # seconds for everybody to sign up
AT_ONCE = 8  # users who sign up, or read back, at the same time
LATE = 0.1  # seconds: an operation sent later than this is worth a word in the log
TRIES = 8  # for a page of the read-back, over all hosts, a second apart in the end


class Visits:
    """Operations that are on their way, each in a greenlet of its own, and their lines."""

    def __init__(self, users: list[OpenUser], kinds: dict[str, Kind], record: Record, t0: float, first: int) -> None:
        self._users, self._record, self._t0 = users, record, t0
        self.stop = gevent.event.Event()  # no new arrivals
        self.failed: OSError | None = None  # why a line could not be written
        self._kinds = [kinds[type(u).__name__] for u in users]
        self._next = [first] * len(users)
        self._under_way = gevent.pool.Group()
        self._puzzled: set[str] = set()  # errors of the users' file that were shown already
        self.lateness: list[float] = []

    def begin(self, arrival: Arrival) -> None:
        """Send the arrival's user on the journey it drew. Returns at once."""
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
            if result == "fail" and operation.done:  # "fail" promises that nothing at all happened
                result, error = "info", f"{error} (after {operation.done} done)"
        except gevent.Timeout:  # between two requests: whatever was sent before was answered
            result, error = "info", f"gave up after {PATIENCE:g} s"
        except Exception as e:  # an answer the users' file could not read, or a mistake in it
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


def prepare(run: Path, kinds: dict[str, Kind], count: int) -> None:
    """Sign `count` users up and write users.json. A stack that has just come up gets some patience."""
    users = crowd.people(crowd.sign_ups(kinds, count), kinds)
    until = time.monotonic() + SIGN_UP
    pool = gevent.pool.Pool(AT_ONCE)
    said = [why for why in pool.imap_unordered(lambda user: _sign_up(user, until), users) if why]
    if said:
        raise Stop(Exit.NO_STACK, f"{len(said)} of {count} users could not sign up. The first: {said[0]}")
    crowd.save(run, users)
    print(f"{count} users signed up in {time.monotonic() - until + SIGN_UP:.1f} s", file=sys.stderr)


def _sign_up(user: OpenUser, until: float) -> str:
    """Why it did not work; empty when it did."""
    while True:
        try:
            begin(Operation(f"{user.name}-0000000", until))
            user.sign_up()
            return ""
        except Broken as e:
            refused = 400 <= e.status < 500
            if refused or time.monotonic() > until:
                return f"{user.name} ({type(user).__name__}): {e.error}"
        except Exception as e:
            traceback.print_exc()
            return f"{user.name} ({type(user).__name__}): {type(e).__name__}: {e}"
        gevent.sleep(0.3)


def walk(run: Path, kinds: dict[str, Kind], t0: float, first: int) -> None:
    """Be ready, say so, wait for the schedule, and begin each arrival when it is due until it ends or SIGTERM."""
    users = crowd.people(crowd.saved(run, kinds), kinds)
    visits = Visits(users, kinds, Record(run / OPS), t0, first)
    gevent.signal_handler(signal.SIGTERM, visits.stop.set)
    schedule = _schedule(run, visits.stop, len(users))
    for arrival in schedule:
        wait = t0 + arrival.t - time.monotonic()
        if visits.stop.wait(wait) if wait > 0 else visits.stop.is_set():
            break
        visits.begin(arrival)
        if wait <= 0:
            gevent.sleep(0)  # late: still let the others run
    visits.drain()
    _report(visits.lateness, len(schedule))
    if visits.failed:
        raise visits.failed


def _report(lateness: list[float], arrivals: int) -> None:
    """Whether this process kept up, for the log: a late load says so itself."""
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
    while not path.exists():  # written in one piece, by renaming
        if stop.wait(0.02):
            return []
    schedule = msgspec.json.decode(path.read_bytes(), type=Schedule)
    if schedule.users != users:
        raise Stop(Exit.NO_USERS, f"{path} is for {schedule.users} users, users.json has {users}")
    return schedule.arrivals


def read_back(run: Path, kinds: dict[str, Kind], t0: float) -> None:
    """One line a page, for every user and journey with a read-back."""
    users = crowd.people(crowd.saved(run, kinds), kinds)
    record = Record(run / OPS)
    jobs = [(u, name, m) for u in users for name, m in kinds[type(u).__name__].readbacks]
    pool = gevent.pool.Pool(AT_ONCE)
    for _ in pool.imap_unordered(lambda job: _read_back(record, t0, *job), jobs):
        pass
    print(f"{record.lines:,} pages of {len(jobs):,} read-backs", file=sys.stderr)


def _read_back(record: Record, t0: float, user: OpenUser, name: str, method: str) -> None:
    after: str | None = None
    number = 0
    while True:
        number += 1
        identity = f"{user.name}-readback-{number:07d}"
        start = time.monotonic()
        page, why, status = _page(getattr(user, method), user, after, identity)
        further = page.next if page else None
        if further is not None and after is not None and further <= after:
            page, why = None, Broken("info", f"paging does not advance: after {after!r} comes {further!r}")
        end = time.monotonic()
        record.write(
            Line(
                t=round(start - t0, 6),
                start=round(start - t0, 6),
                end=round(end - t0, 6),
                journey=name,
                op="readback",
                client=user.client_type,
                user=user.name,
                id=identity,
                result=why.result if why else "ok",
                status=status,
                error=why.error if why else "",
                ids=tuple(page.ids) if page else (),
            )
        )
        if page is None or page.next is None:
            return
        after = page.next


def _page(
    read: Callable[[str | None], Page], user: OpenUser, after: str | None, identity: str
) -> tuple[Page | None, Broken | None, int]:
    """A page, or why there is none after several tries at every host. Reading twice does no harm."""
    why = Broken("info", "never tried")
    for n in range(TRIES):
        operation = Operation(identity, time.monotonic() + PATIENCE)
        begin(operation)
        try:
            with gevent.Timeout(PATIENCE):
                return read(after), None, operation.status
        except Broken as e:
            why = e
        except gevent.Timeout:
            why = Broken("info", f"gave up after {PATIENCE:g} s")
        except Exception as e:
            why = Broken("info", f"{type(e).__name__}: {e}", operation.status)
        user.turn()
        gevent.sleep(min(1.0, 0.1 * 2**n))
    return None, why, why.status


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m chaos.load.openloop", description=__doc__)
    parser.add_argument("--mode", choices=("prepare", "run", "readback"), required=True)
    parser.add_argument("--file", type=Path, required=True, help="the users' file")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--count", type=int, default=1, help="users to sign up (prepare)")
    parser.add_argument("--t0", type=float, default=0.0, help="t = 0 of the timeline on CLOCK_MONOTONIC, seconds")
    parser.add_argument("--first", type=int, default=1, help="number in each user's first id (run)")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to act on; it sends SIGTERM
    try:
        kinds = crowd.load(args.file)
        if args.mode == "prepare":
            prepare(args.run, kinds, args.count)
        elif args.mode == "run":
            walk(args.run, kinds, args.t0, args.first)
        else:
            read_back(args.run, kinds, args.t0)
    except Stop as e:
        print(e, file=sys.stderr)
        return e.code
    except OSError as e:
        print(f"{e.filename or args.run}: {e.strerror or e}; make room or mend the folder's rights", file=sys.stderr)
        return Exit.NO_DISK
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
