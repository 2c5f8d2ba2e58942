"""Text between two users: messages in PostgreSQL, a nudge to push that may be lost without harm."""

from __future__ import annotations

from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
from services.scheduled import SCHEMA as LATER
from services.scheduled import Scheduled

LONGEST = 4000  # characters of a message
SPOOLED = 1300  # bytes a second that the outbox for other sites has room for; users of an experiment write about that
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
        """Kept now and posted when it is due. The limiter was never asked on this path."""
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
        made = await self.database.write(
            "INSERT INTO messages (id, sender, recipient, body) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING RETURNING id",
            message.id, sender, message.to, message.text,
        )  # fmt: skip
        if made:
            self.nudges.tell(message.to, {"id": message.id, "from": sender, "text": message.text[:80]})
            return answer({"id": message.id}, 201)
        return await self._again(sender, message)

    async def _again(self, sender: str, message: Message) -> Response:
        """The id is there already: promise it again, if it is this message.

        The first try may have ended while its commit waited for the standby, and a plain read would see it before
        it is safe. The row lock makes a commit of its own, which waits for the standby after the first one's.
        """
        rows = await self.database.write(
            "SELECT sender, recipient, body FROM messages WHERE id = $1 FOR UPDATE", message.id
        )
        if not rows or tuple(rows[0]) != (sender, message.to, message.text):
            raise Refused(409, f"id {message.id!r} belongs to another message; choose a new one")
        return answer({"id": message.id})

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
            "SELECT id FROM messages WHERE sender = $1 AND id > $2 ORDER BY id LIMIT $3", user, after, limit
        )
        return readback([row["id"] for row in rows], limit)


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
