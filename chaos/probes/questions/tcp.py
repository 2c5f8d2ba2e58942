"""A connection by a user: it is accepted in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final
from urllib.parse import urlsplit

from chaos.errors import BadExperiment
from chaos.probes.questions._refused import refused
from chaos.protocols.capabilities import HOST
from chaos.protocols.questions import Answer, Client, Question


@final
@dataclass(frozen=True)
class Tcp(Question[Client]):
    needs = HOST
    of_users: ClassVar = True
    bare: ClassVar = "connect"
    fails: ClassVar = "the connection is refused, or not accepted in time"

    connect: str

    def __post_init__(self) -> None:
        if not all(self._parts()) or not self.connect.isprintable() or set("/@ ?#") & set(self.connect):
            raise BadExperiment(
                f"tcp.connect: found {self.connect!r:.80}, expected host:port such as db:5432 or [::1]:5432"
            )

    def _parts(self) -> tuple[str, int]:
        try:
            found = urlsplit(f"//{self.connect}")
            return found.hostname or "", found.port or 0
        except ValueError:
            return "", 0

    @property
    def words(self) -> str:
        return f"connect to {self.connect}"

    async def ask(self, on: Client, within: float) -> Answer:
        try:
            await on.connect(*self._parts())
        except OSError as e:
            return refused(e)
        return Answer(True)
