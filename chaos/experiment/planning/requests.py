"""Plans `load.http`: requests that the file writes without code."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chaos.experiment.loads import METHODS, Text
from chaos.experiment.loads import Request as Written
from chaos.experiment.plan import Request
from chaos.experiment.planning.context import Context
from chaos.redaction import shown

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # of a header, RFC 9110
_ONE = ", ".join(f"`{method}: URL`" for method in METHODS)


def planned(context: Context, written: Sequence[Written]) -> Iterator[Request]:
    """The requests that have no flaw. Reports all flaws of the others."""
    if not written:
        context.problems.add("load.http", "found no request, expected at least one, {journey: front, get: URL}")
    for n, one in enumerate(written):
        place, before = f"load.http[{n}]", len(context.problems.found)
        given = {method: url for method in METHODS if (url := getattr(one, method)) is not None}
        for key, words in _problems(one, given):
            context.problems.add(f"{place}.{key}".rstrip("."), words)
        if len(context.problems.found) == before:
            (method, url), *_ = given.items()
            yield _made(one, method, url)


def _made(one: Written, method: str, url: str) -> Request:
    status = one.expect.status
    return Request(
        journey=one.journey,
        method=method.upper(),
        url=url,
        weight=float(one.weight),
        headers={name: str(value) for name, value in one.headers.items()},
        form=None if one.form is None else {name: str(value) for name, value in one.form.items()},
        json=one.json,
        body=one.body,
        status=() if status is None else (status,) if isinstance(status, int) else tuple(status),
        contains=one.expect.contains or "",
    )


def _problems(one: Written, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(key, words) of each flaw."""
    if not one.journey.strip() or one.journey == "all":
        yield "journey", f"found {one.journey!r}, expected a name; `all` stands for every journey"
    if len(given) != 1:
        yield "", f"found {' and '.join(given) or 'no method'}, expected one of {_ONE}"
    for method, url in given.items():
        if why := flaw(url):
            yield method, f"found {shown('', url)!r:.200}, {why}"
    if not (one.weight > 0 and math.isfinite(one.weight)):
        yield "weight", f"found {one.weight:g}, expected a number above 0"
    yield from _body(one, given)
    yield from _headers(one.headers)
    yield from _expect(one)


def _body(one: Written, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    bodies = [key for key in ("form", "body") if getattr(one, key) is not None]
    bodies += ["json"] if one.json is not msgspec.UNSET else []
    if len(bodies) > 1:
        yield "", f"found {' and '.join(sorted(bodies))}, expected one body"
    if bodies and "get" in given:
        yield bodies[0], "found a body beside get, expected it beside post, put, patch or delete"
    if "json" in bodies and (why := _unwritable(one.json)):
        yield "json", why


def _unwritable(value: Any) -> str:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as e:
        return f"cannot be written as JSON: {e}"
    return ""


def _headers(headers: Mapping[str, Text]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            yield "headers", f"found {name!r}, expected the name of a header, such as Accept"
        text = str(value)
        if not text.isascii() or not (text.isprintable() or not text):
            yield f"headers.{name}", f"found {text!r:.80}, expected one line of ASCII"


def _expect(one: Written) -> Iterator[tuple[str, str]]:
    status, contains = one.expect.status, one.expect.contains
    wanted = [] if status is None else [status] if isinstance(status, int) else list(status)
    if status is not None and not wanted:
        yield "expect.status", "found no status, expected one such as 200, or none at all for any 2xx"
    for code in wanted:
        if not 200 <= code <= 599:
            yield "expect.status", f"found {code}, expected 200 to 599"
    if contains == "":
        yield "expect.contains", "found no text, which every answer contains; expected some"


def flaw(url: str, schemes: Sequence[str] = ("http",)) -> str:
    """What is wrong with a URL and what was expected; empty if nothing is."""
    expected = f"expected {' or '.join(schemes)}://HOST[:PORT]/PATH"
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        return f"{expected}, with blanks and other letters percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        return f"{expected}: {e}"
    if parts.scheme == "https" and "https" not in schemes:
        return f"{expected}; https is not supported here, only in a locustfile"
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        return expected
    if parts.username is not None:
        return f"{expected} without a password; write it as a header, Authorization"
    return f"{expected} without a fragment" if parts.fragment else ""
