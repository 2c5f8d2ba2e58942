"""The gateway: identifies the user, then forwards the request to the component that its path names."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.calls import Call, Peers
from services.common.certificate import OWN
from services.common.errors import Refused, Unavailable, Uncertain
from services.common.identity import vouch
from services.common.levels import DEGRADED, OPERATIONAL, StatusPage
from services.common.peer import Reply
from services.common.settings import SETTINGS
from services.common.web import Service, answer, body, raw_body

COMPONENTS: Final = ("auth", "login3p", "chat", "media", "timeline", "push", "pay", "ride", "games", "channel", "mail")
METHODS: Final = ["GET", "POST", "PUT"]
AUTH_BUDGET = 0.6  # seconds to identify the user; the client waits for both calls

# Log-ins have no token yet: their proof is in the body. auth checks all other requests.
OPEN: Final = {
    "/auth/register", "/auth/app-token", "/auth/login", "/auth/me", "/login3p/authorize", "/login3p/token",
}  # fmt: skip
# Writes with an id chosen by the client, or that set a state: executing them twice is the same as once.
AGAIN: Final = {
    "/auth/register", "/auth/app-token", "/chat/messages", "/chat/scheduled", "/pay/transfers", "/ride/available",
    "/games/items", "/channel/items", "/mail/items",
}  # fmt: skip
PASSED_BACK: Final = ("Content-Type", "Set-Cookie", "Retry-After", "X-Executed")
TO_BROWSERS: Final = ("Set-Cookie", "Retry-After")  # headers of auth for a user who is logged out


class Me(msgspec.Struct):
    user: str


class Notice(msgspec.Struct):
    status: str


@dataclass(frozen=True)
class Gateway:
    components: dict[str, Peers]
    status_page: StatusPage
    page_checks: int

    async def forward(self, request: Request) -> Response:
        try:
            reply = await self._forward(request)
        except (Refused, Uncertain) as error:
            self._count(request, error.status)
            raise
        self._count(request, reply.status_code)
        return reply

    def _count(self, request: Request, status: int) -> None:
        """For the status page: a user whose session is rejected was logged out."""
        thrown_out = status == 401 and "cookie" in request.headers
        self.status_page.count(not (status >= 500 or status == 429 or thrown_out))

    async def page(self, request: Request) -> Response:
        """A web page: who is asking, and the parts to load with it, which need `page_checks` session checks."""
        try:
            user = await self._who(request)
        except Refused as error:
            self._count(request, error.status)
            raise
        self._count(request, 200)
        parts = [f"/auth/me?for=part-{n}" for n in range(2, self.page_checks)]
        return answer({"user": user, "parts": [*parts, "/timeline"][: self.page_checks - 1]})

    async def status(self, request: Request) -> Response:
        return answer(self.status_page.read())

    async def write_status(self, request: Request) -> Response:
        notice = await body(request, Notice)
        if notice.status not in (OPERATIONAL, DEGRADED):
            raise Refused(400, f"status: found {notice.status[:40]!r}, expected {OPERATIONAL} or {DEGRADED}")
        self.status_page.written = notice.status
        return answer(self.status_page.read())

    async def _forward(self, request: Request) -> Response:
        name, path = _component(request), request.url.path
        request.scope["label"] = f"/{name}"
        headers = {"X-Request-Id": request.scope["request_id"], **_taken(request, "content-type")}
        if path in OPEN:
            headers |= _taken(request, "authorization", "cookie")
        else:
            headers |= vouch(await self._who(request))
        safe = request.method == "GET" and path != "/push"
        call = Call(
            request.method,
            _raw_path(request),
            headers,
            await raw_body(request) if request.method != "GET" else None,
            # Reading the push stream removes items from it, so it must not be repeated.
            again=safe or request.method == "PUT" or path in AGAIN,
            safe=safe,
        )
        try:
            return _answer(await self.components[name].ask(call))
        except Uncertain as error:
            if safe:
                raise Unavailable(error.problem) from error
            raise

    async def _who(self, request: Request) -> str:
        """The user of the credentials. Raises Refused(401), or Unavailable: without auth nobody is admitted."""
        credentials = _taken(request, "authorization", "cookie")
        if not credentials:
            raise Refused(401, "no credentials: send Authorization: Bearer TOKEN or the cookie `session`")
        headers = {"X-Request-Id": request.scope["request_id"], **credentials}
        call = Call("GET", "/auth/me", headers, again=True, safe=True, budget=AUTH_BUDGET)
        try:
            reply = await self.components["auth"].ask(call)
        except (Uncertain, Unavailable) as error:
            raise Unavailable(f"nobody is admitted while auth is unavailable: {error}") from error
        if reply.status == 200:
            return msgspec.json.decode(reply.body, type=Me).user
        if reply.status == 401:
            said = {k: reply.headers[k] for k in TO_BROWSERS if k in reply.headers}
            raise Refused(401, "auth does not know this token or session; log in again", said)
        raise Unavailable(f"nobody is admitted while auth answers {reply.status}")


def _component(request: Request) -> str:
    name = request.url.path.split("/", 2)[1]
    if name not in COMPONENTS:
        raise Refused(404, f"found /{name[:40]}, expected one of /{', /'.join(COMPONENTS)}")
    return name


def _raw_path(request: Request) -> str:
    """Path and query as received: decoding and encoding them again might change their meaning."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _taken(request: Request, *names: str) -> dict[str, str]:
    return {name.title(): request.headers[name] for name in names if name in request.headers}


def _answer(reply: Reply) -> Response:
    headers = {name: reply.headers[name] for name in PASSED_BACK if name in reply.headers}
    return Response(reply.body, reply.status, headers)


def main() -> None:
    components = {name: Peers(name, SETTINGS.peers(name.upper()), required=name == "auth") for name in COMPONENTS}
    fed_by = SETTINGS.environment.get("STATUS_PAGE") or "hand"
    if fed_by not in ("hand", "slo"):
        sys.exit(f"{SETTINGS.node}: STATUS_PAGE: found {fed_by!r}, expected hand or slo")
    gateway = Gateway(components, StatusPage(fed_by), int(SETTINGS.number("PAGE_CHECKS", 5)))
    service = Service(
        "gateway",
        [
            Route("/page", gateway.page),
            Route("/status", gateway.status),
            Route("/{path:path}", gateway.forward, methods=METHODS),
        ],
        parts=list(components.values()),
        admin=[*OWN.short(1.4).routes, Route("/status", gateway.write_status, methods=["POST"])],
    )
    service.run()


if __name__ == "__main__":
    main()
