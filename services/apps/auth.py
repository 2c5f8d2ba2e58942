"""Authentication: passwords in PostgreSQL, web sessions in Valkey, app tokens that need no store."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common import backends
from services.common.cache import Cache
from services.common.certificate import certified
from services.common.chores import Term
from services.common.db import Database
from services.common.errors import Refused
from services.common.identity import user_of
from services.common.limits import Limits
from services.common.passwords import Login, Passwords, login_of
from services.common.settings import SETTINGS
from services.common.tokens import Tokens
from services.common.web import Service, answer, whole

SESSION_LIFE = 24 * 3600  # seconds
DAMPING = "1"  # seconds that a user who was thrown out should wait before the second log-in, doubled each time
SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name text PRIMARY KEY,
    password text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
)"""


class Auth:
    def __init__(self) -> None:
        self.database = Database(SCHEMA)
        self.cache = Cache()
        self._passwords = Passwords()
        self.ring = Term("rotate the token key", 1.0)
        self.limits = Limits(SETTINGS.peers("LIMITER"))
        self._backends = backends.configured(self.cache)
        self._damped = SETTINGS.flag("DAMPED_LOGIN")
        self._tokens = Tokens(SETTINGS.need("TOKEN_KEY"), "messaging", self.ring)

    async def register(self, request: Request) -> Response:
        certified(request)
        login = await login_of(request)
        if await self._stored(login.user) is None:
            made = await self.database.write(
                "INSERT INTO users (name, password) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name",
                login.user,
                await self._passwords.hash(login.password),
            )
            if made:
                return answer({"user": login.user}, 201)
        # Locked, so that a repeated answer promises as much as the first one: see chat.py.
        rows = await self.database.write("SELECT password FROM users WHERE name = $1 FOR UPDATE", login.user)
        if not rows or not await self._passwords.matches(rows[0][0], login.password):
            raise Refused(409, f"user {login.user!r} exists with another password; choose another name")
        return answer({"user": login.user})

    async def app_token(self, request: Request) -> Response:
        certified(request)
        return answer({"token": self._tokens.issue(await self._verified(request))})

    async def login(self, request: Request) -> Response:
        certified(request)
        self.cache.pool()  # hashing is useless if there is nowhere to store the session
        login = await login_of(request)
        await self.limits.ask("logins", login.user)
        user = await self._matching(login)
        self._in_force()
        session = secrets.token_urlsafe(24)
        await self._backends.keep(session, user, SESSION_LIFE, request.scope["request_id"])
        cookie = f"session={session}; Max-Age={SESSION_LIFE}; Path=/; HttpOnly; SameSite=Lax"
        return answer({"session": session}, headers={"Set-Cookie": cookie})

    async def me(self, request: Request) -> Response:
        certified(request)
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return answer({"user": self._tokens.user(authorization)})
        session = request.cookies.get("session", "")
        if not session:
            raise Refused(401, "no credentials: send Authorization: Bearer TOKEN or the cookie `session`")
        self._in_force()
        user = await self._backends.user(session[:64], request.scope["request_id"])
        if user is None:
            # The browser deletes the cookie, whatever the other back ends would have answered.
            headers = {"Set-Cookie": "session=; Max-Age=0; Path=/"} | ({"Retry-After": DAMPING} if self._damped else {})
            raise Refused(401, "this session is not known or has ended; log in again", headers)
        return answer({"user": user})

    async def feed(self, request: Request) -> Response:
        """For services of this stack: whether the session back ends that a refresh meets have this user's feed."""
        user, checks = user_of(request), whole(request, "checks", 1, 50)
        if not self._backends.feeds(request.scope["request_id"], checks):
            raise Refused(403, f"a session back end has no feed of {user!r}; show the copy you have")
        return answer({"user": user})

    def _in_force(self) -> None:
        """Without valid keys no user is admitted, by session or by token. Raises Refused(401)."""
        if self.ring.over:
            raise Refused(401, "the keys of this stack have expired; rotate them")

    async def _verified(self, request: Request) -> str:
        return await self._matching(await login_of(request))

    async def _matching(self, login: Login) -> str:
        if not await self._passwords.matches(await self._stored(login.user), login.password):
            raise Refused(401, "user and password do not match")
        return login.user

    async def _stored(self, user: str) -> str | None:
        rows = await self.database.read("SELECT password FROM users WHERE name = $1", user)
        return rows[0][0] if rows else None


def main() -> None:
    auth = Auth()
    routes = [
        Route("/auth/register", auth.register, methods=["POST"]),
        Route("/auth/app-token", auth.app_token, methods=["POST"]),
        Route("/auth/login", auth.login, methods=["POST"]),
        Route("/auth/me", auth.me),
        Route("/auth/feed", auth.feed),
    ]
    Service("auth", routes, parts=[auth.database, auth.cache, auth.limits], admin=auth.ring.routes).run()


if __name__ == "__main__":
    main()
