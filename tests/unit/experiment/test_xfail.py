"""`xfail` beside a check: a kind and a bound of failure that is expected, and what is beyond it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment.plan import CheckSpec, Plan
from chaos.experiment.xfail import outdated
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Finding, Op, Verdict
from tests.messages import Says
from tests.unit.experiment.test_planning import planned
from tests.unit.histories import check, every, journal, outage, plan, readback, send

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
WHY = "the standby database is asynchronous"


def bounded(name: str, bound: dict[str, Any], strict: bool = True, **params: Any) -> CheckSpec:
    return msgspec.structs.replace(check(name, WHY, not strict, **params), bound=bound)


def judged(ops: list[Op], spec: CheckSpec) -> Judgement:
    return judge(journal([*every(0.25, -10, 20, journey="read"), *ops], checks=(spec,)))


def the(found: Judgement) -> Finding:
    return found.findings[-1]


def writes(count: int, lost: int = 0, twice: int = 0, ghost: int = 0) -> list[Op]:
    """So many acknowledged writes, of which some are lost and some there twice; and refused ones that are there."""
    names = [f"w{n}" for n in range(count)]
    made = [send(5 + n / 1000, name) for n, name in enumerate(names)]
    refused = [send(6 + n / 1000, f"g{n}", "fail") for n in range(ghost)]
    there = [*names[lost:], *names[lost : lost + twice], *(op.id for op in refused)]
    return [*made, *refused, readback("u1", there)]


@pytest.mark.parametrize(
    ("lost", "twice", "ghost", "verdict"),
    [
        (1, 0, 0, PASS), (5, 0, 0, PASS), (6, 0, 0, FAIL), (100, 0, 0, FAIL),  # 5 % of 100
        (0, 1, 0, FAIL), (3, 1, 0, FAIL), (3, 0, 1, FAIL), (0, 25, 1, FAIL),  # kinds that nobody named
    ],
)  # fmt: skip
def test_a_failure_is_excused_by_kind_and_up_to_its_bound(lost: int, twice: int, ghost: int, verdict: Verdict) -> None:
    """An asynchronous standby loses some writes: not all of them, and it makes none twice."""
    found = judged(writes(100, lost, twice, ghost), bounded("delivery", {"lost": 0.05}, strict=False))
    assert found.verdict is verdict
    assert the(found).verdict is FAIL, "within its bound it is shown as what it is"
    assert bool(the(found).xfail) == (verdict is PASS)
    assert the(found).evidence


def test_a_bound_may_count() -> None:
    """Two lost writes, not three."""
    spec = bounded("delivery", {"lost": 2}, strict=False)
    assert [judged(writes(100, n), spec).verdict for n in (0, 2, 3)] == [PASS, PASS, FAIL]


@pytest.mark.parametrize(
    ("spec", "back", "verdict"),
    [
        (bounded("recovery", {"within": 6.0}, journey="text", within=2.0), 4, PASS),
        (bounded("recovery", {"within": 6.0}, journey="text", within=2.0), 8, FAIL),
        (bounded("availability", {"at_least": 0.5}, journey="text", at_least=0.99, phase="during"), 4, PASS),
        (bounded("availability", {"at_least": 0.5}, journey="text", at_least=0.99, phase="during"), 8, FAIL),
    ],
)
def test_every_check_has_its_own_measure_to_be_bounded_by(spec: CheckSpec, back: float, verdict: Verdict) -> None:
    """Text fails at 1 s; beyond the bound the run fails, and within it is green."""
    found = judged(outage(1, back), spec)
    assert (found.verdict, the(found).verdict) == (verdict, FAIL)


def test_the_day_it_holds_the_run_fails_unless_that_is_chance() -> None:
    """As pytest's xfail(strict=True)."""
    bound = {"within": 6.0}
    strict = judged(outage(1, 2), bounded("recovery", bound, journey="text", within=2.0))
    assert (strict.verdict, the(strict).xfail) == (FAIL, "") and the(strict).summary.startswith("XPASS")
    lucky = judged(outage(1, 2), bounded("recovery", bound, strict=False, journey="text", within=2.0))
    assert (lucky.verdict, the(lucky).verdict, the(lucky).xfail) == (PASS, PASS, WHY)


def test_a_bound_that_cannot_be_judged_excuses_nothing() -> None:
    """One write of user u1 is lost, and nobody could read what u2 has."""
    ops = [*writes(100, 1), send(7, "z", user="u2"), readback("u2", [], "info")]
    found = judged(ops, bounded("delivery", {"lost": 0.05}, strict=False))
    assert (found.verdict, the(found).verdict, the(found).xfail) == (INCONCLUSIVE, INCONCLUSIVE, "")


