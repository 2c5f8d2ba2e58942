"""The scaffold of every program: API on port 8000, admin on port 8001, health, metrics, logs, a graceful end.

    service = Service("pay", [Route("/balance", balance)], parts=[database])
    service.run()

A handler is a Starlette endpoint that returns `answer(...)` or raises Refused or Uncertain (errors.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import Server

from services.common import metrics
from services.common.answers import NOT_EXECUTED, answer, body, problem, raw_body, whole
from services.common.capacity import Capacity, size
from services.common.log import log
from services.common.middleware import AdminOnly, RequestMiddleware
from services.common.settings import SETTINGS
from services.common.worker import ALONE, OneWorker

__all__ = ["ADMIN_PORT", "API_PORT", "Part", "Service", "answer", "body", "problem", "raw_body", "whole"]

API_PORT = 8000
ADMIN_PORT = 8001
GRACE = 2  # seconds that requests in flight get after SIGTERM


class Part(Protocol):
    """Something that a service depends on: a pool, a client, a background task, a server it supervises."""

    name: str

    async def start(self) -> None:
        """Start and return soon: the service already answers /healthz and does not wait."""

    async def stop(self) -> None: ...

    def missing(self) -> str | None:
        """Why this part does not work now; None while it does. /readyz and /startz use it."""


class Service:
    """One program.

    `routes` answer 503 `X-Executed: no` while the service is standby. `admin` routes need the token and are on port
    8001, beside POST /activate and /standby. `facts` are included in the answer of /readyz.
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
        self._reached = False  # everything required was available once
        own: list[BaseRoute] = [
            Route("/healthz", self._healthz),
            Route("/startz", self._startz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]
        everything = Router([*own, *routes], default=_nowhere)
        always = frozenset(_paths(own))
        entry = RequestMiddleware(everything, lambda: self.active, always, Capacity(size(SETTINGS)))
        self.api: ASGIApp = OneWorker(entry, always) if ALONE else entry
        acts: list[BaseRoute] = [
            Route("/activate", self._activate, methods=["POST"]),
            Route("/standby", self._standby, methods=["POST"]),
        ]
        private = RequestMiddleware(Router([*acts, *admin], default=_nowhere))
        self.admin = AdminOnly(private, SETTINGS.need("ADMIN_TOKEN"))

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
        """Serve until SIGTERM or SIGINT. Exits with 1 and a message if a port is in use."""
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
    """A uvicorn server that leaves signals to the service, and sleeps while there are no requests.

    By default, two ports in 35 programs would wake up 700 times a second for a Date header that nobody reads.
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


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"nothing answers to {scope['path']} here; services/README.md lists the API"
    await problem(404, text)(scope, receive, send)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((SETTINGS.bind, port), backlog=1024)
    except OSError as error:
        sys.exit(
            f"{SETTINGS.node}: cannot listen on {SETTINGS.bind}:{port}: {error.strerror}; "
            "stop what listens there or set BIND to another address"
        )


def _paths(routes: Sequence[BaseRoute]) -> list[str]:
    return [route.path for route in routes if isinstance(route, Route)]
