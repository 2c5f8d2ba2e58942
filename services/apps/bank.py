"""The bank: a separate system with its own users, tokens and database; it shares nothing with the messaging stack."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.errors import Refused
from services.common.ledger import Ledger
from services.common.passwords import Login, Passwords, login_of
from services.common.settings import SETTINGS
from services.common.tokens import Tokens
from services.common.web import Service, answer

SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    name text PRIMARY KEY,
    password text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
)"""


class Bank:
    def __init__(self) -> None:
        self.ledger = Ledger(self._user, SCHEMA)
        self._passwords = Passwords()
        self._tokens = Tokens(SETTINGS.need("TOKEN_KEY"), "bank")

    async def login(self, request: Request) -> Response:
        login = await login_of(request)
        stored = await self._stored(login.user)
        if stored is None:
            stored = await self._welcome(login)
        if not await self._passwords.matches(stored, login.password):
            raise Refused(401, "user and password do not match")
        return answer({"token": self._tokens.issue(login.user)})

    def _user(self, request: Request) -> str:
        return self._tokens.user(request.headers.get("authorization", ""))

    async def _stored(self, name: str) -> str | None:
        rows = await self.ledger.database.read("SELECT password FROM customers WHERE name = $1", name)
        return rows[0][0] if rows else None

    async def _welcome(self, login: Login) -> str | None:
        """Create a customer. If two requests for one name come at once, the password of the first one counts."""
        await self.ledger.database.write(
            "WITH made AS (INSERT INTO customers VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name)"
            " SELECT open_account(name) FROM made",
            login.user,
            await self._passwords.hash(login.password),
        )
        return await self._stored(login.user)


def main() -> None:
    bank = Bank()
    routes = [
        Route("/login", bank.login, methods=["POST"]),
        *bank.ledger.routes(),
    ]
    Service("bank", routes, parts=[bank.ledger.database]).run()


if __name__ == "__main__":
    main()
