"""The scaffold of every program: API on port 8000, admin on port 8001, health, metrics, logs, a graceful end.

    service = Service("pay", [Route("/balance", balance)], parts=[database])
    service.run()

A handler is a Starlette endpoint that returns `answer(...)` or raises Refused or Uncertain (errors.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import uvloop
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import Server

from services.common import metrics
from services.common.errors import Refused, Uncertain
from services.common.log import log
from services.common.settings import SETTINGS

API_PORT = 8000
ADMIN_PORT = 8001
GRACE = 2  # seconds that requests under way get after SIGTERM
BODY_LIMIT = 1 << 20  # bytes; nothing in this stack needs more

NOT_EXECUTED = {"X-Executed": "no"}
T = TypeVar("T")
Endpoint = Callable[[Request], Any]


class Part(Protocol):
    """Something a service lives on: a pool, a client, a background task, a server it supervises."""

    name: str

    async def start(self) -> None:
        """Begin and return soon: the service answers /healthz meanwhile, and waits for nobody."""

    async def stop(self) -> None: ...

    def missing(self) -> str | None:
        """Why this part does not work now, None while it does. /readyz and /startz follow from it."""


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def problem(status: int, text: str, executed: bool = False) -> Response:
    return answer({"error": text}, status, None if executed else NOT_EXECUTED)


async def raw_body(request: Request) -> bytes:
    """The request's bytes. Raises Refused(413) beyond BODY_LIMIT, whatever Content-Length said."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BODY_LIMIT:
            raise Refused(413, f"the body is longer than {BODY_LIMIT} bytes; send less")
    return bytes(received)


async def body(request: Request, shape: type[T]) -> T:
    """The request's JSON as `shape`, a msgspec Struct. Raises Refused(400) that names the wrong field."""
    try:
        return msgspec.json.decode(await raw_body(request), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"body: {error}") from None


