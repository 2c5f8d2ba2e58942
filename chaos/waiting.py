"""Waits for a condition by polling."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception_type, retry_if_not_result

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]

GROWS = 100  # number of growing pauses: a larger power of the factor could overflow a float
ROUNDING = 1e-6  # seconds: a clock this close to the end has reached it


class NotYet(TimeoutError):
    """The condition did not become true in time."""


def _nothing(error: BaseException) -> None:
    """Ignore a failed check."""


async def wait_until(
    look: Callable[[], Awaitable[T]],
    within: float = math.inf,
    every: float = 0.1,
    *,
    slower: tuple[float, float] = (1.0, math.inf),
    again_on: Errors = (),
    told: Callable[[BaseException], None] = _nothing,
) -> T:
    """Return the first true value of `look`, which is called at once and then after each pause of `every` seconds.

    `slower` makes pauses grow: (factor, longest pause in seconds). The last call is `within` seconds after the first,
    by the clock of the running loop. A call that raises one of `again_on` counts as false; `told` gets the exception if
    another call follows.

    Raises NotYet if the last call returned a false value, or its exception if it raised. Other exceptions of `look` are
    raised at once.
    """
    clock = asyncio.get_running_loop().time
    retrying = AsyncRetrying(sleep=asyncio.sleep, **_rules(clock, within, every, slower, again_on, told))

    async def asked() -> T:  # tenacity only awaits coroutine functions, which a lambda is not
        return await look()

    return await retrying(asked)


async def comes_true(look: Callable[[], Awaitable[bool]], within: float, every: float = 0.1) -> bool:
    """Whether `look` becomes true within `within` seconds; it is called as by `wait_until`."""
    try:
        return await wait_until(look, within, every)
    except NotYet:
        return False


def block_until(
    look: Callable[[], T],
    within: float = math.inf,
    every: float = 0.1,
    *,
    slower: tuple[float, float] = (1.0, math.inf),
    again_on: Errors = (),
    told: Callable[[BaseException], None] = _nothing,
) -> T:
    """`wait_until` outside of an event loop, with the monotonic clock; the thread sleeps."""
    return Retrying(sleep=time.sleep, **_rules(time.monotonic, within, every, slower, again_on, told))(look)


def _rules(
    clock: Callable[[], float],
    within: float,
    every: float,
    slower: tuple[float, float],
    again_on: Errors,
    told: Callable[[BaseException], None],
) -> dict[str, Any]:
    """Rules for tenacity. Its own stop conditions use the wall clock: with a virtual clock they would never end."""
    end = clock() + within
    factor, longest = slower

    def left() -> float:
        return end - clock()

    def pause(state: RetryCallState) -> float:
        grown = factor ** min(state.attempt_number - 1, GROWS)
        return max(0.0, min(every * grown, longest, left()))

    def tell(state: RetryCallState) -> None:
        if state.outcome and (error := state.outcome.exception()):
            told(error)

    return {
        "stop": lambda state: left() <= ROUNDING,
        "wait": pause,
        "retry": retry_if_exception_type(again_on) | retry_if_not_result(bool),
        "before_sleep": tell,
        "retry_error_callback": _over,
    }


def _over(state: RetryCallState) -> NoReturn:
    assert state.outcome is not None
    state.outcome.result()  # raises the last call's exception
    raise NotYet(f"checked {state.attempt_number} times without success")
