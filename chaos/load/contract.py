"""What the harness and its load process have agreed on: the files between them and the exit codes.

Both sides import this, so it must stay free of locust (which patches the process that imports it) and of asyncio.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from chaos.load.arrivals import Arrival

ARRIVALS = "arrivals.json"  # written by the harness once the process is ready: its appearance is the start
USERS = "users.json"  # written by mode prepare, mode 0600: it holds passwords and tokens
OPS = "ops.jsonl"  # created by the process once it is ready: its appearance says so

CONNECT = 0.3  # seconds for finding an address and connecting to it
PATIENCE = 2.0  # seconds a user waits for one operation, all its requests and gateways together


class Schedule(msgspec.Struct, frozen=True):
    """arrivals.json. `arrivals` are [t, user, draw]; times are seconds on the timeline."""

    seed: int
    rate: float
    users: int
    start: float
    end: float
    arrivals: list[Arrival]


class Account(msgspec.Struct, frozen=True):
    """One user of users.json. `kept` is what the user's sign_up left in `self.kept`: password, token."""

    name: str
    kind: str  # class in the users' file
    kept: dict[str, Any]


class Exit(enum.IntEnum):
    DONE = 0
    USAGE = 64  # the users' file or an argument is wrong
    NO_USERS = 66  # users.json is missing or does not fit the users' file
    NO_SCHEDULE = 67  # arrivals.json did not come
    NO_STACK = 69  # users could not sign up
    NO_DISK = 74  # ops.jsonl or users.json could not be written
