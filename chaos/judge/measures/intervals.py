"""95 % confidence intervals for shares and quantiles.

The verdict uses the measured value. The interval shows how precise that value is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

Z = 1.959964  # quantile of the normal distribution for a two-sided 95 % interval
T = TypeVar("T")


def wilson(found: int, n: int) -> tuple[float, float]:
    """Wilson's interval for a share. It is valid for small samples and for shares near 0 and 1."""
    p, z2 = found / n, Z * Z
    middle, half = p + z2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    return (0.0 if found == 0 else low), (1.0 if found == n else high)


def quantile(ordered: Sequence[T], q: float) -> tuple[T, T]:
    """The interval for a quantile, from the binomial distribution of the number of values below it."""
    n = len(ordered)
    half = Z * math.sqrt(n * q * (1 - q))
    low, high = math.floor(n * q - half), math.ceil(n * q + half) + 1
    return ordered[max(1, low) - 1], ordered[min(n, high) - 1]


def share(found: int, n: int) -> str:
    """A share and its interval, as text."""
    low, high = wilson(found, n)
    return f"{found / n:.2%}, 95% interval {low:.2%} to {high:.2%}"
