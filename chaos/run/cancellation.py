"""Work that a cancellation must not interrupt, and tasks that end in a fixed order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

E = TypeVar("E", bound=BaseException)


async def through(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end, even if this task is cancelled several times, then raise the cancellation.

    A bare `shield` is not enough: a second Ctrl-C would leave the target broken.
    """
    task = asyncio.ensure_future(work)
    owed: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as e:
            if not task.cancelled():
                owed = e
        except BaseException:
            break  # the work's own failure is raised below
    task.result()
    if owed:
        raise owed


def still_wanted() -> None:
    """Raise CancelledError if this task was cancelled and a library swallowed the cancellation.

    `asyncio.wait_for` of Python 3.11 does so when its awaitable ends at the same moment; other libraries may too.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def in_order(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of `work` concurrently. The first failure, or a cancellation, cancels the tasks in the given order.

    They therefore heal in that order. A TaskGroup keeps its tasks in a set, so two runs with the same seed would heal
    in different orders. As in a TaskGroup, a failure takes precedence over a cancellation, so a failed heal is not
    lost.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    cancelled: asyncio.CancelledError | None = None
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError as e:
        cancelled = e
    for task in tasks:
        task.cancel()
    try:
        await through(_ended(tasks))
    except asyncio.CancelledError as e:
        cancelled = e
    for task in tasks:
        if not task.cancelled():
            task.result()
    if cancelled:
        raise cancelled


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)  # each task has already journalled its own failure


def first(group: BaseExceptionGroup[E]) -> E:
    """The first failure of a task group, at any depth."""
    found = group.exceptions[0]
    return first(found) if isinstance(found, BaseExceptionGroup) else found
