"""A double-entry ledger in PostgreSQL: a transfer is two entries that sum to zero, made once, and never overdrawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.db import Database
from services.common.errors import Refused
from services.common.identity import check_id, check_user
from services.common.paging import page, readback
from services.common.web import answer, body

OPENING = 100_000_00  # cents given to a new account, as a transfer from the house
# The house is the account with the empty name. It has no balance row, which all transfers would have to lock; the sum
# of its entries is its balance.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS accounts (
    owner text COLLATE "C" PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0)
);
-- A transfer's id is its client's and its line the database's own. That an id stands there once is what transfer() is
-- for, and a read-back is to see it where it fails.
CREATE TABLE IF NOT EXISTS transfers (
    line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    payer text COLLATE "C" NOT NULL,
    payee text COLLATE "C" NOT NULL,
    cents bigint NOT NULL CHECK (cents > 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS transfers_of_id ON transfers (id);
CREATE INDEX IF NOT EXISTS transfers_paid ON transfers (payer, line);
CREATE TABLE IF NOT EXISTS entries (
    transfer bigint NOT NULL REFERENCES transfers,
    account text COLLATE "C" NOT NULL,
    cents bigint NOT NULL CHECK (cents <> 0),
    PRIMARY KEY (transfer, account)
);
CREATE INDEX IF NOT EXISTS entries_of ON entries (account);

CREATE OR REPLACE FUNCTION book(t_id text, t_payer text, t_payee text, t_cents bigint) RETURNS void AS $$
    WITH made AS (
        INSERT INTO transfers (id, payer, payee, cents) VALUES (t_id, t_payer, t_payee, t_cents) RETURNING line
    )
    INSERT INTO entries
        SELECT line, t_payer, -t_cents FROM made UNION ALL SELECT line, t_payee, t_cents FROM made;
    UPDATE accounts SET balance = balance - t_cents WHERE owner = t_payer;
    UPDATE accounts SET balance = balance + t_cents WHERE owner = t_payee;
$$ LANGUAGE sql;

CREATE OR REPLACE FUNCTION open_account(name text) RETURNS void AS $$
BEGIN
    INSERT INTO accounts VALUES (name, 0) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM book('opening.' || name, '', name, {OPENING});
    END IF;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION transfer(t_id text, t_payer text, t_payee text, t_cents bigint) RETURNS text AS $$
DECLARE
    known transfers%ROWTYPE;
    funds bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(t_id, 0));
    -- Always in the same order, or two opposite transfers would wait for each other.
    PERFORM open_account(least(t_payer, t_payee));
    PERFORM open_account(greatest(t_payer, t_payee));
    PERFORM FROM accounts WHERE owner IN (t_payer, t_payee) ORDER BY owner FOR UPDATE;
    -- The locks make even a repetition a commit of its own, which waits for the standby after the first one's.
    SELECT * INTO known FROM transfers WHERE id = t_id;
    IF FOUND THEN
        IF (known.payer, known.payee, known.cents) = (t_payer, t_payee, t_cents) THEN
            RETURN 'again';
        END IF;
        RETURN 'taken';
    END IF;
    SELECT balance INTO funds FROM accounts WHERE owner = t_payer;
    IF funds < t_cents THEN
        RETURN 'short';
    END IF;
    PERFORM book(t_id, t_payer, t_payee, t_cents);
    RETURN 'done';
END $$ LANGUAGE plpgsql;
"""


class Transfer(msgspec.Struct):
    id: str
    to: str
    amount: Annotated[int, msgspec.Meta(gt=0, le=10**12)]  # cents


class Ledger:
    """The part that pay and bank have in common. `who` returns the requesting user, or raises Refused."""

    def __init__(self, who: Callable[[Request], str], schema: str = "") -> None:
        self.database = Database(SCHEMA + schema)
        self._who = who

    def routes(self, under: str = "") -> Sequence[Route]:
        return (
            Route(f"{under}/transfers", self._transfer, methods=["POST"]),
            Route(f"{under}/balance", self._balance),
            Route(f"{under}/readback", self._paid),
        )

    async def _transfer(self, request: Request) -> Response:
        payer = self._who(request)
        order = await body(request, Transfer)
        check_id(order.id)
        check_user(order.to)
        if order.to == payer:
            raise Refused(400, "to: payer and payee are the same account")
        rows = await self.database.write("SELECT transfer($1, $2, $3, $4)", order.id, payer, order.to, order.amount)
        outcome = rows[0][0]
        if outcome == "short":
            raise Refused(409, f"not enough funds for {order.amount} cents")
        if outcome == "taken":
            raise Refused(409, f"id {order.id!r} belongs to another transfer; choose a new one")
        return answer({"id": order.id}, 201 if outcome == "done" else 200)

    async def _balance(self, request: Request) -> Response:
        rows = await self.database.read("SELECT balance FROM accounts WHERE owner = $1", self._who(request))
        # The account does not exist yet: this transfer opens it.
        return answer({"balance": rows[0][0] if rows else OPENING})

    async def _paid(self, request: Request) -> Response:
        payer, (after, limit) = self._who(request), page(request)
        rows = await self.database.read(
            "SELECT line, id FROM transfers WHERE payer = $1 AND line > $2 ORDER BY line LIMIT $3",
            payer, after, limit,
        )  # fmt: skip
        return readback(rows, limit)
