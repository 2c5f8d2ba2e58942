"""Payments between users of the messaging stack, on a ledger in its PostgreSQL."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.identity import user_of
from services.common.ledger import Ledger
from services.common.web import Service


class Pay:
    def __init__(self) -> None:
        self.ledger = Ledger()

    async def transfer(self, request: Request) -> Response:
        return await self.ledger.transfer(user_of(request), request)

    async def balance(self, request: Request) -> Response:
        return await self.ledger.balance(user_of(request))

    async def paid(self, request: Request) -> Response:
        return await self.ledger.paid(user_of(request), request)


def main() -> None:
    pay = Pay()
    routes = [
        Route("/pay/transfers", pay.transfer, methods=["POST"]),
        Route("/pay/balance", pay.balance),
        Route("/pay/readback", pay.paid),
    ]
    Service("pay", routes, parts=[pay.ledger.database]).run()


if __name__ == "__main__":
    main()
