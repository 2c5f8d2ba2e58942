"""Units, verdicts, the plant, the watchdog: small things that others stand on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos import registry, units
from chaos.errors import BadExperiment
from chaos.incidents.plant import boots, powered
from chaos.model import Verdict
from tests.messages import Says

HOUR = 3600.0
POWER = [(10 * HOUR, 0.0), (17.5 * HOUR, 0.9), (38.5 * HOUR, 0.95), (85.5 * HOUR, 1.0)]


@pytest.mark.parametrize(("text", "seconds"), [("250ms", 0.25), ("10s", 10), ("1.5h", 5400), ("2 min", 120), ("0s", 0)])
def test_durations_are_read(text: str, seconds: float) -> None:
    """ms, s, min, h."""
    assert units.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["10", "h", "-1s", "1w", "", "ten s", "1 h 2 min"])
def test_other_durations_are_refused(text: str, says: Says) -> None:
    """A number without a unit above all."""
    with says.raises(BadExperiment):
        units.duration(text, "here")


def test_the_worst_verdict_wins_in_the_stated_order() -> None:
    """PASS < INCONCLUSIVE < FAIL < ERROR < DIRTY, and nothing is PASS by absence."""
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR, Verdict.DIRTY]
    for i, verdict in enumerate(order):
        assert Verdict.worst(order[: i + 1]) is verdict
    assert Verdict.worst([]) is Verdict.INCONCLUSIVE
    assert [v.exit_code for v in order] == [0, 3, 1, 2, 4]


def test_the_plant_of_the_dossier_reproduces_its_boot_curve() -> None:
    """12,000 of 32,000 servers at 22.2 h, all power at 85.5 h: unit 12 of 32 near 22.2, unit 32 just after 85.5."""
    done = [t / HOUR for t in boots(32, 1000 / 986 * HOUR, 1, POWER)]
    assert done[11] == pytest.approx(22.2, abs=0.5)
    assert done[31] == pytest.approx(85.5 + 1000 / 986, abs=0.01)


@given(st.integers(1, 60), st.integers(1, 8), st.floats(1, 5000))
def test_more_lanes_are_never_slower_and_nobody_boots_without_power(units: int, lanes: int, seconds: float) -> None:
    """For any plant."""
    one, more = boots(units, seconds, 1, POWER), boots(units, seconds, lanes, POWER)
    assert all(b <= a + 1e-6 for a, b in zip(one, more, strict=True))
    assert all(t >= powered((n + 1) / units, POWER) + seconds - 1e-6 for n, t in enumerate(more))


def test_power_that_never_comes_never_boots() -> None:
    """Infinity, not a large number."""
    assert powered(1.0, [(0.0, 0.0), (10.0, 0.5)]) == float("inf")


@pytest.mark.parametrize("package", ["chaos.faults", "chaos.judge.checkers", "chaos.probes"])
def test_every_plug_in_is_one_documented_class(package: str) -> None:
    """A name in YAML is a file stem; the module's docstring is its help text."""
    for name in registry.names(package):
        cls = registry.load(package, name)
        assert registry.summary(cls), name
        assert cls.__name__.lower() == name.replace("-", "")
