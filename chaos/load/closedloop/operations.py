"""Each request that Locust reports becomes one line of ops.jsonl. Patches Locust's HTTP clients to see what is open."""

from __future__ import annotations

import functools
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import gevent
from gevent import GreenletExit
from locust import TaskSet, User
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession, LocustUserAgent
from locust.user.task import DefaultTaskSet

from chaos.load.contract import PATIENCE
from chaos.load.notes import DIED, UNFINISHED, Notebook
from chaos.load.record import Line, Record
from chaos.load.sent import conclude

MOST = 20  # notes of users who died
HOPS = "chaos_hops"  # attribute of an answer: requests sent for it
GRAIN = 0.2  # seconds
NOBODY = "locust"  # user of a request that was made outside of any user


@dataclass
class Open:
    """A request without an answer yet."""

    type: str
    name: str
    start: float  # CLOCK_MONOTONIC
    who: tuple[str, str]  # user, and class
    hops: int = 0  # requests sent for it, redirects included


class Operations:
    """Listens to Locust's events. Operations that started before `begin` (on CLOCK_MONOTONIC) are not recorded.

    `failed` is why a line could not be written; then nothing more is.
    """

    def __init__(self, t0: float, begin: float, first: int, notebook: Notebook) -> None:
        self._t0, self._begin, self._first, self._notebook = t0, begin, first, notebook
        self.record: Record | None = None  # None: nobody is ready yet
        self.failed: OSError | None = None
        self.error = ""  # the last error of a user who died
        self._names: WeakKeyDictionary[User, str] = WeakKeyDictionary()
        self._whose: WeakKeyDictionary[Any, tuple[str, str]] = WeakKeyDictionary()  # by greenlet
        self._count: dict[str, int] = defaultdict(int)  # users of each class
        self._numbers: dict[str, int] = defaultdict(lambda: first)
        self._open: dict[Any, Open] = {}  # by greenlet
        self._last: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # by greenlet, when something of it last ended
        self._died = 0

    def listen(self, events: Any) -> None:
        events.request.add_listener(self._ended)
        events.user_error.add_listener(self._user_error)
        _replace(HttpSession, "request", self._watched)
        _replace(FastHttpSession, "request", self._watched)
        _replace(HttpSession, "send", self._counted)
        _replace(LocustUserAgent, "_urlopen", self._counted)
        _replace(TaskSet, "execute_task", self._task)
        _replace(DefaultTaskSet, "execute_task", self._task)

    def _ended(
        self,
        request_type: str,
        name: str,
        response_time: float = 0.0,
        exception: object = None,
        response: Any = None,
        start_time: float | None = None,
        **_: Any,
    ) -> None:
        """Locust's event: a request, or whatever somebody's client reports as one, has ended."""
        now = time.monotonic()
        lasted = float(response_time or 0.0) / 1000
        lasted = lasted if math.isfinite(lasted) and lasted > 0 else 0.0
        start = now - lasted if start_time is None else start_time - (time.time() - now)
        start = min(start, now)
        end = min(start + lasted, now)
        opened = self._open.get(gevent.getcurrent())
        hops = opened.hops if opened else getattr(response, HOPS, 0)  # with catch_response it is closed already
        result, status, error = conclude(exception, response, redirected=hops > 1)
        self._write(self._who(), str(request_type), str(name), start, end, result, status, error)

    def _write(
        self,
        who: tuple[str, str],
        kind: str,
        name: str,
        start: float,
        end: float,
        result: str,
        status: int,
        error: str,
    ) -> None:
        user, client = who
        self._last[gevent.getcurrent()] = end
        if start < self._begin or self.record is None or self.failed:
            return
        number = self._numbers[user]
        self._numbers[user] = number + 1
        at = round(start - self._t0, 6)
        line = Line(
            t=at,
            start=at,
            end=max(at, round(end - self._t0, 6)),
            journey=f"{kind} {name}".strip(),
            op=kind,
            client=client,
            user=user,
            id=f"{user}-{number:07d}",
            result=result,
            status=status,
            error=error,
        )
        try:
            self.record.write(line)
        except OSError as e:
            self.failed = e

    def _who(self) -> tuple[str, str]:
        """The user whose greenlet this is, or who spawned it: name, and class."""
        here = gevent.getcurrent()
        if here not in self._whose:  # a greenlet that is being killed has forgotten its arguments
            user = _user(here)
            if user is None:
                return NOBODY, NOBODY
            kind = type(user).__name__
            if user not in self._names:
                self._count[kind] += 1
                self._names[user] = f"{kind}-{self._count[kind]}"
            self._whose[here] = self._names[user], kind
        return self._whose[here]

    def _user_error(self, user_instance: object, exception: BaseException, **_: Any) -> None:
        """A task that raises goes on with the next one; a user whose `on_start` raises is gone."""
        if isinstance(user_instance, User):
            self.error = f"{type(user_instance).__name__}: {type(exception).__name__}: {exception}"
            self._died += 1
            if self._died <= MOST:
                self._notebook.write(DIED, time.monotonic(), what=self.error)

    def _watched(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """A client's `request`, which Locust does not report if its user is stopped meanwhile."""

        @functools.wraps(plain)
        def request(session: Any, method: Any, url: Any, name: str | None = None, *more: Any, **how: Any) -> Any:
            named = name or getattr(session, "request_name", None) or _path(str(url))  # older versions have none
            here = gevent.getcurrent()
            opened = self._open[here] = Open(str(method), str(named), time.monotonic(), self._who())
            try:
                answer = plain(session, method, url, name, *more, **how)
                setattr(getattr(answer, "request_meta", {}).get("response", answer), HOPS, opened.hops)
                return answer
            except GreenletExit:
                self._abandoned(opened)
                raise
            finally:
                self._open.pop(here, None)

        return request

    def _abandoned(self, opened: Open) -> None:
        """A request without an answer when the load ended, unless it was sent just before."""
        now = time.monotonic()
        waited = now - opened.start
        if waited > PATIENCE - GRAIN:
            why = f"no answer when the load ended, {waited:.1f} s after it was sent"
            start = max(opened.start, self._begin)  # it may hang since before operations counted
            self._write(opened.who, opened.type, opened.name, start, now, "info", 0, why)

    def _counted(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def send(*args: Any, **how: Any) -> Any:
            if opened := self._open.get(gevent.getcurrent()):
                opened.hops += 1
            return plain(*args, **how)

        return send

    def _task(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """A task that was still waiting for something else when the load ended: nobody reports that."""

        @functools.wraps(plain)
        def execute(tasks: Any, task: Any) -> Any:
            here, begun = gevent.getcurrent(), time.monotonic()
            try:
                return plain(tasks, task)
            except GreenletExit as e:
                last = max(begun, self._last.get(here, begun))
                if (waited := time.monotonic() - last) > PATIENCE + 1.0 and not _asleep(e):
                    what = f"{type(tasks.user).__name__}: {getattr(task, '__name__', task)}"
                    self._notebook.write(UNFINISHED, last, waited, what=what)
                self._last[here] = time.monotonic()  # of nested task sets only the innermost is noted
                raise

        return execute


def _asleep(error: BaseException) -> bool:
    """Whether a greenlet slept when it was stopped: it waited for nothing else."""
    trace, names = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        names.append((code.co_name, "/gevent/" in code.co_filename.replace("\\", "/")))
        trace = trace.tb_next
    return ("sleep", True) in names


def _replace(cls: type[Any], name: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(cls, name, wrapped(getattr(cls, name)))


def _user(greenlet: Any) -> User | None:
    """The user whom a greenlet belongs to: Locust starts a user with itself as the only argument."""
    for _ in range(10):
        if greenlet is None:
            return None
        if (args := getattr(greenlet, "args", ())) and isinstance(args[0], User):
            return args[0]
        spawned = getattr(greenlet, "spawning_greenlet", None)
        greenlet = spawned() if spawned else None
    return None


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "") if parts.scheme else url
