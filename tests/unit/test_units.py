"""Quantities: the unit of every field is declared, and nothing written in another one is misread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from chaos import registry, units
from chaos.errors import BadExperiment
from chaos.experiment.schema import schema
from tests.messages import Says
from tests.unit.experiment.test_planning import planned, step

PLUGINS = [
    (package, name, parameter)
    for package in ("chaos.faults", "chaos.judge.checkers")
    for name in registry.names(package)
    for parameter in registry.parameters(registry.load(package, name))
]
NEEDED: Mapping[str, Mapping[str, Any]] = {  # beside the parameter that is tried
    "delay": {"ms": 40}, "http": {}, "leak": {"limit": 64}, "reorder": {"share": 0.1, "ms": 10},
    "metrics": {"component": "chat", "series": "x"}, "promql": {"expr": "x"}, "recovery": {"journey": "text"},
    "staleness": {"journey": "text", "older_than": 5, "at_most": 0.1}, "sessions": {"client": "web"},
    "orphans": {"by": "lapse"},
}  # fmt: skip


def made(name: str, **params: Any) -> Any:
    """What the planner makes of parameters: with `scale` 3600."""
    package = "chaos.faults" if name in registry.names("chaos.faults") else "chaos.judge.checkers"
    cls = registry.load(package, name)
    return registry.build(cls, registry.in_units(cls, {**NEEDED.get(name, {}), **params}, 3600.0))


@pytest.mark.parametrize(
    ("name", "parameter", "written", "meant"),
    [
        ("delay", "ms", 5, 5.0), ("delay", "ms", "5ms", 5.0), ("delay", "ms", "0.25s", 250.0),
        ("delay", "ms", "5", 5.0),
        ("delay", "jitter_ms", "0.002 s", 2.0), ("reorder", "ms", "20ms", 20.0), ("http", "ms", "1.5s", 1500.0),
        ("latency", "p95_ms", "500ms", 500.0), ("latency", "p50_ms", "2s", 2000.0), ("latency", "p99_ms", 500, 500.0),
        ("loss", "share", "30%", 0.3), ("cpu", "share", "2%", 0.02), ("availability", "at_least", "99.9%", 0.999),
        ("memory", "limit", 64, 64.0), ("memory", "limit", "64MiB", 64.0), ("memory", "limit", "67108864B", 64.0),
        ("leak", "limit", "0.5GiB", 512.0), ("leak", "rate", "40MiB/s", 40.0),
        ("rate", "kbit", "2Mbit", 2000.0), ("rate", "kbit", "200kbit/s", 200.0),
        ("stop", "grace", "5s", 5.0), ("restart", "grace", "500ms", 0.5),
        ("clock", "skew", 3600, 3600.0), ("clock", "skew", "-2h", -2.0),
        ("recovery", "within", "4h", 4.0), ("recovery", "within", 4, 4.0), ("orphans", "tail", 5, 5.0),
        ("metrics", "at_most", "250ms", 0.25), ("promql", "at_least", "5%", 0.05),
        ("promql", "at_most", "1KiB", 1024.0), ("delivery", "lost", "5%", 0.05), ("delivery", "lost", 5, 5),
    ],
)  # fmt: skip
def test_a_quantity_is_the_fields_unit_or_converted_to_it(
    name: str, parameter: str, written: Any, meant: float
) -> None:
    """Only what happens in the incident is scaled: packets, time-outs and answers take their own time."""
    assert getattr(made(name, **{parameter: written}), parameter) == pytest.approx(meant, rel=1e-12)


WRONG: list[tuple[str, str, Any]] = [
    ("delay", "ms", "5%"), ("delay", "ms", "5MiB"), ("delay", "ms", "soon"), ("delay", "ms", "5 m"),
    ("delay", "ms", True),
    ("latency", "p95_ms", "50%"), ("latency", "p95_ms", "5kbit"), ("latency", "p95_ms", "1e999"),
    ("loss", "share", "5ms"), ("loss", "share", "64MiB"), ("availability", "at_least", "2s"),
    ("sessions", "at_least", "x"), ("memory", "limit", "64%"), ("memory", "limit", "64s"),
    ("memory", "limit", "64Mbit"), ("memory", "limit", "64MiB/s"),
    ("leak", "rate", "40MiB"), ("rate", "kbit", "5MB"), ("rate", "kbit", "5/s"), ("stop", "grace", "5%"),
    ("delivery", "lost", "5s"), ("delivery", "lost", "150%"), ("http", "status", "503ms"), ("http", "port", "80%"),
    ("recovery", "within", "90%"), ("staleness", "at_most", "1h"), ("metrics", "port", "1s"),
    ("metrics", "at_most", "5/s"),
    ("promql", "at_most", "5kbit"), ("clock", "skew", "1%"),
    ("delay", "ms", "\u0665s"), ("delay", "ms", "\uff11\uff10"), ("loss", "share", "\u0665%"),
    ("recovery", "within", "\u096bs"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameter", "written"), WRONG)
def test_a_quantity_of_another_kind_is_refused_with_its_place(name: str, parameter: str, written: Any) -> None:
    """And with what was expected."""
    with pytest.raises(BadExperiment) as e:
        made(name, **{parameter: written})
    assert all(p.startswith(f"{name}.{parameter}: ") and "xpected" in p for p in e.value.problems)


ENVIRONMENTS: list[Any] = [{}, {"": "x"}, {"A=B": "x"}, {"A": "x\0"}, [], "A=1"]
NOTHING: list[tuple[str, str, Any]] = [
    *(("delay", "ms", v) for v in (0, -1, "0ms", float("nan"), float("inf"), "-5ms", 1e-9, "0.9ms", 1e300, "1d")),
    *(("delay", "jitter_ms", v) for v in (-1, 40, 41, "1s", float("nan"))),
    *((f, "share", v) for f in ("loss", "corrupt", "duplicate", "reorder") for v in (0, 1.01, -0.5, "0%", "101%")),
    *(("http", "share", v) for v in (0, 2, float("nan"))), *(("cpu", "share", v) for v in (0, 0.009, 1.5, "101%")),
    *(("http", "ms", v) for v in (-1, float("inf"))), *(("http", "port", v) for v in (-1, 70000, 80.5)),
    *(("http", "status", v) for v in (1, 200, 302, 600, -1)),
    *(("http", "path", v) for v in ("", "v1/*", "/a b", "/a#b", "é/*", "/é", "[a-z]*", "/a\n")),
    *(("http", "method", v) for v in ("P T", "1", "GET/", "GO", " POST")),
    *(("rate", "kbit", v) for v in (0, -5, "0kbit", float("inf"), 1e12)),
    *(("reorder", "ms", v) for v in (0, -3, 1e-6)),
    *(("memory", "limit", v) for v in (0, 5, -1, float("nan"), 1 << 40, "64TB", "5MiB", "4096GiB")),
    *(("leak", "limit", v) for v in (5, 1 << 40)), *(("leak", "rate", v) for v in (0, -1, 1e-9, float("inf"))),
    *(("clock", "skew", v) for v in (0, 0.5, float("inf"), 1e300, float("nan"))),
    *(("stop", "grace", v) for v in (-1, float("inf"), 1e9)), ("restart", "grace", -0.1),
    *(("kill", "signal", v) for v in (0, 9, "", "STOP", "CONT", "CHLD", None)),
    *(("deploy", "environment", v) for v in ENVIRONMENTS),
    ("partition", "to", []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameter", "written"), NOTHING)
def test_a_parameter_with_which_a_fault_can_do_nothing_is_refused(name: str, parameter: str, written: Any) -> None:
    """Before anything is touched, with the fault and its parameter."""
    with pytest.raises(BadExperiment) as e:
        made(name, **{parameter: written})
    assert all(p.startswith((f"{name}.{parameter}:", f"{name}.{parameter} ")) for p in e.value.problems)


@pytest.mark.parametrize(("package", "name", "parameter"), PLUGINS)
def test_every_parameter_says_what_it_is(package: str, name: str, parameter: str) -> None:
    """A number that is no count declares its unit, by its type or its name; `chaos faults` shows it."""
    kind = registry.types(registry.load(package, name))[parameter]
    unit = units.of(parameter, kind)
    assert units.form(parameter, kind)
    if float in units.plain_types(kind):
        assert unit is not None and unit.name, f"{name}.{parameter} is a float without a unit"


def test_a_field_without_a_unit_is_found_out() -> None:
    """What the test above asks of each can fail."""
    bare = units.of("limit", float)
    assert bare is not None and not bare.name
    assert units.of("limit_ms", float | None) is units.UNITS["ms"]
    assert units.of("limit", str) is None


@given(st.sampled_from(sorted(units.UNITS)), st.text(max_size=12), st.floats(0.1, 1e6))
def test_any_text_is_a_quantity_or_is_refused(name: str, text: str, scale: float) -> None:
    """No text gets through as text where a number is meant."""
    try:
        found = units.read(text, units.UNITS[name], scale)
    except BadExperiment:
        return
    assert isinstance(found, int | float)


def test_editors_are_told_what_each_parameter_may_be() -> None:
    """`chaos schema` has every fault and every check, with the unit and the bounds of each number."""
    found = schema()
    faults = {
        one["if"]["properties"]["fault"]["const"]: one["then"]["properties"]["with"]
        for one in found["$defs"]["Entry"]["allOf"]
    }
    checks = found["$defs"]["Experiment"]["properties"]["checks"]["items"]["properties"]
    for package, known in (("chaos.faults", faults), ("chaos.judge.checkers", checks)):
        assert list(known) == registry.names(package)
        for name, one in known.items():
            assert set(one["properties"]) == set(registry.parameters(registry.load(package, name)))
    number, text = faults["delay"]["properties"]["ms"]["anyOf"]
    assert number == {"type": "number", "minimum": 1, "maximum": 600_000}
    assert re.fullmatch(text["pattern"], "5ms") and not re.fullmatch(text["pattern"], "5%")


@given(
    st.sampled_from(sorted(units.UNITS)),
    st.from_regex(r"[-+]?[0-9]{1,3}(\.[0-9]{1,2})? ?[a-zA-Z%/]{0,5}", fullmatch=True),
)
def test_what_the_schema_takes_is_what_is_read(name: str, text: str) -> None:
    """One rule, for editors and for plans."""
    unit = units.UNITS[name]
    if not unit.written:
        return
    kind = Annotated[float, Meta(extra={"unit": name})]
    pattern = units.schema("x", kind)["anyOf"][1]["pattern"]
    try:
        units.read(text, unit)
    except BadExperiment:
        assert not re.fullmatch(pattern, text)
    else:
        assert re.fullmatch(pattern, text)


def test_a_plan_holds_quantities_in_the_units_of_their_fields(tmp_path: Path, says: Says) -> None:
    """Written either way it is one plan; the scale is the timeline's."""
    over = step(fault="delay", **{"with": {"ms": "5ms", "jitter_ms": "0.001s"}})
    checks = [{"latency": {"p95_ms": "500ms"}}, {"recovery": {"journey": "text", "within": "4h"}}]
    made = planned(tmp_path, scale=3600, checks=checks, **over)
    assert made.steps[0].params == {"ms": 5.0, "jitter_ms": 1.0}
    assert [dict(c.params) for c in made.checks] == [{"p95_ms": 500.0}, {"journey": "text", "within": 4.0}]
    with says.raises(BadExperiment):
        planned(tmp_path, checks=[{"latency": {"p95_ms": "5%"}}])
    with says.raises(BadExperiment):
        planned(tmp_path, **step(fault="loss", **{"with": {"share": "5ms"}}))


