"""*Stack*: each component's rate, errors, latency and saturation."""

from observe.dashboards.panels import Board, Panel, Query

BOARD = Board(
    uid="chaos-stack",
    title="Stack",
    help="The system under test: rate, errors, latency and saturation of each component.",
    rows=(
        (
            "Rate, errors, latency",
            (
                Panel(
                    "Requests a second", "Answered, over ten seconds.",
                    (Query("component:stack_requests:rate10s", "{{component}}"),), unit="reqps", least=0,
                ),
                Panel(
                    "Errors", "Answers of 5xx, as a share.",
                    (Query("component:stack_requests_failed:ratio10s", "{{component}}"),),
                    unit="percentunit", least=0, most=1,
                ),
                Panel(
                    "Latency, p99", "Over ten seconds.",
                    (Query("component:stack_request_seconds:p99_10s", "{{component}}"),), unit="s", least=0,
                ),
                Panel(
                    "Latency, median", "Over ten seconds.",
                    (Query("component:stack_request_seconds:p50_10s", "{{component}}"),), unit="s", least=0,
                ),
            ),
        ),
        (
            "Saturation",
            (
                Panel(
                    "Processor", "Cores in use.",
                    (Query("component:process_cpu_seconds:rate10s", "{{component}}"),), unit="none", least=0,
                ),
                Panel(
                    "Memory", "Resident.",
                    (Query('sum by (component) (process_resident_memory_bytes{job="stack"})', "{{component}}"),),
                    unit="bytes", least=0,
                ),
                Panel(
                    "Connection pools", "Connections in use, of those that are open.",
                    (Query("max by (component, dependency) (stack_pool_used / (stack_pool_size > 0))",
                           "{{component}} to {{dependency}}"),),
                    unit="percentunit", least=0, most=1,
                ),
                Panel(
                    "Background work waiting", "Notifications and copies that are still owed.",
                    (Query("sum by (component, queue) (stack_queue_length)", "{{component}}: {{queue}}"),), least=0,
                ),
            ),
        ),
        (
            "Dependencies and databases",
            (
                Panel(
                    "Failed calls a second", "By who called whom.",
                    (Query('sum by (component, dependency) (rate(stack_dependency_calls_total{result!="ok"}[10s])) '
                           "or 0 * sum by (component, dependency) (rate(stack_dependency_calls_total[10s]))",
                           "{{component}} to {{dependency}}"),),
                    unit="reqps", least=0,
                ),
                Panel(
                    "Latency of calls, p99", "By who called whom, over ten seconds.",
                    (Query("histogram_quantile(0.99, sum by (component, dependency, le) "
                           "(rate(stack_dependency_seconds_bucket[10s])))", "{{component}} to {{dependency}}"),),
                    unit="s", least=0,
                ),
                Panel(
                    "Primary", "1 while the node's database accepts writes: two of one kind are a split brain.",
                    (Query("max by (node) (stack_database_primary)", "{{node}}"),), least=0, most=1,
                ),
                Panel(
                    "Serving", "Programs that serve, by component; a standby does not.",
                    (Query("sum by (component) (stack_active)", "{{component}}"),), least=0,
                ),
            ),
        ),
    ),
)  # fmt: skip