def whole(request: Request, name: str, default: int, most: int) -> int:
    """A whole number from the query, 1 … most. Raises Refused(400)."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise Refused(400, f"query {name}: found {text!r}, expected a whole number from 1 to {most}")
    return int(text)


class Service:
    """One program.

    `routes` answer 503 `X-Executed: no` while the service is standby; `admin` routes stand behind the token on
    port 8001, beside POST /activate and /standby; `facts` go into the answer of /readyz.
    """

    def __init__(
        self,
        name: str,
        routes: Sequence[BaseRoute] = (),
        *,
        parts: Sequence[Part] = (),
        admin: Sequence[BaseRoute] = (),
        facts: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self.name = name
        self.parts = parts
        self.facts = facts
        self.active = SETTINGS.active
        self._reached = False  # everything needed was there once
        own: list[BaseRoute] = [
            Route("/healthz", self._healthz),
            Route("/startz", self._startz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]
        self.api = Door(Router([*own, *routes], default=_nowhere), frozenset(_paths(own)), self)
        acts: list[BaseRoute] = [
            Route("/activate", self._activate, methods=["POST"]),
            Route("/standby", self._standby, methods=["POST"]),
        ]
        acting = Door(Router([*acts, *admin], default=_nowhere), None, self)
        self.admin = Guard(acting, SETTINGS.need("ADMIN_TOKEN"))

    def missing(self) -> dict[str, str]:
        return {part.name: why for part in self.parts if (why := part.missing()) is not None}

    async def _healthz(self, request: Request) -> Response:
        return answer({"node": SETTINGS.node, "service": self.name})

    async def _startz(self, request: Request) -> Response:
        missing = self.missing()
        self._reached = self._reached or not self.active or not missing
        return answer({"started": True}) if self._reached else answer({"missing": missing}, 503, NOT_EXECUTED)

    async def _readyz(self, request: Request) -> Response:
        missing = self.missing()
        role = {"role": "active" if self.active else "standby", **self.facts()}
        if self.active and not missing:
            return answer(role)
        return answer({**role, "missing": missing}, 503, NOT_EXECUTED)

    async def _metrics(self, request: Request) -> Response:
        metrics.ROLE.set(self.active)
        text, kind = metrics.exposition()
        return Response(text, media_type=kind)

    async def _activate(self, request: Request) -> Response:
        return self._become(True)

    async def _standby(self, request: Request) -> Response:
        return self._become(False)

    def _become(self, active: bool) -> Response:
        if self.active != active:
            self.active = active
            log("role", service=self.name, role="active" if active else "standby")
        return answer({"role": "active" if active else "standby"})

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Exits 1 in words when a port is taken."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        leave = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave.set)
        ports = ((self.api, _listen(API_PORT)), (self.admin, _listen(ADMIN_PORT)))
        serving = [asyncio.create_task(Listener(app, leave).serve(sockets=[port])) for app, port in ports]
        log("start", service=self.name, role="active" if self.active else "standby")
        for part in self.parts:
            await part.start()
        await asyncio.gather(*serving)
        for part in reversed(self.parts):
            await part.stop()
        log("stop", service=self.name)


class Listener(Server):
    """A uvicorn server that leaves signals to the service and sleeps while nobody calls.

    As shipped, two ports in 35 programs would tick 700 times a second for a Date header nobody reads.
    """

    def __init__(self, app: ASGIApp, leave: asyncio.Event) -> None:
        # 75 s: the default of 5 s resets pooled connections after a pause and looks like an outage.
        super().__init__(
            Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._leave = leave

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()

    async def main_loop(self) -> None:
        await self._leave.wait()


class Door:
    """Around the router: request id, the standby's refusal, errors as answers, metrics, one log line a failure."""

    def __init__(self, router: Router, always: frozenset[str] | None, service: Service) -> None:
        self._router = router
        self._always = always  # paths that a standby answers too; None for all
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", scope["type"]
        begun = time.perf_counter()
        identity = _header(scope, b"x-request-id")[:64] or secrets.token_hex(8).encode()
        scope["request_id"] = identity.decode("latin-1")
        status = 0

        async def pass_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identity)]
            await send(message)

        trouble = await self._play(scope, receive, pass_on)
        if trouble is not None and not status:
            await trouble(scope, receive, pass_on)
        seconds = time.perf_counter() - begun
        route = _route(scope)
        metrics.count_request(route, scope["method"], status, seconds)
        if status >= 500 and (self._always is None or scope["path"] not in self._always):
            log(
                "request", level="warning", request=scope["request_id"], method=scope["method"], route=route,
                status=status, ms=round(seconds * 1000, 1), problem=scope.get("problem"),
            )  # fmt: skip

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Run the handler; the answer to give in its stead when it raised."""
        if self._always is not None and not self._service.active and scope["path"] not in self._always:
            return problem(503, f"{SETTINGS.node} is a standby; activate it or call its peer")
        try:
            await self._router(scope, receive, send)
            return None
        except Refused as error:
            scope["problem"] = error.problem
            return problem(error.status, error.problem)
        except Uncertain as error:
            scope["problem"] = error.problem
            return problem(error.status, error.problem, executed=True)
        except ClientDisconnect:
            return problem(400, "the client left before its request was complete")
        except Exception as error:
            # A bug of ours: nobody knows how far it got, so the answer promises nothing.
            scope["problem"] = repr(error)
            log("bug", level="error", request=scope["request_id"], error=repr(error), where=_origin(error))
            return problem(500, "internal error; the log of this node has it", executed=True)


class Guard:
    """Lets through who brings the admin token; the others learn nothing."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if hmac.compare_digest(_header(scope, b"authorization"), self._expected):
            await self._app(scope, receive, send)
        else:
            await problem(401, "admin token expected in Authorization: Bearer TOKEN")(scope, receive, send)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"nothing answers to {scope['path']} here; services/README.md lists the API"
    await problem(404, text)(scope, receive, send)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((SETTINGS.bind, port), backlog=1024)
    except OSError as error:
        sys.exit(
            f"{SETTINGS.node}: cannot listen on {SETTINGS.bind}:{port}: {error.strerror}; "
            "stop what stands there or set BIND to another address"
        )


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _paths(routes: Sequence[BaseRoute]) -> list[str]:
    return [route.path for route in routes if isinstance(route, Route)]


def _route(scope: Scope) -> str:
    """The path as declared: a label for metrics must not grow with the ids that users choose."""
    if "label" in scope:
        return str(scope["label"])
    path = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path if "endpoint" in scope else "(unknown)"


def _origin(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
