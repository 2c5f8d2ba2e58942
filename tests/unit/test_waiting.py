"""Waiting by looking again: when it looks, what it gives back, and what it raises. On a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from chaos import waiting
from chaos.waiting import block_until, wait_until
from tests.messages import Says
from tests.virtual import virtually


class Looks:
    """Answers what it is given, one answer a look; an error is raised. Remembers at which loop time it was asked."""

    def __init__(self, *answers: object, otherwise: object = None) -> None:
        self._answers, self._otherwise = list(answers), otherwise
        self.at: list[float] = []

    async def __call__(self) -> object:
        self.at.append(round(asyncio.get_running_loop().time(), 6))
        answer = self._answers.pop(0) if self._answers else self._otherwise
        if isinstance(answer, BaseException):
            raise answer
        return answer


def test_what_is_true_already_is_given_back_without_a_pause() -> None:
    """One look is enough."""
    look = Looks("there")
    assert virtually(wait_until(look, within=5.0)) == "there"
    assert look.at == [0.0]


def test_whatever_gives_something_to_await_can_be_asked() -> None:
    """A lambda is no coroutine function, and gives a coroutine all the same."""
    look = Looks(None, "there")
    assert virtually(wait_until(lambda: look(), every=1.0)) == "there"  # noqa: PLW0108
    assert look.at == [0.0, 1.0]


def test_it_looks_after_each_pause_until_something_is_there() -> None:
    """None, False, and empty collections are nothing yet."""
    look = Looks(None, False, [], 7)
    assert virtually(wait_until(look, within=5.0, every=0.5)) == 7
    assert look.at == [0.0, 0.5, 1.0, 1.5]


def test_the_last_look_is_at_the_end_by_the_clock_of_the_loop() -> None:
    """An hour of it takes no time on the virtual clock; the wall's would look without end."""
    look = Looks()
    with pytest.raises(TimeoutError):
        virtually(wait_until(look, within=3600.0, every=1000.0))
    assert look.at == [0.0, 1000.0, 2000.0, 3000.0, 3600.0]


def test_pauses_can_grow_up_to_the_longest() -> None:
    """Twice as long each time, and never above 1.5 s."""
    look = Looks(None, None, None, None, True)
    virtually(wait_until(look, every=0.5, slower=(2.0, 1.5)))
    assert look.at == [0.0, 0.5, 1.5, 3.0, 4.5]


def test_an_error_that_may_pass_is_a_look_that_saw_nothing() -> None:
    """And it is told, as another look follows."""
    heard: list[str] = []
    look = Looks(OSError("away"), None, "back")
    found = virtually(wait_until(look, 5.0, 1.0, again_on=OSError, told=lambda e: heard.append(str(e))))
    assert (found, heard, look.at) == ("back", ["away"], [0.0, 1.0, 2.0])


def test_the_last_look_s_own_error_is_raised_and_not_told(says: Says) -> None:
    """Whoever hears of errors is told of those that another look follows."""
    heard: list[str] = []
    look = Looks(OSError("first"), OSError("last"))
    with says.raises(OSError):
        virtually(wait_until(look, 1.0, 1.0, again_on=(OSError, ValueError), told=lambda e: heard.append(str(e))))
    assert heard == ["first"]


def test_any_other_error_goes_out_at_once() -> None:
    """It is not among those that may pass."""
    look = Looks(None, KeyError("mine"))
    with pytest.raises(KeyError):
        virtually(wait_until(look, 60.0, 1.0, again_on=OSError))
    assert look.at == [0.0, 1.0]


def test_a_cancellation_ends_the_wait() -> None:
    """In the middle of a pause, and no look follows."""
    look = Looks()

    async def cancelled() -> float:
        task = asyncio.ensure_future(wait_until(look, every=1.0))
        await asyncio.sleep(2.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time()

    assert virtually(cancelled()) == 2.5
    assert look.at == [0.0, 1.0, 2.0]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The pauses of `block_until`, on a clock that they move."""
    found: list[float] = []
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: sum(found), sleep=found.append))
    yield found


def test_outside_of_a_loop_it_sleeps_between_its_looks(naps: list[float]) -> None:
    """Two looks in vain, two pauses."""
    answers = iter([False, False, True])
    assert block_until(lambda: next(answers), within=9.0, every=2.0) is True
    assert naps == [2.0, 2.0]


def test_outside_of_a_loop_it_ends_in_time(naps: list[float]) -> None:
    """The last pause ends where the time does."""
    never: Callable[[], bool] = lambda: False  # noqa: E731
    with pytest.raises(TimeoutError):
        block_until(never, within=5.0, every=2.0)
    assert naps == [2.0, 2.0, 1.0]


def test_pauses_that_grow_can_go_on_for_hours() -> None:
    """The factor's power would be more than a float can hold; the longest pause holds all the same."""
    look = Looks(*[None] * 3000, "there")
    assert virtually(wait_until(look, every=0.5, slower=(1.5, 3.0))) == "there"
    assert len(look.at) == 3001 and look.at[-1] - look.at[-2] == pytest.approx(3.0, abs=1e-5)
