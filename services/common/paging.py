"""Pages of ids, as every read-back gives them: `{ids, next}`, and `next` is null on the last page."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from services.common.identity import check_id
from services.common.web import answer, whole


def page(request: Request) -> tuple[str, int]:
    """(`after`, `limit`) of the query; an empty `after` is the beginning. Raises Refused(400)."""
    after = request.query_params.get("after", "")
    return (check_id(after) if after else ""), whole(request, "limit", 500, 1000)


def readback(ids: Sequence[str], limit: int) -> Response:
    """A full page may have a successor; a short one is the last."""
    return answer({"ids": ids, "next": ids[-1] if len(ids) == limit else None})
