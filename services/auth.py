"""Who users are: passwords in PostgreSQL, web sessions in Valkey, app tokens that need no store at all."""

from __future__ import annotations

import secrets

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.cache import Cache
from services.common.db import Database
from services.common.errors import Refused
from services.common.identity import check_user
from services.common.passwords import Passwords, check_password
from services.common.settings import SETTINGS
from services.common.tokens import Tokens
from services.common.web import Service, answer, body

SESSION_LIFE = 24 * 3600  # seconds
SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name text PRIMARY KEY,
    password text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
)"""


class Login(msgspec.Struct):
    user: str
    password: str


class Auth:
    def __init__(self) -> None:
        self.database = Database(SCHEMA)
        self.cache = Cache()
        self._passwords = Passwords()
        self._tokens = Tokens(SETTINGS.need("TOKEN_KEY"), "messaging")

    async def register(self, request: Request) -> Response:
        login = await self._login(request)
        if await self._stored(login.user) is None:
            made = await self.database.write(
                "INSERT INTO users (name, password) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name",
                login.user,
                await self._passwords.hash(login.password),
            )
            if made:
                return answer({"user": login.user}, 201)
        # Locked, so that a repetition promises as much as the first answer would have: see chat.py.
        rows = await self.database.write("SELECT password FROM users WHERE name = $1 FOR UPDATE", login.user)
        if not rows or not await self._passwords.matches(rows[0][0], login.password):
            raise Refused(409, f"user {login.user!r} exists with another password; choose another name")
        return answer({"user": login.user})

    async def app_token(self, request: Request) -> Response:
        return answer({"token": self._tokens.issue(await self._verified(request))})

    async def login(self, request: Request) -> Response:
        self.cache.pool()  # no use in hashing a password when there is nowhere to keep the session
        user = await self._verified(request)
        session = secrets.token_urlsafe(24)
        await self.cache.write("SET", f"session:{session}", user, "EX", SESSION_LIFE)
        cookie = f"session={session}; Max-Age={SESSION_LIFE}; Path=/; HttpOnly; SameSite=Lax"
        return answer({"session": session}, headers={"Set-Cookie": cookie})

    async def me(self, request: Request) -> Response:
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return answer({"user": self._tokens.user(authorization)})
        session = request.cookies.get("session", "")
        if not session:
            raise Refused(401, "no credentials: send Authorization: Bearer TOKEN or the cookie `session`")
        user = await self.cache.read("GET", f"session:{session[:64]}")
        if user is None:
            raise Refused(401, "this session is not known or has ended; log in again")
        return answer({"user": user.decode()})

    async def _login(self, request: Request) -> Login:
        login = await body(request, Login)
        check_user(login.user)
        check_password(login.password)
        return login

    async def _verified(self, request: Request) -> str:
        login = await self._login(request)
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
    ]
    Service("auth", routes, parts=[auth.database, auth.cache]).run()


if __name__ == "__main__":
    main()
