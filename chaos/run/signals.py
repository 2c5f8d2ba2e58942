"""Handles Ctrl-C, SIGTERM and SIGHUP: the first one ends a command, further ones only report that it is clearing up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from chaos import crash
from chaos.run.cancellation import through

INTERRUPTED = 130  # exit code
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Interruption:
    count: int = 0


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """The first signal cancels this task. After the block, if there was one, signals have no effect any more."""
    loop, task, seen = asyncio.get_running_loop(), asyncio.current_task(), Interruption()
    assert task is not None

    def interrupt() -> None:
        seen.count += 1
        if seen.count == 1:
            crash.complain("interrupted: healing and ending, please wait")
            task.cancel()
        else:
            _at_it()

    for number in ENDING:
        loop.add_signal_handler(number, interrupt)
    try:
        yield seen
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
            if seen.count:  # the run has yet to be judged and reported; a third Ctrl-C must not lose that
                signal.signal(number, signal.SIG_IGN)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await the clean-up `work`; signals only report that it is in progress."""
    with interruptible(), contextlib.suppress(asyncio.CancelledError):
        await through(work)


@contextlib.contextmanager
def ended_once(seen: Interruption) -> Iterator[None]:
    """Outside of an event loop: the first signal raises KeyboardInterrupt, unless one was `seen` before."""

    def interrupt(number: int, frame: object) -> None:
        seen.count += 1
        if seen.count == 1:
            raise KeyboardInterrupt
        _at_it()

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def ignored() -> Iterator[None]:
    """Ignore signals while a result that is already decided is written."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _at_it() -> None:
    crash.complain("still healing and ending; nothing is left behind if you let it finish")
