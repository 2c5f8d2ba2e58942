"""Games, ad channels and mail: one small program in three configurations, with items as JSON on disk.

python3 -m services.apps.item_store games|channel|mail
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.blob_store import BlobStore
from services.common.identity import check_id, user_of
from services.common.web import Service, answer, body

NAMES: Final = ("games", "channel", "mail")


class Item(msgspec.Struct):
    id: str
    value: msgspec.Raw


class ItemStore:
    def __init__(self) -> None:
        self.blobs = BlobStore()

    async def put(self, request: Request) -> Response:
        user = user_of(request)
        item = await body(request, Item)
        new = await self.blobs.put(user, check_id(item.id), msgspec.json.encode(item))
        return answer({"id": item.id}, 201 if new else 200)

    async def get(self, request: Request) -> Response:
        user, name = user_of(request), check_id(request.path_params["id"])
        return Response(await self.blobs.get(user, name), media_type="application/json")


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"services.apps.item_store: found {sys.argv[1:]}, expected one of {', '.join(NAMES)}")
    name, store = sys.argv[1], ItemStore()
    routes = [
        Route(f"/{name}/items", store.put, methods=["POST"]),
        Route(f"/{name}/items/{{id}}", store.get),
        *store.blobs.routes,
    ]
    Service(name, routes, parts=[store.blobs]).run()


if __name__ == "__main__":
    main()
