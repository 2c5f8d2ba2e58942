"""The `metrics` check and its probe: what nodes count of themselves, judged by value, by sum and by growth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from chaos import registry
from chaos.checkers.metrics import Metrics
from chaos.errors import BadExperiment, ChaosError
from chaos.model import Event, Finding, Node, Verdict
from chaos.probes.metrics import Metrics as Probe
from chaos.probes.metrics import total
from tests.unit.histories import BLOW, END, every, journal

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
TEXT = """# HELP asked Requests
# TYPE asked_total counter
asked_total{route="/a",status="200"} 4.0
asked_total{route="/a",status="503"} 1.0
asked_total{route="/b",status="200"} 7.0
asked_total_more{route="/a"} 100.0
"""


def samples(*found: tuple[float, Mapping[str, float]]) -> list[Event]:
    return sorted([*BLOW, *END, *(Event(t, "probe.sample", "metrics", v) for t, v in found)], key=lambda e: e.t)


def check(events: list[Event], **params: Any) -> Finding:
    made = registry.build(Metrics, {"component": "chat", "series": "asked_total", **params})
    return made.check(journal(every(0.25, -10, 20), events))  # type: ignore[no-any-return]


def counting(each: float) -> list[Event]:
    """Two nodes that count `each` times the four operations a second, sampled once a second from -10 s on."""
    return samples(*((t + 10.0, {"chat-a": 4 * each * t, "chat-b": 7.0}) for t in range(-20, 10)))


def test_growth_per_operation_passes_where_each_is_asked_once() -> None:
    """Four operations and four requests a second."""
    found = check(counting(1), per="text", at_most=1.2, phase="during")
    assert (found.verdict, found.evidence) == (PASS, ())
    assert "40 in 40 operations of text during the faults: 1.00 each, wanted at most 1.2" in found.summary


def test_growth_per_operation_convicts_a_storm_of_retries() -> None:
    """A planted bug: every request is made three times; the samples that show it are named."""
    found = check(counting(3), per="text", at_most=1.2, phase="during")
    assert found.verdict is FAIL and "3.00 each" in found.summary and found.evidence


def test_a_node_that_starts_again_counts_from_nothing() -> None:
    """Its counter falls from 40 to 2: that is two more, not 38 fewer."""
    events = samples((0.0, {"chat-a": 40.0}), (5.0, {"chat-a": 2.0}), (9.0, {"chat-a": 12.0}))
    found = check(events, per="text", at_most=1.0)
    assert "12 in 36 operations" in found.summary and found.verdict is PASS


def test_single_values_and_sums_are_judged_by_sample() -> None:
    """Two primaries at once are convicted by the sum, though each is one."""
    events = samples((1.0, {"chat-a": 1.0, "chat-b": 0.0}), (2.0, {"chat-a": 1.0, "chat-b": 1.0}))
    assert check(events, at_most=1).verdict is PASS
    found = check(events, total=True, at_most=1)
    assert found.verdict is FAIL and found.evidence == ("journal:4",)
    assert "1 to 2 of all nodes together in 2 samples, wanted at most 1" in found.summary
    assert check(events, at_least=1).verdict is FAIL


def test_without_samples_or_operations_it_acquits_nobody() -> None:
    """No sample in the phase; a journey nobody used."""
    assert check(samples(), at_most=1).verdict is INCONCLUSIVE
    assert check(samples((1.0, {"chat-a": 1.0})), at_most=1, phase="after").verdict is INCONCLUSIVE
    assert check(counting(1), per="mail", at_most=1).verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("params", "says"), [({}, "found no bound"), ({"at_most": 1, "total": True, "per": "x"}, "exclude")]
)
def test_a_check_without_sense_is_refused_while_planning(params: dict[str, Any], says: str) -> None:
    """As a problem of the file."""
    with pytest.raises(BadExperiment, match=says):
        check(samples(), **params)


def test_a_series_is_summed_over_the_labels_that_fit() -> None:
    """Not over a longer name that begins the same; 0 where there is none yet."""
    assert total(TEXT, "asked_total", {}) == 12.0
    assert total(TEXT, "asked_total", {"route": "/a"}) == 5.0
    assert total(TEXT, "asked_total", {"route": "/c"}) == total("", "asked_total", {}) == 0.0


class Answering:
    """Nodes that answer with TEXT, or not at all."""

    def __init__(self, dead: str) -> None:
        self.dead = dead

    def nodes(self) -> list[Node]:
        return [Node("chat-a", "chat", "a"), Node("chat-b", "chat", "b"), Node("db-a", "db", "a")]

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        if self.dead in (node, "all"):
            raise OSError("refused")
        return 200, TEXT.encode()


def test_the_probe_asks_every_node_of_its_component() -> None:
    """A dead node is left out; when none answers that is said."""

    def sample(dead: str) -> Mapping[str, float]:
        probe = Probe(Answering(dead), "metrics", 1.0, "chat", "asked_total", {"route": "/b"})  # type: ignore[arg-type]
        return asyncio.run(probe.sample())

    assert sample("db-a") == {"chat-a": 7.0, "chat-b": 7.0}
    assert sample("chat-a") == {"chat-b": 7.0}
    with pytest.raises(ChaosError, match="chat-a, chat-b: nobody answers /metrics on port 8000"):
        sample("all")


def test_a_component_that_is_not_there_is_refused_while_planning() -> None:
    """With those that are."""
    found = Probe.missing(Answering("").nodes(), {"component": "chta"})
    assert found == "metrics: no node is of component 'chta'; known: chat, db"
    assert Probe.missing(Answering("").nodes(), {"component": "chat"}) is None
