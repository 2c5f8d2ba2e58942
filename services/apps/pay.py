"""Payments between users of the messaging stack, on a ledger in its PostgreSQL."""

from __future__ import annotations

from services.common.identity import user_of
from services.common.ledger import Ledger
from services.common.web import Service


def main() -> None:
    ledger = Ledger(user_of)
    Service("pay", ledger.routes("/pay"), parts=[ledger.database]).run()


if __name__ == "__main__":
    main()
