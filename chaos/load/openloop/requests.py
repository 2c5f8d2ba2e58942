"""Users of a load without code: one class whose operations are the requests of the experiment's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from chaos.experiment.plan import Request
from chaos.load.contract import Exit
from chaos.load.openloop.crowd import Kind
from chaos.load.openloop.user import OpenUser
from chaos.load.stop import Stop

NAME = "Requests"  # of the class


def load(path: Path) -> dict[str, Kind]:
    """The class of users of requests.json, by its name. Raises Stop."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=tuple[Request, ...])
    except (OSError, msgspec.MsgspecError) as e:
        raise Stop(Exit.USAGE, f"{path}: {e}; the harness writes it") from None
    return {NAME: kind(found)}


def kind(requests: Sequence[Request]) -> Kind:
    """One method for each request, `POST /cart` or, for a second one of that name, `POST /cart (2)`."""
    methods: dict[str, Callable[[OpenUser], None]] = {}
    journeys = []
    for request in requests:
        name = _free(f"{request.method} {_path(request.url)}", methods)
        methods[name] = _performing(request)
        journeys.append((request.journey, name))
    made = type(NAME, (OpenUser,), {**methods, "abstract": False})
    return Kind(made, tuple(journeys), tuple(r.weight for r in requests), frozenset(), ())


def _performing(request: Request) -> Callable[[OpenUser], None]:
    data, kind = _body(request)
    named = {name.lower() for name in request.headers}
    headers = (
        dict(request.headers) if not kind or "content-type" in named else {"Content-Type": kind, **request.headers}
    )

    def perform(user: OpenUser) -> None:
        answer = user.ask(request.method, request.url, data=data, headers=headers, accept=request.status)
        status = answer.status_code
        user.want(not request.status or status in request.status, f"{status}, expected {_or(request.status)}")
        text = request.contains.encode()
        user.want(text in (answer.content or b""), f"no {request.contains!r} in the body")

    return perform


def _body(request: Request) -> tuple[bytes | None, str]:
    """The bytes that are sent, and their type."""
    if request.json is not msgspec.UNSET:
        return msgspec.json.encode(request.json), "application/json"
    if request.form is not None:
        return urlencode(request.form).encode(), "application/x-www-form-urlencoded"
    return (None, "") if request.body is None else (request.body.encode(), "text/plain; charset=utf-8")


def _path(url: str) -> str:
    """The path without a query, which may be secret."""
    _, _, path = url.removeprefix("http://").partition("/")
    return "/" + path.partition("?")[0]


def _free(name: str, taken: Mapping[str, Any]) -> str:
    numbers = (f"{name} ({n})" for n in range(2, len(taken) + 3))
    return next(one for one in (name, *numbers) if one not in taken)


def _or(status: Sequence[int]) -> str:
    return " or ".join(map(str, status))