@pytest.mark.parametrize("text", ["\u0665s", "5\uff10s", "\u0663\u0660%", "\u0969/s"])
def test_digits_of_other_scripts_are_no_quantity(text: str) -> None:
    """A reader who does not know them would not see what is planned."""
    for read in (units.duration, units.share, units.rate):
        with pytest.raises(BadExperiment):
            read(text)


def test_a_time_in_a_slot_takes_the_unit_of_its_field(tmp_path: Path) -> None:
    """`${5s}` is no 5 where milliseconds are meant; what is incident time is scaled once."""
    slow = planned(tmp_path, scale=2, **step(fault="delay", **{"with": {"ms": "${5s}"}}))
    late = planned(tmp_path, scale=2, **step(fault="clock", **{"with": {"skew": "${1h}"}}))
    assert (slow.steps[0].params["ms"], late.steps[0].params["skew"]) == (5000.0, 1800.0)


@pytest.mark.parametrize("below", ["500ms", "64MiB", "150%", -0.1, "half", ".nan"])
def test_a_stop_condition_of_success_is_a_share(tmp_path: Path, below: Any, says: Says) -> None:
    """And nothing else."""
    with says.raises(BadExperiment):
        planned(tmp_path, stop=[{"success": "all", "below": below}])


@pytest.mark.parametrize(
    ("check", "params", "scale", "shown"),
    [
        ("recovery", {"journey": "text", "within": 4.0}, 1.0, "journey text, within 4 s"),
        ("recovery", {"within": 4.0}, 3600.0, "within 4 s (4 h of the incident)"),
        ("latency", {"p95_ms": 500}, 3600.0, "p95_ms 500 ms"),
        ("availability", {"at_least": 0.999}, 1.0, "at_least 99.9%"),
        ("delivery", {"lost": 0.05, "ghost": 3}, 1.0, "lost 5%, ghost 3"),
        ("incident", {"targets": ("predict", "control")}, 1.0, "targets predict, control"),
    ],
)
def test_a_parameter_is_shown_with_its_unit(check: str, params: dict[str, object], scale: float, shown: str) -> None:
    """Run time with its incident time beside it where the two differ."""
    assert registry.shown(registry.load("chaos.judge.checkers", check), params, scale) == shown


