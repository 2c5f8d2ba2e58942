"""*Run*: what users meet, which faults are in force, and the verdict."""

from observe.dashboards.panels import Board, Panel, Query

BOARD = Board(
    uid="chaos-run",
    title="Run",
    help="One run: success and latency of each journey, active faults, outage reports, error budget, zones.",
    rows=(
        (
            "Now",
            (
                Panel(
                    "Run", "Which run this is.", (Query("chaos_run_info", "{{run}}, {{target}}, {{posture}}", True),),
                    shape="names", width=8, height=4,
                ),
                Panel(
                    "Phase", "up, steady, timeline, recover, readback, down.",
                    (Query("chaos_phase == 1", "{{phase}}", True),), shape="names", width=4, height=4,
                ),
                Panel(
                    "Verdict", "1 at what the run came to; all 0 until it is judged.",
                    (Query("chaos_verdict", "{{verdict}}", True),), shape="stat", width=12, height=4,
                ),
            ),
        ),
        (
            "Users",
            (
                Panel(
                    "Success by journey", "Operations that went well, of those that ended in the last two seconds.",
                    (Query("chaos_journey_success_ratio", "{{journey}}"),), unit="percentunit", least=0, most=1,
                ),
                Panel(
                    "Latency by journey, p99", "From the intended start, over ten seconds: waiting to be sent counts.",
                    (Query("journey:chaos_op_seconds:p99_10s", "{{journey}}"),), unit="s", least=0,
                ),
                Panel(
                    "Operations a second", "That ended, over ten seconds.",
                    (Query("journey:chaos_ops:rate10s", "{{journey}}"),), unit="ops", least=0,
                ),
                Panel(
                    "Latency by journey, median", "From the intended start, over ten seconds.",
                    (Query("journey:chaos_op_seconds:p50_10s", "{{journey}}"),), unit="s", least=0,
                ),
                Panel(
                    "Error budget", "What is left of the one percent that may fail in a run; below 0 it is overdrawn.",
                    (Query("journey:chaos_error_budget:ratio", "{{journey}}", True),),
                    unit="percentunit", shape="bars", most=1, good=0,
                ),
                Panel(
                    "Time to recovery", "From a journey's first failed operation to its return; grows until then.",
                    (Query("chaos_rto_seconds", "{{journey}}"),), unit="s", least=0,
                ),
                Panel(
                    "Outage reports", "Filed a minute, by region and line of its form: a model of people, to be read "
                    "beside the success above.",
                    (Query("60 * sum by (region, category) (rate(chaos_reports_total[10s]))",
                           "{{region}} {{category}}"),),
                    least=0, width=24, needs="people", empty="nobody reports in this experiment",
                ),
            ),
        ),
        (
            "Faults and zones",
            (
                Panel(
                    "Active faults", "Red while a fault is in force on a node.",
                    (Query("max by (step, fault, node) (chaos_fault_active)", "{{step}}: {{fault}} {{node}}"),),
                    shape="states", empty="no fault yet",
                ),
                Panel(
                    "Nodes up by zone", "That Prometheus reaches. It stands in zone c: what is cut off from it counts "
                    "as down.", (Query("zone:up:sum", "zone {{zone}}"),), least=0,
                ),
                Panel(
                    "How long steps take", "inject: until confirmed; active: until its last heal; heal: each heal.",
                    (Query("chaos_step_seconds_sum / chaos_step_seconds_count", "{{fault}} {{part}}", True),),
                    unit="s", shape="bars", empty="no fault yet",
                ),
                Panel(
                    "Alerts", "Of the stack's own monitoring: how soon it notices.",
                    (Query('count by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}"),),
                    least=0, empty="none fires",
                ),
            ),
        ),
    ),
)  # fmt: skip
