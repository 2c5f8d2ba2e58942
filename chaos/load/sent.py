"""What an error of any client proves: `fail` if nothing can have been sent, else `info`."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

# Errors that end an attempt to connect. By name, because the libraries need not be installed.
BEFORE = {"NotSent", "NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ConnectTimeout"}
# Errors that may come after sending. One of them among the causes, and the request may have been executed.
AFTER = {"ReadTimeout", "ReadTimeoutError", "RemoteDisconnected", "IncompleteRead", "HTTPConnectionClosed"}
MOST = 20  # errors in a chain


def nothing_sent(error: BaseException) -> bool:
    """Whether nothing can have been sent: the name was unknown or the connection refused. False where it is unknown."""
    found = list(_chain(error))
    return any(map(_before, found)) and not any(map(_after, found))


def conclude(exception: object, response: Any = None, redirected: bool = False) -> tuple[str, int, str]:
    """Result, status and error of a request. `redirected`: an earlier request of the same operation was answered."""
    status = int(getattr(response, "status_code", 0) or 0)
    if not exception:
        return "ok", status, ""
    error = getattr(response, "error", None) or exception
    words = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, BaseException) and type(error).__name__ not in words and status == 0:
        words = f"{type(error).__name__}: {words}"
    if redirected:
        return "info", status, words
    if status:
        headers = getattr(response, "headers", None) or {}
        not_executed = str(headers.get("X-Executed") or "").lower() == "no"
        return ("fail" if 400 <= status < 500 or not_executed else "info"), status, words
    return ("fail" if isinstance(error, BaseException) and nothing_sent(error) else "info"), 0, words


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and the errors that libraries wrap into it."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MOST:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        wrapped = [one.__cause__, one.__context__, *one.args]
        wrapped += [getattr(one, name, None) for name in ("reason", "original", "error")]
        waiting += [w for w in wrapped if isinstance(w, BaseException)]


def _before(error: BaseException) -> bool:
    if isinstance(error, ConnectionRefusedError | socket.gaierror) or type(error).__name__ in BEFORE:
        return True
    return isinstance(error, OSError) and error.errno == errno.ECONNREFUSED


def _after(error: BaseException) -> bool:
    if type(error).__name__ in AFTER:
        return True
    return isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError)
