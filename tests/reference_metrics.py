"""docs/reference/metrics.md from the code; tests/reference.py writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from chaos.observe import catalogue
from chaos.observe.metrics import PORT
from tests.wrapping import wrapped

ROOT = Path(__file__).parents[1]
RULES = ROOT / "observe" / "prometheus"
MADE = "Made from the code by `make generate`; a test compares it."


def metrics() -> str:
    lines = ["# Metrics of the harness", "", MADE, "",
             f"At http://127.0.0.1:{PORT}/metrics during a run (`--metrics-port`); the stack's own Prometheus",
             "finds them at the host's address in its network. Clients that accept OpenMetrics get exemplars too.",
             "", "Units are seconds and ratios of 0 to 1. Counters start at 0 with each run.", ""]  # fmt: skip
    for x in catalogue.EVERY:
        lines += [f"## {x.name}", f"{x.help}.", "", f"- {x.kind}{', ' + x.unit if x.unit else ''}"]
        if x.labels:
            lines.append(f"- labels: {_names(x.labels)}")
        if x.kind == "histogram":
            lines.append(f"- buckets, seconds: {', '.join(f'{b:g}' for b in _buckets(x))}")
        if x.exemplar:
            lines.append(f"- exemplars: {_names(x.exemplar)}")
        if x.needs:
            lines.append(f"- only where the experiment has `{x.needs}:`")
        lines.append("")
    lines += ["# Recording rules", "", "observe/prometheus/recording.yml, evaluated by the stack's Prometheus.", "",
              "| Series | Expression |", "|---|---|"]  # fmt: skip
    lines += [f"| `{rule['record']}` | `{_cell(rule['expr'])}` |" for rule in _rules("recording.yml")]
    lines += ["", "# Alerts", "",
              "observe/prometheus/alerts.yml. Prometheus and the *Run* dashboard show them; nothing is sent.", "",
              "| Alert | Fires when | What to do |", "|---|---|---|"]  # fmt: skip
    for rule in _rules("alerts.yml"):
        lasting = f", for {rule['for']}" if "for" in rule else ""
        name, action = f"{rule['alert']} ({rule['labels']['severity']})", rule["annotations"]["action"]
        lines.append(f"| {name} | `{_cell(rule['expr'])}`{lasting} | {action} |")
    return wrapped("\n".join(lines) + "\n")


def _buckets(metric: catalogue.Metric) -> tuple[float, ...]:
    return {catalogue.STEP: catalogue.STEP_BUCKETS, catalogue.LATENCY: catalogue.OP_BUCKETS}[metric]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]
