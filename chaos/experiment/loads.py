"""The forms of `load:` in an experiment's file: our users' file, requests in YAML, or a locustfile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from chaos.units import Duration, Rate

Count = Annotated[int, msgspec.Meta(le=1_000_000)]
METHODS = tuple(method.lower() for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))
Text = str | int | float  # a bare number in YAML is sent as it is written


class Peak(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}):
    """More users for some time, in run time: users and their time limits are not scaled."""

    at: Duration
    lasts: Duration
    times: float  # times the normal rate


class Users(msgspec.Struct, forbid_unknown_fields=True):
    """Users of a Python file of OpenUser classes: open arrivals, several protocols, read-back."""

    users: str
    count: Count
    rate: Rate
    floor: Rate
    peak: Peak | None = None


class Expect(msgspec.Struct, forbid_unknown_fields=True):
    """What an answer has to be. Without `status`, any 2xx is accepted."""

    status: int | Sequence[int] | None = None
    contains: str | None = None  # text of the body


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One request of a journey. Exactly one of get, post, put, patch and delete is given."""

    journey: str
    get: str | None = None  # the URL, http://HOST[:PORT]/PATH
    post: str | None = None
    put: str | None = None
    patch: str | None = None
    delete: str | None = None
    form: Mapping[str, Text] | None = None  # body, as a web form sends it
    json: Any = msgspec.UNSET  # body, as JSON
    body: str | None = None  # body, as it is
    headers: Mapping[str, Text] = {}
    expect: Expect = msgspec.field(default_factory=Expect)
    weight: float = 1.0  # share among all requests


class Requests(msgspec.Struct, forbid_unknown_fields=True):
    """HTTP requests without code: open arrivals at `rate`, by `users` with a connection each."""

    http: Sequence[Request]
    rate: Rate
    users: Count = 10
    floor: Rate | None = None  # default: half of the rate
    peak: Peak | None = None


class Locustfile(msgspec.Struct, forbid_unknown_fields=True):
    """An unchanged locustfile, run by Locust: each of its users waits for an answer before it goes on."""

    locustfile: str
    users: Count
    spawn_rate: float | Rate | None = None  # users a second; default: all within a second
    host: str | None = None  # for classes that name none
    tags: Sequence[str] = ()
    exclude_tags: Sequence[str] = ()
    classes: Sequence[str] = ()  # default: all classes of the file
    floor: Rate | None = None  # operations a second before the first fault


Load = Users | Requests | Locustfile
KINDS: Mapping[str, type[Any]] = {"users": Users, "http": Requests, "locustfile": Locustfile}
EXPECTED = "expected one of `http: [REQUEST, …]`, `locustfile: FILE` and `users: FILE`"


def kind(value: object) -> tuple[type[Any] | None, str]:
    """The form that a value of `load:` has, or None and the reason why it has none.

    `users` is a file where it stands alone, and a number beside `http` and `locustfile`.
    """
    if not isinstance(value, dict):
        return None, f"found {value!r:.80}, {EXPECTED}"
    named = [key for key in ("http", "locustfile") if key in value]
    if len(named) == 2:
        return None, f"found both http and locustfile, {EXPECTED}"
    if not named:
        return (Users, "") if "users" in value else (None, f"found {_keys(value)}, {EXPECTED}")
    if isinstance(value.get("users"), str):
        return None, f"found users: {value['users']!r:.80} beside {named[0]}, expected a number of users there"
    return KINDS[named[0]], ""


def _keys(value: Mapping[Any, object]) -> str:
    return "only " + ", ".join(map(str, value)) if value else "nothing"


def parts(value: object) -> Iterator[tuple[type[Any], object, str]]:
    """The parts of a load that are converted on their own, so that all problems are found: kind, value, place."""
    requests = value.get("http") if isinstance(value, dict) else None
    for n, request in enumerate(requests if isinstance(requests, list) else ()):
        if not isinstance(request, dict):
            yield Request, request, f"load.http[{n}]"
            continue
        if isinstance(request.get("expect"), dict):
            yield Expect, request["expect"], f"load.http[{n}].expect"
        yield Request, request, f"load.http[{n}]"
