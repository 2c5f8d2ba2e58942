"""What one instance can carry: so many requests a second, one after the other, and a short queue before the door.

Machines of a toy never fill up by themselves. An instance that is given a size works at its pace: a request waits for
its turn, and one whose turn would come too late is refused at once, which is certain not to have been executed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from services.common.errors import Unavailable
from services.common.settings import SETTINGS, Settings

PATIENCE = 0.3  # seconds a request may wait: longer, and whoever sent it doubts that we live (peer.py)
UNLIMITED = "unlimited"


class Capacity:
    """`rate`: requests a second; None: as many as come. `clock` gives seconds and never goes back."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._free = 0.0  # when the next turn is

    def turn(self) -> float:
        """Take a place in the queue; seconds until it is this request's turn. Raises Unavailable when it is full."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        wait = max(0.0, self._free - now)
        if not self._rate or wait > PATIENCE:
            raise Unavailable(f"{SETTINGS.node} carries {self._rate:g} requests a second and has more; try elsewhere")
        self._free = now + wait + 1 / self._rate
        return wait


def size(settings: Settings) -> float | None:
    """Requests a second: the share SPARE_CAPACITY of SIZED_FOR, what the main instance is sized for.

    None where one of them is not set. Ends the program in words when one is no figure.
    """
    sized, spare = (settings.environment.get(name, "") for name in ("SIZED_FOR", "SPARE_CAPACITY"))
    if not sized or spare in ("", UNLIMITED):
        return None
    try:
        if not spare.endswith("%"):
            raise ValueError(f"SPARE_CAPACITY {spare!r}")
        return max(0.0, float(sized)) * max(0.0, float(spare.removesuffix("%"))) / 100
    except ValueError as error:
        sys.exit(f"{settings.node}: {error} is no figure; expected SIZED_FOR=30 and SPARE_CAPACITY=50% or unlimited")
