"""Two supervisors and their voters under faults: never two primaries, never a lost write, always back in the end."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.services.world import World
from tests.virtual import virtually

MANY = int(os.environ.get("CHAOS_EXAMPLES", "12"))  # raise it after a change to the lease
NAMES = ("a", "b", "v1", "v2", "v3")
STEPS = st.one_of(
    st.tuples(st.just("crash"), st.sampled_from(NAMES)),
    st.tuples(st.just("start"), st.sampled_from(NAMES)),
    st.tuples(st.just("cut"), st.sets(st.sampled_from(NAMES), min_size=1, max_size=3).map(sorted)),
    st.tuples(st.just("one way"), st.permutations(NAMES).map(lambda names: names[:2])),
    st.tuples(st.just("join"), st.none()),
    st.tuples(st.just("lose"), st.sampled_from((0.0, 0.1, 0.3))),
)
STORY = st.lists(st.tuples(st.sampled_from((0.05, 0.3, 0.8, 1.5, 4.0)), STEPS), max_size=14)


def act(world: World, what: str, arg: Any) -> None:
    if what == "crash":
        world.crash(arg)
    elif what == "start":
        world.start(arg)
    elif what == "cut":
        world.cut(set(arg))
    elif what == "one way":
        world.blocked.add((arg[0], arg[1]))
    elif what == "join":
        world.blocked.clear()
    else:
        world.loss = arg


@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=STORY, seed=st.integers(0, 10_000))
def test_no_story_makes_two_primaries_or_loses_a_write(story: list[tuple[float, Any]], seed: int) -> None:
    """Crashes, cuts, loss and delay in any order; the world itself asserts that there is one primary."""

    async def play() -> None:
        world = World(seed)
        world.begin()
        await world.settled(20)
        for wait, (what, arg) in story:
            await asyncio.sleep(wait)
            act(world, what, arg)
        await asyncio.sleep(2.0)
        world.heal()
        primary = await world.settled(30)
        kept = set(primary.writes or ())
        lost = [number for number in world.acknowledged if number not in kept]
        await world.end()
        assert not world.bugs, world.bugs
        assert not lost, f"{len(lost)} of {len(world.acknowledged)} acknowledged writes are gone"

    virtually(play())


def test_the_standby_takes_over_when_zone_a_dies_in_two_steps() -> None:
    """A voter first, the primary 0.9 s later: writable again within 1.4 s."""

    async def play() -> None:
        world = World(1)
        world.begin()
        await world.settled(20)
        world.crash("v1")
        await asyncio.sleep(0.9)
        world.crash("a")
        begun = asyncio.get_running_loop().time()
        while not world.books["b"].writable and (took := asyncio.get_running_loop().time() - begun) < 5:
            await asyncio.sleep(0.01)
        await world.end()
        assert took < 1.4, took

    virtually(play())


def test_the_only_voter_may_die_without_anybody_noticing() -> None:
    """The standby's pledge carries the primary: losing the tool that repairs breaks nothing."""

    async def play() -> None:
        world = World(2, sync=False, voters=("v1",))
        world.begin()
        await world.settled(20)
        world.crash("v1")
        for _ in range(100):
            await asyncio.sleep(0.1)
            assert world.books["a"].writable
        await world.end()

    virtually(play())


def test_without_its_voter_nobody_is_promoted_until_an_operator_says_so() -> None:
    """As-was: the tool burns with the zone; what an operator promoted stays when the zone is back."""

    async def play() -> None:
        world = World(3, sync=False, voters=("v1",))
        world.begin()
        await world.settled(20)
        world.crash("v1")
        world.crash("a")
        await asyncio.sleep(10)
        assert not world.books["b"].writable
        assert await world.supervisors["b"].promote_by_force()
        assert world.papers["b"].read() == "forced"
        world.start("a")
        await asyncio.sleep(5)
        world.start("v1")
        await asyncio.sleep(3)
        primary = await world.settled(20)
        await world.end()
        assert primary.name == "b"
        assert world.papers["b"].read() == "primary"

    virtually(play())


def test_force_is_refused_while_a_primary_holds_the_lease() -> None:
    """An operator who errs is told so."""

    async def play() -> None:
        world = World(4)
        world.begin()
        await world.settled(20)
        assert not await world.supervisors["b"].promote_by_force()
        await world.end()

    virtually(play())


def test_a_lost_standby_stops_writes_for_less_than_a_second() -> None:
    """It is struck off at the voters first, then nobody waits for it."""

    async def play() -> None:
        world = World(5)
        world.begin()
        await world.settled(20)
        world.crash("b")
        await asyncio.sleep(0.1)
        before = len(world.acknowledged)
        await asyncio.sleep(1.0)
        after = len(world.acknowledged)
        await world.end()
        assert after > before + 1

    virtually(play())
