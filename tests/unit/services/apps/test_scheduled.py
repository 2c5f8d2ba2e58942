"""Messages for later, on virtual time: posted when due, by whoever serves, and kept while the database is away."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from services.apps.scheduled import KEEP, LONGEST, LOOK, POST, Scheduled
from services.common.db import Database
from services.common.errors import Refused, Unavailable
from services.common.nudge import Nudges
from tests.messages import Says
from tests.virtual import virtually


class Table:
    """Of PostgreSQL what `Scheduled` uses, in memory. `away`: nobody answers."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[float, dict[str, str]]] = {}
        self.posted: list[tuple[str, float]] = []  # id and when, loop time
        self.away = False

    async def write(self, statement: str, *values: Any) -> list[Any]:
        now = asyncio.get_running_loop().time()
        if self.away:
            raise Unavailable("postgres: no host accepts writes")
        if statement == KEEP:
            identity, sender, to, text, after = values
            row = {"id": identity, "sender": sender, "recipient": to, "body": text}
            if self.kept.get(identity, (0, row))[1] != row:
                return []
            self.kept[identity] = (now + after, row)
            return [row]
        assert statement == POST
        due = [row for at, row in self.kept.values() if at <= now]
        for row in due:
            del self.kept[row["id"]]
            self.posted.append((row["id"], round(now, 2)))
        return due


class Told:
    def __init__(self) -> None:
        self.users: list[str] = []

    def tell(self, user: str, item: object) -> None:
        self.users.append(user)


def play(seconds: float, *, active: bool = True, **acts: Any) -> tuple[Table, Told]:
    """Run for a while; `acts` are (second, what to do with table and scheduled)."""
    table, told = Table(), Told()

    async def go() -> None:
        part = Scheduled(cast(Database, table), cast(Nudges, told))
        part.active = lambda: active
        await part.start()
        for at, act in sorted(acts.values(), key=lambda x: x[0]):
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            await act(table, part)
        await asyncio.sleep(seconds - asyncio.get_running_loop().time())
        await part.stop()

    virtually(go())
    return table, told


def keep(identity: str, after: float) -> Any:
    async def act(table: Table, part: Scheduled) -> None:
        await part.keep(identity, "ann", "bob", "later", after)

    return act


def test_a_message_is_posted_when_it_is_due_and_once() -> None:
    """Within a tenth of a second, sooner than the next ordinary look; the recipient is told."""
    table, told = play(20.0, one=(0.5, keep("m1", 2.0)), two=(0.6, keep("m2", 0.5)))
    assert [name for name, _ in table.posted] == ["m2", "m1"]
    assert [at for _, at in table.posted] == [pytest.approx(1.1, abs=0.1), pytest.approx(2.5, abs=0.1)]
    assert told.users == ["bob", "bob"]


def test_what_another_instance_has_left_is_posted_too() -> None:
    """At the next ordinary look."""

    async def left_behind(table: Table, part: Scheduled) -> None:
        await table.write(KEEP, "m1", "ann", "bob", "later", 0.1)

    table, _ = play(2 * LOOK + 1, one=(0.5, left_behind))
    assert table.posted == [("m1", LOOK)]


def test_a_standby_posts_nothing() -> None:
    """What is due stays due for the one that serves."""
    table, _ = play(20.0, active=False, one=(0.5, keep("m1", 1.0)))
    assert table.posted == [] and "m1" in table.kept


def test_while_the_database_is_away_nothing_is_lost() -> None:
    """Due at one second, posted once it is back."""

    async def go(table: Table, part: Scheduled) -> None:
        table.away = True

    async def back(table: Table, part: Scheduled) -> None:
        table.away = False

    table, _ = play(20.0, one=(0.2, keep("m1", 1.0)), two=(0.5, go), three=(4.0, back))
    assert [name for name, _ in table.posted] == ["m1"] and table.posted[0][1] > 4.0


def test_said_again_it_is_kept_once_and_another_message_under_its_id_is_refused(says: Says) -> None:
    """The id is the client's, and makes it idempotent."""

    async def clash(table: Table, part: Scheduled) -> None:
        with says.raises(Refused):
            await part.keep("m1", "eve", "bob", "mine", 1.0)

    table, _ = play(5.0, one=(0.1, keep("m1", 1.0)), two=(0.2, keep("m1", 1.0)), three=(0.3, clash))
    assert [name for name, _ in table.posted] == ["m1"]


@pytest.mark.parametrize("after", [-1.0, LONGEST + 1.0])
def test_too_far_ahead_and_the_past_are_refused(after: float, says: Says) -> None:
    """With what was found and what was expected."""

    async def act(table: Table, part: Scheduled) -> None:
        with says.raises(Refused):
            await part.keep("m1", "ann", "bob", "later", after)

    table, _ = play(1.0, one=(0.1, act))
    assert table.kept == {}
