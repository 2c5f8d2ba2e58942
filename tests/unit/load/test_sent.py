"""What an error of a client proves: nothing was sent, or nobody knows."""

from __future__ import annotations

import errno
import socket
from types import SimpleNamespace

import pytest

from chaos.load.sent import conclude, nothing_sent
from tests.messages import Says

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


class NewConnectionError(Exception):
    """As urllib3 has it."""


class ReadTimeout(Exception):
    """As requests has it."""


class Wrapped(Exception):
    def __init__(self, reason: BaseException) -> None:
        super().__init__("max retries exceeded")
        self.reason = reason


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def after(error: Exception, earlier: Exception) -> Exception:
    """Raised while the earlier one was handled."""
    error.__context__ = earlier
    return error


@pytest.mark.parametrize(
    ("error", "before"),
    [
        (REFUSED, True),
        (socket.gaierror(-2, "Name or service not known"), True),
        (OSError(errno.ECONNREFUSED, "Connection refused"), True),
        (NewConnectionError("no"), True),
        (Wrapped(NewConnectionError("no")), True),
        (ConnectionError(Wrapped(NewConnectionError("no"))), True),
        (chained(ValueError("cannot connect"), REFUSED), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False),
        (OSError(errno.EHOSTUNREACH, "No route to host"), False),
        (TimeoutError("timed out"), False),
        (ReadTimeout("2 s"), False),
        (after(REFUSED.__class__(errno.ECONNREFUSED, "x"), ConnectionResetError()), False),
        (ValueError("wrong"), False),
    ],
    ids=str,
)
def test_only_a_connection_that_never_was_proves_that_nothing_was_sent(error: Exception, before: bool) -> None:
    """Also where a library wraps it; a second attempt proves nothing about the first."""
    assert nothing_sent(error) is before


def test_errors_in_a_circle_end() -> None:
    """As `raise e from e` leaves them."""
    error = ValueError("x")
    error.__cause__ = chained(ValueError("y"), error)
    assert not nothing_sent(error)


def answer(status: int, **headers: str) -> SimpleNamespace:
    return SimpleNamespace(status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("exception", "response", "redirected", "result"),
    [
        (None, answer(200), False, "ok"),
        (None, answer(404), False, "ok"),  # a locustfile may expect it
        (None, None, False, "ok"),
        (ValueError("404 Client Error"), answer(404), False, "fail"),
        (ValueError("500 Server Error"), answer(500), False, "info"),
        (ValueError("503"), answer(503, X_Executed="no"), False, "fail"),
        (ValueError("wrong body"), answer(200), False, "info"),
        (REFUSED, None, False, "fail"),
        (REFUSED, answer(0), False, "fail"),
        (REFUSED, None, True, "info"),  # the request before the redirect was executed
        (TimeoutError("timed out"), answer(0), False, "info"),
        ("said with words", None, False, "info"),
    ],
    ids=str,
)
def test_what_locust_reports_is_concluded_as_in_an_open_load(
    exception: object, response: object, redirected: bool, result: str
) -> None:
    """4xx and what was not sent is fail; everything that may have happened is info."""
    assert conclude(exception, response, redirected)[0] == result


def test_the_error_names_its_kind(says: Says) -> None:
    """And the original one where Locust put words in its place."""
    response = SimpleNamespace(status_code=0, headers=None, error=Wrapped(NewConnectionError("refused")))
    for told in (conclude(REFUSED), conclude("words", response), conclude(ValueError(""))):
        says(told[2])
