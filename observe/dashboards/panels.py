"""A dashboard in our words (panels, their queries and where they stand), and the same in Grafana's, by its SDK."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models

PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="chaos-prometheus")  # as provisioned
GRAFANA = models.DataSourceRef(type_val="grafana", uid="-- Grafana --")
FAULTS = "max by (fault, step, zone) (chaos_fault_active) > 0 unless on () (chaos_grafana_annotated == 1)"
# How Grafana's Prometheus puts that in words; the SDK has no type for these keys of an annotation query.
SPOKEN = {"titleFormat": "{{step}}: {{fault}}", "textFormat": "zone {{zone}}", "tagKeys": "fault,zone", "step": "2s"}
WIDTH = 24  # of Grafana's grid

Shape = Literal["lines", "stat", "names", "bars", "states"]
Needs = Literal["", "incident", "people"]


@dataclass(frozen=True)
class Query:
    expr: str  # plain PromQL: what Grafana asks is what a test asks
    legend: str = ""
    now: bool = False  # asked for this moment, not for a stretch of time


@dataclass(frozen=True)
class Panel:
    title: str
    help: str
    queries: tuple[Query, ...]
    unit: str = "short"  # Grafana's name of it: percentunit, s, reqps, bytes
    shape: Shape = "lines"
    width: int = 12
    height: int = 8
    least: float | None = None
    most: float | None = None
    needs: Needs = ""  # what a run must have for it to show anything
    good: float | None = None  # a stat is green from here on, red below
    empty: str = "none"


@dataclass(frozen=True)
class Board:
    uid: str
    title: str
    help: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for _, panels in self.rows for panel in panels)


def rendered(board: Board) -> str:
    """The dashboard's JSON, with sorted keys: the same board gives the same bytes."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.help)
        .tags(["chaos"])
        .timezone("browser")
        .time("now-5m", "now")
        .refresh("2s")
        .timepicker(dashboard.TimePicker().refresh_intervals(["2s", "5s", "10s", "1m"]))
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .annotation(_drawn())
        .annotation(_written())
        .link(_links())
    )
    y, ids = 0, itertools.count(1)
    for title, panels in board.rows:
        made.with_row(dashboard.Row(title).id(next(ids)).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=y)))
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            at = models.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            made.with_panel(_panel(panel).id(next(ids)).grid_pos(at))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    plain = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    plain["annotations"]["list"][0] |= SPOKEN
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _panel(panel: Panel) -> Any:
    """Width, height and place are the caller's."""
    made = _SHAPES[panel.shape](panel)
    made.title(panel.title).description(panel.help).datasource(PROMETHEUS).unit(panel.unit).no_value(panel.empty)
    if panel.least is not None:
        made.min(panel.least)
    if panel.most is not None:
        made.max(panel.most)
    for query, ref in zip(panel.queries, "ABCDEF", strict=False):
        asked = prometheus.Dataquery().ref_id(ref).expr(query.expr).legend_format(query.legend or "__auto")
        asked.datasource(PROMETHEUS)
        made.with_target(asked.instant() if query.now else asked.range())
    return made


def _lines(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).placement(kinds.LegendPlacement.RIGHT)
    tooltip = common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)
    made = timeseries.Panel().legend(legend.display_mode(kinds.LegendDisplayMode.LIST)).tooltip(tooltip)
    return made.line_width(2).fill_opacity(0).show_points(kinds.VisibilityMode.NEVER).interval("2s")


def _stat(panel: Panel) -> stat.Panel:
    made = stat.Panel().reduce_options(_last()).graph_mode(kinds.BigValueGraphMode.NONE)
    made.text_mode(kinds.BigValueTextMode.VALUE_AND_NAME).color_mode(kinds.BigValueColorMode.VALUE)
    return made.thresholds(_thresholds(panel.good))


def _names(panel: Panel) -> stat.Panel:
    return _stat(panel).text_mode(kinds.BigValueTextMode.NAME)


def _bars(panel: Panel) -> bargauge.Panel:
    made = bargauge.Panel().reduce_options(_last()).orientation(kinds.VizOrientation.HORIZONTAL)
    return made.display_mode(kinds.BarGaugeDisplayMode.BASIC).thresholds(_thresholds(panel.good))


def _states(panel: Panel) -> statetimeline.Panel:
    made = statetimeline.Panel().line_width(0).fill_opacity(70).row_height(0.8)
    made.merge_values(True).show_value(kinds.VisibilityMode.NEVER)
    bad = models.Threshold(value=0.5, color="red")
    steps = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    made.thresholds(steps.steps([models.Threshold(value=None, color="green"), bad]))
    return made.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)).interval("2s")


_SHAPES: dict[Shape, Any] = {"lines": _lines, "stat": _stat, "names": _names, "bars": _bars, "states": _states}


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _thresholds(good: float | None) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color="text" if good is None else "red")]
    if good is not None:
        steps.append(models.Threshold(value=good, color="green"))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _drawn() -> dashboard.AnnotationQuery:
    """Faults as the metric has them, where nobody writes annotations."""
    return (
        dashboard.AnnotationQuery()
        .name("Faults, by metric")
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color("red")
        .expr(FAULTS)
    )


def _written() -> dashboard.AnnotationQuery:
    """Faults as the harness wrote them through Grafana's API."""
    target = dashboard.AnnotationTarget().limit(100).match_any(False).tags(["chaos", "fault"]).type("tags")
    return (
        dashboard.AnnotationQuery()
        .name("Faults, as written")
        .datasource(GRAFANA)
        .enable(True)
        .icon_color("orange")
        .target(target)
    )


def _links() -> dashboard.DashboardLink:
    """From each of our dashboards to the others, at the same time."""
    link = dashboard.DashboardLink("chaos").type(models.DashboardLinkType.DASHBOARDS).tags(["chaos"])
    return link.as_dropdown(False).keep_time(True).icon("external link").tooltip("").url("")
