"""The interface between the harness and its load process: the files they exchange, and the exit codes.

Both sides import this module, so it must import neither locust (which patches the importing process) nor asyncio.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from chaos.load.arrivals import Arrival

ARRIVALS = "arrivals.json"  # written by the harness when the process is ready; the process starts when it appears
USERS = "users.json"  # written in mode prepare with mode 0600, because it holds passwords and tokens
REQUESTS = "requests.json"  # written by the harness with mode 0600: the requests of a load without code
NOTES = "load.jsonl"  # written by the process: what it noticed about itself
OPS = "ops.jsonl"  # created by the process when it is ready

CONNECT = 0.3  # seconds for resolving a name and connecting
PATIENCE = 2.0  # seconds a user waits for one operation, including all its requests and hosts


class Schedule(msgspec.Struct, frozen=True):
    """arrivals.json. `arrivals` are [t, user, draw]; times are seconds on the timeline."""

    seed: int
    rate: float
    users: int
    start: float
    end: float
    arrivals: list[Arrival]


class Account(msgspec.Struct, frozen=True):
    """One user of users.json. `kept` is what the user's sign_up stored in `self.kept`: password, token."""

    name: str
    kind: str  # class in the users' file
    kept: dict[str, Any]


class Exit(enum.IntEnum):
    DONE = 0
    USAGE = 64  # the users' file or an argument is wrong
    NO_USERS = 66  # users.json is missing or does not fit the users' file
    NO_SCHEDULE = 67  # arrivals.json did not appear
    ENDED = 68  # the locustfile stopped Locust before the end
    NO_STACK = 69  # users could not sign up
    NO_DISK = 74  # ops.jsonl or users.json could not be written
