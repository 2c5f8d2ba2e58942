"""Text messages between two users: stored in PostgreSQL, with a notification to push that may be lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.apps.scheduled import SCHEMA as LATER
from services.apps.scheduled import Scheduled
from services.common.chores import Outbox
from services.common.db import Database
from services.common.errors import Refused
from services.common.identity import check_id, check_user, user_of
from services.common.limits import Limits
from services.common.messages import SCHEMA
from services.common.nudge import Nudges
from services.common.paging import page, readback
from services.common.settings import SETTINGS
from services.common.web import Part, Service, answer, body, whole

LONGEST = 4000  # characters of a message
SPOOLED = 1300  # bytes a second for which the outbox has space; users of an experiment write about that much
BETWEEN = """
SELECT id, sender, recipient, body, extract(epoch FROM at)::float8 AS at FROM (
    (SELECT * FROM messages WHERE sender = $1 AND recipient = $2 ORDER BY at DESC LIMIT $3)
    UNION
    (SELECT * FROM messages WHERE sender = $2 AND recipient = $1 ORDER BY at DESC LIMIT $3)
) both_ways ORDER BY at DESC, id DESC LIMIT $3
"""


class Message(msgspec.Struct):
    id: str
    to: str
    text: str


class Later(Message):
    after_s: float


class Chat:
    def __init__(self) -> None:
        self.database = Database(SCHEMA + LATER)
        self.nudges = Nudges(SETTINGS.peers("PUSH"))
        self.outbox = Outbox(Path(SETTINGS.environment.get("DATA_DIR") or ".") / "outbox", SPOOLED)
        self.limits = Limits(SETTINGS.peers("LIMITER"))
        self.scheduled = Scheduled(self.database, self.nudges)

    async def later(self, request: Request) -> Response:
        """Store now, and post when due. This path does not ask the limiter."""
        sender = user_of(request)
        message = await body(request, Later)
        _check(message)
        await self.scheduled.keep(message.id, sender, message.to, message.text, message.after_s)
        return answer({"id": message.id}, 201)

    async def send(self, request: Request) -> Response:
        sender = user_of(request)
        message = await body(request, Message)
        _check(message)
        await self.limits.ask("writes", sender)
        self.outbox.put(msgspec.json.encode(message) + b"\n")
        rows = await self.database.write("SELECT post($1, $2, $3, $4)", message.id, sender, message.to, message.text)
        outcome = rows[0][0]
        if outcome == "taken":
            raise Refused(409, f"id {message.id!r} belongs to another message; choose a new one")
        if outcome == "done":
            self.nudges.tell(message.to, {"id": message.id, "from": sender, "text": message.text[:80]})
        return answer({"id": message.id}, 201 if outcome == "done" else 200)

    async def read(self, request: Request) -> Response:
        user = user_of(request)
        other = check_user(request.query_params.get("with", ""))
        rows = await self.database.read(BETWEEN, user, other, whole(request, "limit", 20, 200))
        messages = [
            {"id": row["id"], "from": row["sender"], "to": row["recipient"], "text": row["body"], "at": row["at"]}
            for row in rows
        ]
        return answer({"messages": messages})

    async def sent(self, request: Request) -> Response:
        user = user_of(request)
        after, limit = page(request)
        rows = await self.database.read(
            "SELECT line, id FROM messages WHERE sender = $1 AND line > $2 ORDER BY line LIMIT $3", user, after, limit
        )
        return readback(rows, limit)


def _check(message: Message) -> None:
    check_id(message.id)
    check_user(message.to)
    if not 1 <= len(message.text) <= LONGEST or "\0" in message.text:
        raise Refused(400, f"text: found {len(message.text)} characters, expected 1 to {LONGEST}, none of them NUL")


def main() -> None:
    chat = Chat()
    routes = [
        Route("/chat/scheduled", chat.later, methods=["POST"]),
        Route("/chat/messages", chat.send, methods=["POST"]),
        Route("/chat/messages", chat.read),
        Route("/chat/readback", chat.sent),
    ]
    parts: list[Part] = [chat.database, chat.nudges, chat.limits, chat.scheduled]
    service = Service("chat", routes, parts=parts, admin=chat.outbox.routes)
    chat.scheduled.active = lambda: service.active
    service.run()


if __name__ == "__main__":
    main()
