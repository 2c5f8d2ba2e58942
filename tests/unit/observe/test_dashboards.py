"""observe/: dashboards are what their code says and ask for series that exist; Prometheus accepts rules and scrapes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from chaos.experiment import stack as stackfile
from chaos.observe import catalogue
from observe.dashboards import BOARDS
from observe.dashboards.panels import FAULTS, SPOKEN, WIDTH, rendered

ROOT = Path(__file__).parents[3]
OBSERVE = ROOT / "observe"
RULES = sorted((OBSERVE / "prometheus").glob("*.yml"))
KEYWORDS = {"by", "on", "or", "and", "unless", "bool"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_what_its_code_says(name: str) -> None:
    """observe/grafana/NAME.json; `python -m observe.dashboards` renders it."""
    assert (OBSERVE / "grafana" / f"{name}.json").read_text() == rendered(BOARDS[name])


@pytest.mark.parametrize("name", BOARDS)
def test_grafanas_own_types_lose_nothing_of_a_dashboard(name: str) -> None:
    """Read by the SDK and written again it is the same: every key is one that Grafana has, where Grafana has it."""
    register_default_plugins()
    found = json.loads((OBSERVE / "grafana" / f"{name}.json").read_text())
    drawn = found["annotations"]["list"][0]
    assert drawn["expr"] == FAULTS and {key: drawn.pop(key) for key in SPOKEN} == SPOKEN
    again = json.loads(json.dumps(Dashboard.from_json(found), cls=JSONEncoder))
    assert again == found
    found["panels"][1]["titel"] = "misspelt"
    assert json.loads(json.dumps(Dashboard.from_json(found), cls=JSONEncoder)) != found


@pytest.mark.parametrize("name", BOARDS)
def test_panels_lie_side_by_side_and_say_what_they_show(name: str) -> None:
    """None on top of another, none over the edge, each with a title, words and a query of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((OBSERVE / "grafana" / f"{name}.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= WIDTH, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["title"] and panel["description"] and panel["targets"]


def test_every_query_asks_for_series_that_somebody_exposes() -> None:
    """The harness's catalogue, the stack's own metrics, a recording rule, or Prometheus itself."""
    stack = "".join((ROOT / "services" / file).read_text() for file in ("common/metrics.py", "ha/db_node.py"))
    rules = [rule for file in RULES for rule in every_rule(file)]
    known = {"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"}
    for metric in catalogue.EVERY:
        more = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        known |= {metric.name + end for end in more}
    for name, kind in re.findall(r'"(stack_\w+)"|(Histogram)\(', stack):
        known |= {name + end for end in ("", "_bucket", "_sum", "_count")} if name and not kind else set()
    known |= {rule["record"] for rule in rules if "record" in rule}
    asked = [q.expr for board in BOARDS.values() for p in board.panels for q in p.queries]
    asked += [FAULTS, *(rule["expr"] for rule in rules)]
    for expr in asked:
        assert names(expr) and names(expr) <= known, f"{expr}: {names(expr) - known}"


def names(expr: str) -> set[str]:
    """Series that an expression asks for: words that are no label, no keyword and no function."""
    plain = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on)\s*\([^)]*\)', "", expr)
    return {w for w in re.findall(r"[A-Za-z_][\w:]*(?!\w*\s*\()", plain) if w not in KEYWORDS}


def every_rule(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def test_every_alert_says_what_happened_and_what_to_do_and_has_been_seen_firing() -> None:
    """Two annotations and a severity each; observe/prometheus/tests has each of them firing on a series."""
    tests = yaml.safe_load((OBSERVE / "prometheus" / "tests" / "rules.yml").read_text())["tests"]
    fired = {t["alertname"] for test in tests for t in test.get("alert_rule_test", ()) if t["exp_alerts"]}
    quiet = {t["alertname"] for test in tests for t in test.get("alert_rule_test", ()) if not t["exp_alerts"]}
    alerts = [rule for file in RULES for rule in every_rule(file) if "alert" in rule]
    assert {a["alert"] for a in alerts} == fired
    assert quiet <= fired and len(quiet) >= len(fired) / 2
    for alert in alerts:
        assert set(alert["annotations"]) == {"summary", "action"} and alert["labels"]["severity"] in ("page", "ticket")


def test_prometheus_scrapes_every_node_of_the_stack() -> None:
    """A node that is added to docker-compose.yml is seen; one that is removed is not waited for."""
    jobs = {job["job_name"]: job for job in yaml.safe_load((OBSERVE / "prometheus.yml").read_text())["scrape_configs"]}
    scraped = {target.split(":")[0] for target in jobs["stack"]["static_configs"][0]["targets"]}
    stack = stackfile.read(ROOT / "docker-compose.yml", "remedied")
    assert scraped == {n.name for n in stack.nodes if n.component != "prometheus"}


def test_grafana_is_provisioned_with_the_data_source_that_dashboards_name() -> None:
    """Its uid, and an address that is a node of the stack; it answers on loopback only, and strangers only look."""
    source = yaml.safe_load((OBSERVE / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    asked = {p["datasource"]["uid"] for name in BOARDS for p in panels(name) if p["type"] != "row"}
    assert asked == {source["uid"]}
    stack = stackfile.read(ROOT / "docker-compose.yml")
    assert source["url"].split("//")[1].split(":")[0] in stack.services
    beside = stackfile.beside(stack, "observe")
    (grafana,) = beside.values()
    assert [port.host for port in grafana.ports] == ["127.0.0.1"]
    assert grafana.environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert not set(beside) & set(stack.services)


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((OBSERVE / "grafana" / f"{name}.json").read_text())["panels"]
    return found
