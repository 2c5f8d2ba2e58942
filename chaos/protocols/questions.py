"""What a probe with a tolerance asks, and what it is asked of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from chaos.model import Node
from chaos.protocols.table import Key


@dataclass(frozen=True)
class Answer:
    """Whether an answer was within its tolerance, with figures for the journal."""

    ok: bool
    figures: Mapping[str, float] = field(default_factory=dict)
    why: str = ""  # why it was not, in a few words


class Client(Protocol):
    """A client among the users. Every method raises OSError if the system refuses or breaks the connection."""

    async def get(self, url: str, headers: Mapping[str, str], verify: bool) -> tuple[int, bytes]: ...
    async def connect(self, host: str, port: int) -> None: ...  # and closes the connection again


W = TypeVar("W", contravariant=True)


class Question(Protocol[W]):
    """A question whose answer is within a tolerance or not; its parameters are fields.

    A question of users is asked by the prober, a program among the users, of its Client. Others are asked by the
    harness, of the Target. Whoever asks ends the question after its time-out.
    """

    needs: Key[Any]  # the capability that the target must have
    of_users: ClassVar[bool] = False
    bare: ClassVar[str] = ""  # the parameter that may be written alone: `tcp: "db:5432"`
    fails: ClassVar[str] = ""  # when an answer is not within its tolerance, for the guide's table
    slow_is_bad: ClassVar[bool] = True  # no answer in time is a bad answer; if not, it is none

    def missing(self, nodes: Sequence[Node]) -> str | None:
        """Why it cannot be asked with these nodes, and what to do about it; None if it can."""
        return None

    def inside(self) -> str:
        """The node in which it runs a command; empty if it runs none."""
        return ""

    @property
    def words(self) -> str:
        """The question as one line, for the plan."""
        return ""

    async def ask(self, on: W, within: float) -> Answer:
        """The answer. Raises ChaosError if it could not be asked, which says nothing about the system."""
        ...
