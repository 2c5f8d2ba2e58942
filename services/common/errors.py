"""The two ways in which a call can fail: nothing was done for certain, or the outcome is unknown.

* Refused       nothing was done: a 4xx, or a 503 that carries `X-Executed: no`
  x Unavailable   503, something that this service needs is unavailable
* Uncertain     the work was handed over and no answer came: a 5xx without that header

Clients rely on the difference: after Refused they may try elsewhere, after Uncertain only what is idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """Nothing was done. `status` is the HTTP status, `problem` says what was found and what to do about it."""

    def __init__(self, status: int, problem: str, headers: Mapping[str, str] = {}) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.headers = headers  # of the answer


class Unavailable(Refused):
    def __init__(self, problem: str) -> None:
        super().__init__(503, problem)


class Uncertain(Exception):
    """It may or may not have been done: 504 after a time-out, 502 after a broken connection, 500 otherwise."""

    def __init__(self, problem: str, status: int = 500) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
