"""What customers of the shop meet when something breaks: tests that drive faults, on any target."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from chaos.testing import Chaos

pytestmark = pytest.mark.chaos_time(30)


def articles(chaos: Chaos, front: str) -> dict[str, Any]:
    """What a front shows."""
    found: dict[str, Any] = chaos.get(front, 8000, "/articles").json()
    return found


def fresh(chaos: Chaos, front: str) -> bool:
    """Whether it shows what the stock has now."""
    return articles(chaos, front).get("stale") is False


def until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it holds at some time within so many seconds."""
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_customers_can_look_while_the_stock_is_away(chaos: Chaos) -> None:
    """A front without its stock shows what it saw last and says that it is old; afterwards it is fresh again."""
    assert until(lambda: fresh(chaos, "front-a"))
    with chaos.fault("partition", component="front", to={"component": "stock"}) as away:
        assert away.nodes == ("front-a", "front-b")
        assert until(lambda: not fresh(chaos, "front-a"))
        assert articles(chaos, "front-a")["articles"]
        assert chaos.get("front-a", 8000, "/orders?user=u").status == 503
    assert until(lambda: fresh(chaos, "front-a"))


def test_one_front_dies_and_the_other_serves(chaos: Chaos) -> None:
    """The seed picks which."""
    with chaos.fault("kill", component="front", pick=1) as death:
        (dead,) = death.nodes
        (other,) = {"front-a", "front-b"} - {dead}
        assert until(lambda: fresh(chaos, other))
        with pytest.raises(chaos.NoAnswer):
            chaos.get(dead, 8000, "/articles")
    assert until(lambda: fresh(chaos, dead))  # healed, and healthy again


@pytest.mark.chaos_target("process", "compose")
def test_a_slow_network_is_not_an_outage(chaos: Chaos) -> None:
    """Two hundred milliseconds to the stock: orders are slow, and they come through."""
    with chaos.fault("delay", zone="a", to={"component": "stock"}, ms=100):
        began = time.monotonic()
        assert chaos.get("front-a", 8000, "/orders?user=u").status == 200
        assert time.monotonic() - began > 0.15
