"""A target's table of capabilities: one row for each, with the object that implements it, or the reason why there is
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from chaos.errors import TargetError
from chaos.model import Node


class Capability(Protocol):
    """A way to inject a fault, and to check it. Every method may raise TargetError, every check CannotLook.

    If several rows share one object, or if an object is composed of others, only one of them heals and reports residue.
    """

    @property
    def backend(self) -> str:
        """How it is implemented, for the plan and `chaos faults`; may be empty."""
        return ""

    def unfit(self, node: Node) -> str | None:
        """Why it is not possible for this node; None if it is."""
        return None

    async def heal(self) -> None:
        """Undo all of it, whoever did it. Idempotent; works in a new process."""
        return None

    async def residue(self) -> Sequence[str]:
        """What is left of it, one phrase each; empty means clean."""
        return ()


C = TypeVar("C", bound=Capability)


@dataclass(frozen=True)
class Refusal:
    """Why a target does not support it, and what to do about it."""

    why: str
    do: str = ""

    @property
    def words(self) -> str:
        return f"{self.why}; {self.do}" if self.do else self.why


@dataclass(frozen=True, eq=False)
class Key(Generic[C]):
    """The name of a capability, and a description: `freeze nodes`. There is one object for each."""

    name: str
    does: str

    def by(self, it: C) -> Row:
        """A row of a target's table."""
        return Row(self, it)

    def refused(self, why: str, do: str = "") -> Row:
        """The row of a target that does not support it here."""
        return Row(self, Refusal(why, do))


@dataclass(frozen=True)
class Row:
    """Created only by a key, so that key and object agree."""

    key: Key[Any]
    value: Capability | Refusal


class Table:
    """Rows, in the order in which they are healed."""

    def __init__(self, *rows: Row) -> None:
        self.rows = rows
        self._rows = {row.key: row.value for row in rows}

    def get(self, key: Key[C]) -> C | Refusal:
        found = self._rows.get(key) or Refusal(f"it cannot {key.does}")
        return cast("C | Refusal", found)  # the one cast

    def need(self, key: Key[C]) -> C:
        """The object for a key. Raises TargetError with the text of the refusal."""
        found = self.get(key)
        if isinstance(found, Refusal):
            raise TargetError(f"the target cannot {key.does}: {found.words}")
        return found

    def __iter__(self) -> Iterator[Capability]:
        """Each object once, in the order of the rows."""
        return iter({id(one): one for one in self._rows.values() if not isinstance(one, Refusal)}.values())
