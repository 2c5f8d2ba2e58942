"""Links between nodes, how they treat packets, and what was observed of them. Only values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Link:
    """Traffic from `a` to `b` (and back, if `both`). `b` None: everything else, including host and internet."""

    a: frozenset[str]  # node names
    b: frozenset[str] | None = None
    both: bool = True


@dataclass(frozen=True)
class Requests:
    """HTTP requests to `a` of a link, and what happens to a share: held for `ms`, or if that is 0, `status` at once."""

    path: str = "*"  # a glob for the path without its query
    method: str = ""  # any
    port: int = 0  # any
    share: float = 1.0
    status: int = 503  # 0: a reset
    ms: float = 0.0


@dataclass(frozen=True)
class Quality:
    """How a link treats packets. Shares are 0..1; 0 means unchanged. `reset`: TCP is answered with a reset."""

    delay_ms: float = 0.0  # one way
    jitter_ms: float = 0.0  # maximum deviation from the delay
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # share that overtakes delayed packets
    corrupt: float = 0.0
    rate_kbit: float = 0.0  # each way; 0: unlimited
    reset: bool = False
    http: Requests | None = None


@dataclass(frozen=True)
class Traffic:
    """What was observed of a cut or shaped link since that link last changed."""

    packets: int  # packets that met the fault: dropped if it is cut, handled if it is shaped
    changed: int = 0  # of them lost, duplicated, overtaking or corrupted; or requests that were affected
    delay_ms: float = 0.0  # average time that they, or affected requests, were held
    requests: int = 0  # requests that were read, affected or not


@dataclass(frozen=True)
class RoundTrips:
    """Round trips of a few packets sent at once over a link. The kernel of the other side answers, not a program."""

    WAITED: ClassVar[float] = 0.9  # seconds for an answer; after one, the kernel retries
    sent: int
    ms: Sequence[float]  # of those answered within that time, the shortest first