@pytest.mark.parametrize(
    ("series", "written", "becomes"),
    [
        ("request_seconds", "250ms", 0.25), ("cpu_seconds_total", "1min", 60), ("request_seconds_sum", "5s", 5),
        ("request_ms", "250ms", 250), ("request_milliseconds", "1s", 1000), ("age_hours", "90min", 1.5),
        ("heap_bytes", "1KiB", 1024), ("read_bytes_total", "2MB", 2e6), ("hit_ratio", "5%", 0.05),
        ("cpu_percent", "5%", 5), ("requests_total", "12", 12), ("depth", "250ms", 0.25),
    ],
)  # fmt: skip
def test_a_bound_of_a_metric_is_in_the_unit_that_its_name_says(series: str, written: str, becomes: float) -> None:
    """Also where the author took no base unit."""
    assert made("metrics", series=series, at_most=written).at_most == becomes
    assert made("promql", expr=f'{series}{{zone="a"}}', at_most=written).at_most == becomes


@pytest.mark.parametrize(
    ("series", "written"),
    [
        ("request_seconds", "5MB"), ("request_seconds_sum", "5%"), ("request_seconds_count", "5s"),
        ("request_seconds_bucket", "1KiB"), ("heap_bytes", "5s"), ("hit_ratio", "5s"), ("requests_total", "5MB"),
        ("request_ms", "5%"),
    ],
)  # fmt: skip
def test_a_bound_of_another_kind_than_the_metric_is_refused(series: str, written: str, says: Says) -> None:
    """5 MB of seconds is a mistake."""
    for name, params in (("metrics", {"series": series}), ("promql", {"expr": series})):
        with says.raises(BadExperiment):
            made(name, at_most=written, **params)
