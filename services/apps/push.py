"""Notifications: one Valkey stream for each user; reading removes items."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.cache import Cache
from services.common.chores import Leak
from services.common.identity import user_of
from services.common.web import Service, answer, body, whole

KEPT = 100  # items that are kept for a user who does not read them
STREAM_LIFE = 7 * 24 * 3600  # seconds after the last item
# Reading and removing is one script, so that two readers never get the same item, and no item is removed unread.
TAKE = """
local taken = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
local items = {}
for i, entry in ipairs(taken) do
    redis.call('XDEL', KEYS[1], entry[1])
    items[i] = entry[2][2]
end
return items
"""
PUT = """
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'item', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Item(msgspec.Struct):
    id: str
    sender: str = msgspec.field(name="from")
    text: str


class Push:
    def __init__(self) -> None:
        self.cache = Cache()
        self.worker = Leak(17.0)

    async def fetch(self, request: Request) -> Response:
        user = user_of(request)
        self.worker.serve()
        taken = await self.cache.write("EVAL", TAKE, 1, _key(user), whole(request, "limit", 10, 100))
        return answer({"items": [msgspec.Raw(item) for item in taken]})

    async def put(self, request: Request) -> Response:
        """For services of this stack only: the gateway does not forward this path."""
        user = user_of(request)
        self.worker.serve()
        item = msgspec.json.encode(await body(request, Item))
        await self.cache.write("EVAL", PUT, 1, _key(user), item, KEPT, STREAM_LIFE)
        return answer({}, 201)


def _key(user: str) -> str:
    return f"push:{user}"


def main() -> None:
    push = Push()
    routes = [Route("/push", push.fetch), Route("/nudges", push.put, methods=["POST"])]
    Service("push", routes, parts=[push.cache], admin=push.worker.routes).run()


if __name__ == "__main__":
    main()
