"""The `metrics` check and its probe: what nodes count of themselves, judged by value, by sum and by growth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos import registry
from chaos.errors import BadExperiment, ChaosError
from chaos.judge.checkers.metrics import Metrics
from chaos.model import Event, Finding, Node, Verdict
from chaos.probes.metrics import Metrics as Probe
from chaos.probes.metrics import total
from chaos.protocols.capabilities import HOST, Hosted, Hosting
from chaos.protocols.table import Table
from chaos.targets.memory.target import Memory
from tests.messages import Says
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


def test_growth_per_operation_passes_where_each_is_asked_once(says: Says) -> None:
    """Four operations and four requests a second."""
    found = check(counting(1), per="text", at_most=1.2, phase="during")
    assert (found.verdict, found.evidence) == (PASS, ())
    says(found.summary)


def test_growth_per_operation_convicts_a_storm_of_retries(says: Says) -> None:
    """A planted bug: every request is made three times; the samples that show it are named."""
    found = check(counting(3), per="text", at_most=1.2, phase="during")
    assert found.verdict is FAIL and found.evidence
    says(found.summary)


def test_a_node_that_starts_again_counts_from_nothing(says: Says) -> None:
    """Its counter falls from 40 to 2: that is two more, not 38 fewer."""
    counted = [40.0, *(2.0 + t for t in range(9)), *[12.0] * 10]
    events = samples(*((float(t), {"chat-a": v, "chat-b": 0.0}) for t, v in enumerate(counted)))
    found = check(events, per="text", at_most=1.0)
    assert found.verdict is PASS
    says(found.summary)


def test_single_values_and_sums_are_judged_by_sample(says: Says) -> None:
    """Two primaries at once are convicted by the sum, though each is one."""
    events = samples(*((float(t), {"chat-a": 1.0, "chat-b": float(t == 2)}) for t in range(20)))
    assert check(events, at_most=1).verdict is PASS
    found = check(events, total=True, at_most=1)
    assert found.verdict is FAIL and found.evidence == ("journal:5",)
    says(found.summary)
    assert check(events, at_least=1).verdict is FAIL


def test_without_samples_or_operations_it_acquits_nobody() -> None:
    """No sample in the phase; a journey nobody used."""
    assert check(samples(), at_most=1).verdict is INCONCLUSIVE
    assert check(samples((1.0, {"chat-a": 1.0})), at_most=1, phase="after").verdict is INCONCLUSIVE
    assert check(samples((1.0, {"chat-a": 1.0, "chat-b": 1.0})), at_most=1).verdict is INCONCLUSIVE
    assert check(counting(1), per="mail", at_most=1).verdict is INCONCLUSIVE


@pytest.mark.parametrize("params", [{}, {"at_most": 1, "total": True, "per": "x"}], ids=str)
def test_a_check_without_sense_is_refused_while_planning(params: dict[str, Any], says: Says) -> None:
    """As a problem of the file."""
    with says.raises(BadExperiment):
        check(samples(), **params)


def test_a_series_is_summed_over_the_labels_that_fit() -> None:
    """Not over a longer name that begins the same; 0 where there is none yet."""
    assert total(TEXT, "asked_total", {}) == 12.0
    assert total(TEXT, "asked_total", {"route": "/a"}) == 5.0
    assert total(TEXT, "asked_total", {"route": "/c"}) == total("", "asked_total", {}) == 0.0


class Answering(Memory, Hosting):
    """Nodes that answer with TEXT, or not at all."""

    def __init__(self, dead: str) -> None:
        super().__init__([Node("chat-a", "chat", "a"), Node("chat-b", "chat", "b"), Node("db-a", "db", "a")])
        self.dead = dead

    @property
    def can(self) -> Table:
        return Table(HOST.by(self))

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        raise AssertionError("a probe starts nothing")

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        if self.dead in (node, "all"):
            raise OSError("refused")
        return 200, TEXT.encode()


def test_the_probe_asks_every_node_of_its_component(says: Says) -> None:
    """A dead node is left out; when none answers that is said."""

    def sample(dead: str) -> Mapping[str, float]:
        probe = Probe(Answering(dead), "metrics", 1.0, "chat", "asked_total", {"route": "/b"})
        return asyncio.run(probe.sample())

    assert sample("db-a") == {"chat-a": 7.0, "chat-b": 7.0}
    assert sample("chat-a") == {"chat-b": 7.0}
    with says.raises(ChaosError):
        sample("all")


@pytest.mark.parametrize(
    ("series", "labels"),
    [("asked_total", {}), ("asked_total", {"route": "/z"}), ("asked", {}), ("asked_total_more", {}),
     ("asked_count", {})],
)  # fmt: skip
def test_a_series_that_is_declared_is_0_until_something_is_counted(series: str, labels: dict[str, str]) -> None:
    """On each node of the component."""
    probe = Probe(Answering(""), "metrics", 1.0, "chat", series, labels)
    assert set(asyncio.run(probe.sample())) == {"chat-a", "chat-b"}


@pytest.mark.parametrize("series", ["askd_total", "asked_tota", ""])
def test_a_series_that_no_node_knows_is_not_0(series: str, says: Says) -> None:
    """A name with a slip in it would pass every `at_most`."""
    with says.raises(ChaosError):
        asyncio.run(Probe(Answering(""), "metrics", 1.0, "chat", series, {}).sample())


def test_a_component_that_is_not_there_is_refused_while_planning(says: Says) -> None:
    """With those that are."""
    says(Probe.missing(Answering("").nodes(), {"component": "chta"}))
    assert Probe.missing(Answering("").nodes(), {"component": "chat"}) is None
