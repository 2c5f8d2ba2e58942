"""What the reference page and the file's schema offer under `checks:` is accepted by a plan, and can be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment.plan import Plan
from chaos.experiment.schema import schema
from chaos.judge.judge import judge
from chaos.model import Node
from chaos.record.journal import Journal
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.reference import PAGES
from tests.unit.histories import BLOW, END, incident, outage

NODES = [Node(f"{c}-{z}", c, z, "", {"chaos.component": c}) for c in ("chat", "prometheus") for z in "ab"]
FACTS = incident({"bank_core_loss": {"value": 0, "use": "control"}})
VALUES: Mapping[str, Any] = {
    "at_least": 0.5, "at_most": 0.9, "journey": "text", "phase": "during", "p50_ms": 50, "p95_ms": "90ms",
    "p99_ms": 200, "within": "5s", "older_than": "5s", "client": "app", "component": "chat", "series": "a_total",
    "labels": {"code": "500"}, "total": True, "per": "text", "port": 9000, "name": "one", "expr": "up", "tail": "4s",
    "strays": 1, "lost": "5%", "ghost": 1, "duplicated": 2, "false_alarms": 1, "unseen": 1,
    "back_within": "5s", "targets": ["control"], "reproduced": ["bank_core_loss"], "missed": ["bank_core_loss"],
}  # fmt: skip
BY = {"alarm": "slo", "orphans": "lapse"}
# Beside what has no default.
NEEDED = {"latency": ("p50_ms",), "metrics": ("at_most",), "promql": ("at_most",), "probe": ("at_least",)}
OTHERWISE = {"back_within": ("at_least",)}  # what a parameter stands in the place of


def planned(folder: Path, check: Mapping[str, Any]) -> Plan:
    doc = {
        "name": "x", "claim": "y", "load": {"users": "u.py", "count": 5, "rate": "10/s", "floor": "1/s"},
        "timeline": [{"at": "1s", "fault": "kill", "where": {"name": "chat-a"}, "for": "9s"}], "checks": [check],
    }  # fmt: skip
    if "probe" in check:
        doc["probes"] = [{"name": "one", "exec": {"node": "chat-b", "run": ["true"]}}]
    file = folder / "x.yaml"
    file.write_text(yaml.safe_dump(doc), encoding="utf-8")
    choices = planning.Choices(7, {"posture": "p", "short": False}, {"incident": FACTS})
    return planning.plan("x.yaml", experiments.read(file), Memory(NODES), choices)


def offered() -> Iterator[tuple[str, str]]:
    """(check, one of its parameters) as the schema has them."""
    for name, form in schema()["$defs"]["Experiment"]["properties"]["checks"]["items"]["properties"].items():
        yield from ((name, parameter) for parameter in form["properties"])


def given(check: str, parameter: str) -> Mapping[str, Any]:
    """The parameter, and what the check cannot do without."""
    fields = registry.parameters(registry.load("chaos.judge.checkers", check))
    must = [n for n, f in fields.items() if f.default is MISSING and f.default_factory is MISSING]
    values = {**VALUES, "by": BY.get(check)}
    needed = [name for name in NEEDED.get(check, ()) if name not in OTHERWISE.get(parameter, ())]
    return {name: values[name] for name in (*must, *needed, parameter)}


@pytest.mark.parametrize(("check", "parameter"), list(offered()))
def test_each_parameter_that_is_offered_is_planned_and_judged(check: str, parameter: str, tmp_path: Path) -> None:
    """No finding says that the check could not be made, or that it raised."""
    made = planned(tmp_path, {check: given(check, parameter)})
    found = judge(Journal(made, (*BLOW, *END), tuple(outage(1, 4))))
    (finding,) = [
        f for f in found.findings if f.check.split()[0].rpartition("-")[0] == check or check in f.check.split()
    ]
    assert "cannot be made" not in finding.summary and "raised" not in finding.summary, finding


def test_the_page_offers_what_the_schema_offers() -> None:
    """What stands under `checks:` there, and nothing else, is a check in the schema."""
    under, before = PAGES["checks.md"]().split("\n## ")[1:]
    assert [line[4:] for line in under.splitlines() if line.startswith("### ")] == sorted({c for c, _ in offered()})
    assert not {line[4:] for line in before.splitlines() if line.startswith("### ")} & {c for c, _ in offered()}


@pytest.mark.parametrize("name", registry.names("chaos.judge.assumptions"))
def test_what_is_judged_in_every_run_is_no_check_of_one(name: str, tmp_path: Path, says: Says) -> None:
    """The page has it in another section; a plan that asks for it all the same is refused in words."""
    with says.raises(BadExperiment) as refused:
        planned(tmp_path, {name: {}})
    (problem,) = refused.value.problems
    assert problem.split(": ")[1] == "checks[0]"
