"""Pictures and files: bytes on disk, unchanged, for their owner."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.blob_store import BlobStore
from services.common.chores import Outbox
from services.common.errors import Refused
from services.common.identity import check_id, user_of
from services.common.settings import SETTINGS
from services.common.web import Service, answer, raw_body

SPOOLED = 300  # bytes a second for which the outbox of previews has space


class Media:
    def __init__(self) -> None:
        self.blobs = BlobStore()
        self.outbox = Outbox(Path(SETTINGS.need("DATA_DIR")) / "outbox", SPOOLED)

    async def put(self, request: Request) -> Response:
        user, name = user_of(request), check_id(request.path_params["id"])
        content = await raw_body(request)
        if not content:
            raise Refused(400, "the body is empty; send the bytes of a file")
        self.outbox.put(content)
        return answer({"id": name}, 201 if await self.blobs.put(user, name, content) else 200)

    async def get(self, request: Request) -> Response:
        user, name = user_of(request), check_id(request.path_params["id"])
        return Response(await self.blobs.get(user, name), media_type="application/octet-stream")


def main() -> None:
    media = Media()
    routes = [
        Route("/media/{id}", media.put, methods=["PUT"]),
        Route("/media/{id}", media.get),
        *media.blobs.routes,
    ]
    Service("media", routes, parts=[media.blobs], admin=media.outbox.routes).run()


if __name__ == "__main__":
    main()