def test_a_plan_of_before_is_judged_as_it_was() -> None:
    """Its marks have no bound, so they cover whatever failed."""
    old = msgspec.to_builtins(plan(checks=(check("delivery", WHY, True),)))
    del old["checks"][0]["bound"]
    (spec,) = msgspec.convert(old, Plan).checks
    assert judged(writes(100, 100), spec).verdict is PASS


def marked(tmp_path: Path, name: str = "delivery", params: dict[str, Any] | None = None, **mark: Any) -> CheckSpec:
    made = planned(tmp_path, checks=[{name: params or {"lost": 0}, "xfail": {"why": WHY} | mark}])
    return made.checks[0]


def test_the_plan_carries_the_mark_typed(tmp_path: Path) -> None:
    """A share as a fraction, a duration as run seconds; strict unless the file says otherwise."""
    found = marked(tmp_path, lost="5%", strict=False)
    assert (found.xfail, found.may_hold, found.bound) == (WHY, True, {"lost": 0.05})
    found = marked(tmp_path, "recovery", {"journey": "text", "within": "4s"}, within="30s")
    assert (found.xfail, found.may_hold, found.bound) == (WHY, False, {"within": 30.0})
    assert marked(tmp_path, lost=3).bound == {"lost": 3}
    elsewhere = marked(tmp_path, lost=3, when={"posture": "remedied"})
    assert (elsewhere.xfail, elsewhere.bound) == ("", {})


@pytest.mark.parametrize(
    ("name", "params", "mark"),
    [
        ("delivery", {"lost": 0}, {}),  # no bound
        ("delivery", {"lost": 0}, {"lost": 0}),  # none to speak of
        ("delivery", {"lost": 0}, {"lost": "150%"}),
        ("delivery", {"lost": 0}, {"lost": -1}),
        ("delivery", {"lost": 0}, {"lost": "some"}),
        ("delivery", {"lost": 0}, {"lots": "5%"}),
        ("delivery", {"lost": 0}, {"within": "5s"}),  # another check's
        ("delivery", {"lost": 0}, {"lost": "5%", "may_hold": True}),  # the old name's
        ("delivery", {"lost": 0}, {"lost": "5%", "strict": "no"}),
        ("delivery", {"lost": 0}, {"lost": "5%", "why": ""}),
        ("delivery", {"lost": 0}, {"lost": "5%", "when": {"weather": "bad"}}),
        ("recovery", {"journey": "text", "within": "4s"}, {"within": "4s"}),  # no looser
        ("recovery", {"journey": "text", "within": "4s"}, {"within": "3s"}),
        ("recovery", {"journey": "text", "within": "4s"}, {"within": "30s", "journey": "pay"}),  # another check
        ("availability", {"at_least": "90%"}, {"at_least": "95%"}),
        ("latency", {"p95_ms": 100}, {"p99_ms": 500}),  # not a measure of this check
    ],
    ids=str,
)
def test_a_mark_that_would_hide_too_much_or_nothing_is_refused(
    tmp_path: Path, name: str, params: dict[str, Any], mark: dict[str, Any], says: Says
) -> None:
    """While planning, with its place."""
    with says.raises(BadExperiment) as e:
        marked(tmp_path, name, params, **mark)
    assert all("checks[0]" in p for p in e.value.problems)


@pytest.mark.parametrize("mark", [None, "why", [], {"lost": "5%"}], ids=str)
def test_a_mark_of_another_shape_is_refused(tmp_path: Path, mark: object, says: Says) -> None:
    """No reason, no mapping, nothing at all."""
    with says.raises(BadExperiment) as e:
        planned(tmp_path, checks=[{"delivery": {}, "xfail": mark}])
    assert e.value.problems[0].split(": ")[1] == "checks[0]"


def test_the_old_name_is_accepted_as_it_was_and_named(tmp_path: Path, says: Says) -> None:
    """Without a bound; both names at once are refused."""
    checks: list[dict[str, Any]] = [{"delivery": {}, "known_gap": {"why": WHY, "may_hold": True}}, {"delivery": {}}]
    made = planned(tmp_path, checks=checks)
    assert (made.checks[0].xfail, made.checks[0].may_hold, made.checks[0].bound) == (WHY, True, {})
    (words,) = outdated(checks)
    says(words)
    with pytest.raises(BadExperiment):
        planned(tmp_path, checks=[checks[0] | {"xfail": {"why": WHY, "lost": "5%"}}])


@pytest.mark.parametrize("name", registry.names("chaos.judge.checkers"))
def test_every_check_can_be_bounded_by_its_own_parameters(name: str) -> None:
    """Else it could not be expected to fail."""
    cls = registry.load("chaos.judge.checkers", name)
    assert cls.looser and set(cls.looser) <= set(registry.parameters(cls))
