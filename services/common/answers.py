"""Input and output of handlers: JSON answers, error messages, validated bodies and query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.common.errors import Refused

BODY_LIMIT = 1 << 20  # bytes; nothing in this stack needs more
NOT_EXECUTED = {"X-Executed": "no"}
T = TypeVar("T")


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def problem(status: int, text: str, executed: bool = False, headers: Mapping[str, str] = {}) -> Response:
    return answer({"error": text}, status, {**headers, **({} if executed else NOT_EXECUTED)})


async def raw_body(request: Request) -> bytes:
    """The request's bytes. Raises Refused(413) beyond BODY_LIMIT, whatever its Content-Length."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BODY_LIMIT:
            raise Refused(413, f"the body is longer than {BODY_LIMIT} bytes; send less")
    return bytes(received)


async def body(request: Request, shape: type[T]) -> T:
    """The request's JSON as `shape`, a msgspec Struct. Raises Refused(400) that names the wrong field."""
    try:
        return msgspec.json.decode(await raw_body(request), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"body: {error}") from None


def whole(request: Request, name: str, default: int, most: int) -> int:
    """A whole number from the query, 1 … most. Raises Refused(400)."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise Refused(400, f"query {name}: found {text!r}, expected a whole number from 1 to {most}")
    return int(text)
