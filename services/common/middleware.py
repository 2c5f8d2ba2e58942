"""Processing common to all requests: request id, early refusals, metrics, and errors turned into answers."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common import metrics
from services.common.answers import problem
from services.common.capacity import Capacity
from services.common.errors import Refused, Uncertain
from services.common.log import log
from services.common.settings import SETTINGS


class RequestMiddleware:
    """Wraps the router: request id, refusals, errors as answers, metrics, one log line for each failure."""

    def __init__(
        self,
        router: Router,
        active: Callable[[], bool] = lambda: True,
        always: frozenset[str] = frozenset(),
        capacity: Capacity | None = None,
    ) -> None:
        self._router = router
        self._active = active
        self._always = always  # health and metrics: a standby answers them too, and their 503 is not logged
        self._capacity = capacity

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
        if status >= 500 and scope["path"] not in self._always:
            log(
                "request", level="warning", request=scope["request_id"], method=scope["method"], route=route,
                status=status, ms=round(seconds * 1000, 1), problem=scope.get("problem"),
            )  # fmt: skip

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Run the handler; returns the answer to send instead if it raised."""
        if not self._active() and scope["path"] not in self._always:
            return problem(503, f"{SETTINGS.node} is a standby; activate it or call its peer")
        try:
            if self._capacity is not None and scope["path"] not in self._always and (wait := self._capacity.turn()):
                await asyncio.sleep(wait)
            await self._router(scope, receive, send)
            return None
        except Refused as error:
            scope["problem"] = error.problem
            return problem(error.status, error.problem, headers=error.headers)
        except Uncertain as error:
            scope["problem"] = error.problem
            return problem(error.status, error.problem, executed=True)
        except ClientDisconnect:
            return problem(400, "the client left before its request was complete")
        except Exception as error:
            # A bug: how far the request got is unknown, so the answer claims nothing.
            scope["problem"] = repr(error)
            log("bug", level="error", request=scope["request_id"], error=repr(error), where=_origin(error))
            return problem(500, "internal error; the log of this node has it", executed=True)


class AdminOnly:
    """Admits requests with the admin token; others only get a 401."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if hmac.compare_digest(_header(scope, b"authorization"), self._expected):
            await self._app(scope, receive, send)
        else:
            await problem(401, "admin token expected in Authorization: Bearer TOKEN")(scope, receive, send)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _route(scope: Scope) -> str:
    """The path as declared: a metric's label must not grow with the ids that users choose."""
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
