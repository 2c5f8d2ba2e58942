"""What a users' file is written with: OpenUser, @journey, @readback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

import gevent
import msgspec
from locust import FastHttpUser
from locust.contrib.fasthttp import FastResponse
from locust.env import Environment

from chaos.load.contract import CONNECT, PATIENCE
from chaos.load.openloop.client import Clients, Names, NotSent

F = TypeVar("F", bound=Callable[..., Any])


class Page(NamedTuple):
    """One page of what a system says it holds of a user: ids as often as found, and where the next page begins."""

    ids: Sequence[str]
    next: str | None


class Broken(Exception):
    """An operation that did not get the promised answer, and what may be concluded from it: fail or info."""

    def __init__(self, result: str, error: str, status: int = 0) -> None:
        super().__init__(error)
        self.result, self.error, self.status = result, error, status


@dataclass
class Operation:
    """What one user is doing now, in one greenlet."""

    id: str  # chosen by the client: NAME-NNNNNNN, so that a user's ids sort by time
    deadline: float  # CLOCK_MONOTONIC, seconds: nothing new is tried after it
    status: int = 0  # of the last answer
    done: int = 0  # writes acknowledged so far
    note: str = ""  # what went on besides, for the line's `error`
    age: float | None = None  # seconds: how old the newest content was that it was shown


_operation: ContextVar[Operation] = ContextVar("operation")


def begin(operation: Operation) -> None:
    """From here on, what this greenlet asks is part of `operation`."""
    _operation.set(operation)


def journey(name: str, weight: float = 1, *, writes: bool = False) -> Callable[[F], F]:
    """Mark a method as an operation of journey `name`; `weight` is its share among its class's methods.

    `writes`: it writes something under the operation's id, which the journey's read-back has to find again.
    """

    def mark(method: F) -> F:
        method.__dict__["journey"] = (name, weight, writes)
        return method

    return mark


def readback(name: str) -> Callable[[F], F]:
    """Mark a method `(self, after: str | None) -> Page` that reads back what journey `name` wrote."""

    def mark(method: F) -> F:
        method.__dict__["readback"] = name
        return method

    return mark


class OpenUser(FastHttpUser):
    """A user who comes when it is time, whether or not the last visit has ended.

    A subclass says who (`weight`, `client_type`), where (`hosts`) and what (`@journey` methods). Several of its
    journeys may run at once on one instance: keep what belongs to one of them in local variables.
    """

    abstract = True

    hosts: ClassVar[Sequence[str]] = ()  # "http://name:port"; the next is tried when one cannot be reached
    client_type: ClassVar[str] = "app"  # web, app, third-party, business
    least: ClassVar[int] = 1  # fewer users of this class make no sense (somebody to talk to)

    network_timeout = PATIENCE
    connection_timeout = CONNECT
    max_redirects = 0  # an answer elsewhere is not the promised one

    def __init__(self, environment: Environment, names: Names, name: str, place: int) -> None:
        self.host = self.hosts[0]
        self.client_pool: Clients = Clients(names, CONNECT, PATIENCE)
        super().__init__(environment)
        agent = self.client.client
        agent.cookiejar = None  # sessions are the users' file's business, and a jar costs more than the request
        agent.valid_response_codes = frozenset(range(100, 600))  # type: ignore[misc]  # we judge, see `_judge`
        self.name = name
        self.mates: Sequence[str] = (name,)  # names of everybody of this class
        self.kept: dict[str, Any] = {}  # survives from sign_up to the run and the read-back; JSON
        self._at = place % len(self.hosts)  # users start spread over the hosts and stay where they got through

    def sign_up(self) -> None:
        """Once before the run: make an account, leave what is needed later in `self.kept`. Must be repeatable."""

    def credentials(self) -> Mapping[str, str]:
        """Headers of every request."""
        return {}

    @property
    def op(self) -> Operation:
        return _operation.get()

    @property
    def mate(self) -> str:
        """Somebody else of this class (oneself where there is nobody else), a different one each time."""
        others = [m for m in self.mates if m != self.name] or [self.name]
        return others[int(self.op.id[-6:]) % len(others)]

    def get(self, path: str, **how: Any) -> FastResponse:
        return self.ask("GET", path, **how)

    def post(self, path: str, json: object, **how: Any) -> FastResponse:
        return self.ask("POST", path, json=json, **how)

    def put(self, path: str, data: bytes, **how: Any) -> FastResponse:
        return self.ask("PUT", path, data=data, **how)

    def want(self, true: object, what: str) -> None:
        """The answer has to be as promised, else it may or may not have been done."""
        if not true:
            raise Broken("info", f"not as promised: {what}", self.op.status)

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] = {},
        accept: Iterable[int] = (),
    ) -> FastResponse:
        """The answer, if it is a 2xx or in `accept`; raises Broken otherwise, which ends the operation.

        Hosts are tried in turn as long as nothing was sent, within the operation's patience.
        """
        sent = {**self.credentials(), "X-Request-Id": self.op.id, **headers}
        if json is not None:
            data = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        tried: list[str] = []
        while True:
            at = self._at
            answer = self.client.request(
                method,
                self.hosts[at] + path,
                name=path.partition("?")[0],
                data=data,  # type: ignore[arg-type]  # bytes are what it sends in the end
                headers=sent,
            )
            error = getattr(answer, "error", None)
            if error is None:
                return self._judge(method, path, answer, accept)
            if not isinstance(error, NotSent):
                self.client_pool.drop_idle(self.hosts[at])
                raise Broken("info", f"{method} {path}: {_cause(error)}")
            tried.append(str(error))
            if self._at == at:  # else another journey of this user has moved on already
                self._at = (at + 1) % len(self.hosts)
            if len(tried) >= len(self.hosts) or time.monotonic() >= self.op.deadline:
                raise Broken("fail", f"{method} {path}: not sent: {'; '.join(tried)}")

    def turn(self) -> None:
        """Leave this host for the next. Reading back asks them all; a journey stays where it got through."""
        self._at = (self._at + 1) % len(self.hosts)

    def _judge(self, method: str, path: str, answer: FastResponse, accept: Iterable[int]) -> FastResponse:
        status = self.op.status = answer.status_code
        what = f"{method} {path}: {status}"
        if 200 <= status < 300 or status in accept:
            if not _complete(answer):  # locust swallows what breaks while it reads a body
                raise Broken("info", f"{what}, and the answer broke off", status)
            self.op.done += method != "GET" and status < 300
            return answer
        assert answer.headers is not None, "an answer has headers"
        if str(answer.headers.get("X-Executed") or "").lower() == "no":
            raise Broken("fail", f"{what}, not executed", status)
        raise Broken("fail" if 400 <= status < 500 else "info", what, status)


def _complete(answer: FastResponse) -> bool:
    return answer._response is not None and answer._response.message_complete


def _cause(error: BaseException) -> str:
    """geventhttpclient wraps a time-out into "retries exceeded"; the time-out is what happened."""
    cause = getattr(error, "original", None) or error
    if isinstance(cause, gevent.Timeout):
        return f"no answer within {PATIENCE:g} s"
    return str(cause) or type(cause).__name__
