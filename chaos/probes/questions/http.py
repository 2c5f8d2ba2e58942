"""An HTTP GET by a user: it is answered with this status, and with this text in its body.

Without `status`, any status below 400 is good. Redirects are not followed. The whole body has to arrive in time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Annotated, ClassVar, final
from urllib.parse import urlsplit

from msgspec import Meta

from chaos.errors import BadExperiment
from chaos.probes.questions._refused import refused
from chaos.protocols.capabilities import HOST
from chaos.protocols.questions import Answer, Client, Question

BAD = 400  # the lowest status that is not good, unless `status` says otherwise
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@final
@dataclass(frozen=True)
class Http(Question[Client]):
    needs = HOST
    of_users: ClassVar = True
    bare: ClassVar = "get"
    fails: ClassVar = "there is no answer in time, its status is another one, or its body lacks the text"

    get: str
    status: Annotated[int, Meta(ge=100, le=599)] | None = None
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool = True  # the server's certificate

    def __post_init__(self) -> None:
        wanted = "expected an address such as http://front:8080/health"
        try:
            found = urlsplit(self.get)
            host, port = found.hostname, found.port
        except ValueError as e:
            raise BadExperiment(f"http.get: found {self.get!r:.80} ({e}), {wanted}") from None
        if found.scheme not in ("http", "https") or not host or port == 0 or not re.fullmatch(r"[!-~]+", self.get):
            raise BadExperiment(f"http.get: found {self.get!r:.80}, {wanted}")
        if found.username is not None:
            wanted = "expected it under `headers: {authorization: …}`"
            raise BadExperiment(f"http.get: found a user's name in the address, {wanted}")
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not value.isprintable() or not value.isascii():
                raise BadExperiment(
                    f"http.headers: found {name!r:.40}, expected a header's name and a value of one line"
                )

    @property
    def words(self) -> str:
        status = f"status {self.status}" if self.status else f"status below {BAD}"
        return f"GET {self.get}, {status}" + (f", contains {self.contains!r}" if self.contains else "")

    async def ask(self, on: Client, within: float) -> Answer:
        try:
            status, body = await on.get(self.get, self.headers, self.verify)
        except OSError as e:
            return refused(e)
        except HTTPException as e:
            return Answer(False, why=f"not a whole HTTP answer: {type(e).__name__}")
        figures = {"status": float(status)}
        if status != self.status if self.status else status >= BAD:
            return Answer(False, figures, f"status {status}")
        if self.contains.encode() not in body:
            return Answer(False, figures, f"status {status}, without {self.contains!r:.40}")
        return Answer(True, figures)
