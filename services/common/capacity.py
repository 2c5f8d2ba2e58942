"""The capacity of one instance: a number of requests a second, processed one after another, and a short queue.

Instances on a small machine would never be overloaded. An instance with a configured size works at that rate: a request
waits for its turn, and one that would wait too long is refused at once, which is certainly not executed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from services.common.errors import Unavailable
from services.common.settings import SETTINGS, Settings

PATIENCE = (
    0.3  # seconds a request may wait; after longer waits its sender suspects that this instance is dead (peer.py)
)
UNLIMITED = "unlimited"


class Capacity:
    """`rate`: requests a second; None: unlimited. `clock` gives seconds and never goes back."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._free = 0.0  # time of the next turn

    def turn(self) -> float:
        """Take a place in the queue; returns seconds until it is this request's turn. Raises Unavailable if the queue
        is full.
        """
        if self._rate is None:
            return 0.0
        now = self._clock()
        wait = max(0.0, self._free - now)
        if not self._rate or wait > PATIENCE:
            raise Unavailable(f"{SETTINGS.node} handles {self._rate:g} requests a second and has more; try elsewhere")
        self._free = now + wait + 1 / self._rate
        return wait


def size(settings: Settings) -> float | None:
    """Requests a second: the share SPARE_CAPACITY of SIZED_FOR, the rate that the main instance is sized for.

    None if one of them is not set. Ends the program with a message if one is not a number.
    """
    sized, spare = (settings.environment.get(name, "") for name in ("SIZED_FOR", "SPARE_CAPACITY"))
    if not sized or spare in ("", UNLIMITED):
        return None
    try:
        if not spare.endswith("%"):
            raise ValueError(f"SPARE_CAPACITY {spare!r}")
        return max(0.0, float(sized)) * max(0.0, float(spare.removesuffix("%"))) / 100
    except ValueError as error:
        sys.exit(f"{settings.node}: {error} is not a number; expected SIZED_FOR=30 and SPARE_CAPACITY=50% or unlimited")
