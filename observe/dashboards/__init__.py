"""Grafana's dashboards as code; `python -m observe.dashboards` renders them into observe/grafana/."""

from observe.dashboards import incident, run, stack
from observe.dashboards.panels import Board

BOARDS: dict[str, Board] = {"run": run.BOARD, "stack": stack.BOARD, "incident": incident.BOARD}
