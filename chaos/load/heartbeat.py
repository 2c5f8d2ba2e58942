"""Notices that the event loop of a load's process stands still, and in which line of code.

A greenlet that never yields (a driver in C that waits for its socket, a long computation) stops all users at once.
Nothing fails then, because nothing is tried. Imported by the load's processes only, after locust.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import FrameType

import gevent
from gevent import monkey

from chaos.load.notes import BLOCKED, Notebook

BEAT = 0.05  # seconds
LATE = 0.25  # seconds: later beats are noted
LOOK = 0.1  # seconds between two looks of the native thread
LINES = 4  # of the code that are noted
_OWN = ("/gevent/", "/locust/", "/chaos/load/")


class Heartbeat:
    """A greenlet that beats, and a native thread that looks whether it does: a blocked loop cannot look itself."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._due = time.monotonic() + BEAT
        self._seen: tuple[float, Sequence[str]] = (0.0, ())  # the beat that the thread missed, and the lines
        self._main = monkey.get_original("_thread", "get_ident")()
        self._sleep = monkey.get_original("time", "sleep")

    def start(self) -> None:
        gevent.spawn(self._beat)
        monkey.get_original("_thread", "start_new_thread")(self._watch, ())

    def _beat(self) -> None:
        while True:
            self._due = due = time.monotonic() + BEAT
            gevent.sleep(BEAT)
            if (late := time.monotonic() - due) > LATE:
                seen, where = self._seen
                self._notebook.write(BLOCKED, due, late, where=where if seen == due else ())

    def _watch(self) -> None:
        while True:
            before = time.monotonic()
            self._sleep(LOOK)
            now, due = time.monotonic(), self._due
            starved = now - before > LOOK + LATE  # then this process had no processor, and no line is to blame
            if now - due > LATE and self._seen[0] != due and not starved:
                where = lines(sys._current_frames().get(self._main))
                self._seen = due, where
                self._notebook.write(BLOCKED, due, where=where)


def lines(frame: FrameType | None) -> Sequence[str]:
    """`FOLDER/FILE:LINE FUNCTION` of a stack, the innermost last, without gevent, Locust and ourselves."""
    found: list[str] = []
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if not any(part in name for part in _OWN):
            short = "/".join(name.split("/")[-2:])
            found.append(f"{short}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return [line for line in reversed(found) if not line.endswith("<module>")][-LINES:]
