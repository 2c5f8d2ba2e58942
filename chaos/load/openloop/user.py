"""The vocabulary of a users' file: OpenUser, @journey, @readback."""

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
from chaos.load.sent import nothing_sent

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Page(NamedTuple):
    """One page of what a system holds of a user: ids, with repetitions, and where the next page begins."""

    ids: Sequence[str]
    next: str | None


class Broken(Exception):
    """An operation that did not succeed, and what that means: fail or info."""

    def __init__(self, result: str, error: str, status: int = 0) -> None:
        super().__init__(error)
        self.result, self.error, self.status = result, error, status


@dataclass
class Operation:
    """The operation that a user is performing now, in one greenlet."""

    id: str  # chosen by the client: NAME-NNNNNNN, so that a user's ids sort by time
    deadline: float  # CLOCK_MONOTONIC, seconds: no new attempt after it
    status: int = 0  # of the last response
    done: int = 0  # acknowledged writes so far
    note: str = ""  # what else happened, for the line's `error`
    age: float | None = None  # seconds: the age of the newest content that was shown


_operation: ContextVar[Operation] = ContextVar("operation")


def begin(operation: Operation) -> None:
    """From now on, the requests of this greenlet belong to `operation`."""
    _operation.set(operation)


def journey(name: str, weight: float = 1, *, writes: bool = False) -> Callable[[F], F]:
    """Mark a method as an operation of journey `name`; `weight` is its share among its class's methods.

    `writes`: it writes something under the operation's id, which the journey's read-back has to find.
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
    """A user whose visits start on schedule, whether or not the previous one has ended.

    A subclass defines who (`weight`, `client_type`), where (`hosts`) and what (`@journey` methods). Several journeys
    may run at once on one instance: keep what belongs to one of them in local variables.
    """

    abstract = True

    # "http://name:port", or "name:port" of another protocol. The next one is tried if a host cannot be reached.
    hosts: ClassVar[Sequence[str]] = ()
    client_type: ClassVar[str] = "app"  # web, app, third-party, business
    least: ClassVar[int] = 1  # minimum number of users of this class (so that there is somebody to talk to)

    network_timeout = PATIENCE
    connection_timeout = CONNECT
    max_redirects = 0  # a redirect is not the expected response

    def __init__(self, environment: Environment, names: Names, name: str, place: int) -> None:
        self.host = (*self.hosts, "http://localhost")[0]  # Locust insists on one
        self.client_pool: Clients = Clients(names, CONNECT, PATIENCE)
        super().__init__(environment)
        agent = self.client.client
        agent.cookiejar = None  # sessions are managed by the users' file, and a cookie jar costs more than the request
        agent.valid_response_codes = frozenset(range(100, 600))  # type: ignore[misc]  # we judge, see `_judge`
        self.name = name
        self.names = names  # addresses of hosts, cached
        self.mates: Sequence[str] = (name,)  # names of all users of this class
        self.kept: dict[str, Any] = {}  # kept from sign_up to the run and the read-back; JSON
        self._at = place % max(len(self.hosts), 1)  # users start spread over the hosts and stay with one that works

    def sign_up(self) -> None:
        """Create an account before the run, and store what is needed later in `self.kept`. Must be repeatable."""

    def credentials(self) -> Mapping[str, str]:
        """Headers of every request."""
        return {}

    @property
    def op(self) -> Operation:
        return _operation.get()

    @property
    def mate(self) -> str:
        """Another user of this class (oneself if there is no other), a different one each time."""
        others = [m for m in self.mates if m != self.name] or [self.name]
        return others[int(self.op.id[-6:]) % len(others)]

    def get(self, path: str, **how: Any) -> FastResponse:
        return self.ask("GET", path, **how)

    def post(self, path: str, json: object, **how: Any) -> FastResponse:
        return self.ask("POST", path, json=json, **how)

    def put(self, path: str, data: bytes, **how: Any) -> FastResponse:
        return self.ask("PUT", path, data=data, **how)

    def want(self, true: object, what: str) -> None:
        """Check the response: if it is not as expected, the operation may or may not have been executed."""
        if not true:
            raise Broken("info", f"not as expected: {what}", self.op.status)

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
        """The response, if its status is 2xx or in `accept`. Otherwise raises Broken, which ends the operation.

        Hosts are tried in turn as long as nothing was sent, within the operation's time limit. A `path` that is a whole
        URL, http://…, is asked of its own host only.
        """
        hosts, said = self.hosts, path
        if path.startswith("http://"):
            hosts, path = _split(path)
            said = path.partition("?")[0]  # it comes from the experiment's file, whose query may be secret
        sent = {**self.credentials(), "X-Request-Id": self.op.id, **headers}
        if json is not None:
            data = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        tried: list[str] = []
        while True:
            at = self._at if hosts is self.hosts else 0
            answer = self.client.request(
                method,
                hosts[at] + path,
                name=path.partition("?")[0],
                data=data,  # type: ignore[arg-type]  # bytes are what it sends in the end
                headers=sent,
            )
            error = getattr(answer, "error", None)
            if error is None:
                return self._judge(method, said, answer, accept)
            if not isinstance(error, NotSent):
                self.client_pool.drop_idle(hosts[at])
                raise Broken("info", f"{method} {said}: {_cause(error)}")
            tried.append(str(error))
            if hosts is self.hosts and self._at == at:  # unless another journey of this user has already moved on
                self._at = (at + 1) % len(hosts)
            if len(tried) >= len(hosts) or time.monotonic() >= self.op.deadline:
                raise Broken("fail", f"{method} {said}: not sent: {'; '.join(tried)}")

    @property
    def address(self) -> str:
        """The host that this user talks to now, for clients of other protocols; see `turn`."""
        return self.hosts[self._at]

    def call(
        self, fn: Callable[[], T], *, sent: bool | Callable[[Exception], bool] | None = None, writes: bool = True
    ) -> T:
        """The result of `fn`, a call of any protocol that yields to gevent. Raises Broken if it raises.

        `sent` says whether something may have been sent by then, which makes the operation `info` and not `fail`: a
        constant, or a function of the error. Without it, only errors that prove the opposite are `fail`: the connection
        was refused, or the name is unknown. `writes`: after it nothing of this operation can be `fail` any more.
        """
        try:
            found = fn()
        except Broken:
            raise
        except Exception as e:
            maybe = not nothing_sent(e) if sent is None else sent(e) if callable(sent) else sent
            words = " ".join(str(e).split())[:300]
            raise Broken("info" if maybe else "fail", f"{type(e).__name__}: {words}".rstrip(": ")) from e
        self.op.done += writes
        return found

    def turn(self) -> None:
        """Switch to the next host. A read-back asks all of them; a journey stays with one that works."""
        self._at = (self._at + 1) % len(self.hosts)

    def _judge(self, method: str, path: str, answer: FastResponse, accept: Iterable[int]) -> FastResponse:
        status = self.op.status = answer.status_code
        what = f"{method} {path}: {status}"
        if 200 <= status < 300 or status in accept:
            if not _complete(answer):  # locust ignores errors while it reads a body
                raise Broken("info", f"{what}, and the answer broke off", status)
            self.op.done += method != "GET" and status < 300
            return answer
        assert answer.headers is not None, "an answer has headers"
        if str(answer.headers.get("X-Executed") or "").lower() == "no":
            raise Broken("fail", f"{what}, not executed", status)
        raise Broken("fail" if 400 <= status < 500 else "info", what, status)


def _split(url: str) -> tuple[Sequence[str], str]:
    """The host and the path of a URL."""
    host, slash, path = url.removeprefix("http://").partition("/")
    host, question, query = host.partition("?")  # http://host?a=b
    return (f"http://{host}",), f"/{path}" if slash else f"/{question}{query}"


def _complete(answer: FastResponse) -> bool:
    return answer._response is not None and answer._response.message_complete


def _cause(error: BaseException) -> str:
    """geventhttpclient wraps a time-out into "retries exceeded"; report the time-out."""
    cause = getattr(error, "original", None) or error
    if isinstance(cause, gevent.Timeout):
        return f"no answer within {PATIENCE:g} s"
    return str(cause) or type(cause).__name__
