"""Types of the contracts' fixtures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

Run = Callable[[Coroutine[Any, Any, Any]], Any]  # runs a coroutine to its end
