"""Pages of ids, the format of every read-back: `{ids, next}`; `next` is null on the last page.

Paging follows the lines of a table, not the ids, so that a duplicate id is returned twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.common.errors import Refused
from services.common.web import answer, whole

LAST = 2**63 - 1  # a line's number is a bigint


def page(request: Request) -> tuple[int, int]:
    """(`after`, `limit`) of the query; an empty `after` is the start. Raises Refused(400)."""
    after = request.query_params.get("after") or "0"
    if not (after.isascii() and after.isdigit() and len(after) < 20 and int(after) <= LAST):
        raise Refused(400, f"query after: found {after[:80]!r}, expected the `next` of the page before")
    return int(after), whole(request, "limit", 500, 1000)


def readback(rows: Sequence[Any], limit: int) -> Response:
    """`rows` are (line, id). A full page may have a successor; a short page is the last."""
    after = str(rows[-1][0]) if len(rows) == limit else None
    return answer({"ids": [identity for _, identity in rows], "next": after})
