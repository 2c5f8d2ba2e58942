"""Log-in for third-party sites: issues a code to the site, which exchanges it once for the user's name."""

from __future__ import annotations

import secrets

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.cache import Cache
from services.common.calls import Call, Peers
from services.common.certificate import certified
from services.common.errors import Refused, Unavailable, Uncertain
from services.common.identity import check_user
from services.common.settings import SETTINGS
from services.common.web import Service, answer, body

CODE_LIFE = 120  # seconds


class Consent(msgspec.Struct):
    site: str
    user: str
    password: str


class Exchange(msgspec.Struct):
    site: str
    code: str


class Login3p:
    def __init__(self) -> None:
        self.cache = Cache()
        self.auth = Peers("auth", SETTINGS.peers("AUTH"), required=True)

    async def authorize(self, request: Request) -> Response:
        certified(request)
        consent = await body(request, Consent)
        _check_site(consent.site)
        check_user(consent.user)
        self.cache.pool()  # hashing is useless if there is nowhere to store the code
        await self._verify(request, consent)
        code = secrets.token_urlsafe(24)
        await self.cache.write("SET", _key(consent.site, code), consent.user, "EX", CODE_LIFE)
        return answer({"code": code})

    async def token(self, request: Request) -> Response:
        certified(request)
        exchange = await body(request, Exchange)
        _check_site(exchange.site)
        user = await self.cache.write("GETDEL", _key(exchange.site, exchange.code[:64]))
        if user is None:
            raise Refused(401, "this code is not known for this site, has been used, or is older than two minutes")
        return answer({"user": user.decode()})

    async def _verify(self, request: Request, consent: Consent) -> None:
        """Check the password with auth, the only component that has passwords: whoever gets a token there is the
        user.
        """
        login = msgspec.json.encode({"user": consent.user, "password": consent.password})
        headers = {"X-Request-Id": request.scope["request_id"]}
        call = Call("POST", "/auth/app-token", headers, login, again=True, safe=True, budget=0.9)
        try:
            reply = await self.auth.ask(call)
        except (Uncertain, Unavailable) as error:
            raise Unavailable(f"nobody is admitted while auth is unavailable: {error}") from error
        if reply.status == 401:
            raise Refused(401, "user and password do not match")
        if reply.status != 200:
            raise Unavailable(f"nobody is admitted while auth answers {reply.status}")


def _key(site: str, code: str) -> str:
    return f"code:{site}:{code}"


def _check_site(site: str) -> None:
    check_user(site)  # sites are named like users: no colon, so that keys cannot be confused


def main() -> None:
    login3p = Login3p()
    routes = [
        Route("/login3p/authorize", login3p.authorize, methods=["POST"]),
        Route("/login3p/token", login3p.token, methods=["POST"]),
    ]
    Service("login3p", routes, parts=[login3p.cache, login3p.auth]).run()


if __name__ == "__main__":
    main()
