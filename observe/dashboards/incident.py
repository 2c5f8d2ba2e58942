"""*Incident*: the replay beside the facts of its dossier."""

from observe.dashboards.panels import Board, Panel, Query

BOARD = Board(
    uid="chaos-incident",
    title="Incident",
    help="An incident that is replayed: its clock, its servers and its journeys, beside the figures of its dossier.",
    rows=(
        (
            "Clock",
            (
                Panel(
                    "Incident time", "Since the onset; a run second is `scale` incident seconds.",
                    (Query("chaos_incident_seconds", "since the onset", True),), unit="s", shape="stat",
                    width=8, height=4, needs="incident", empty="this run replays no incident",
                ),
                Panel(
                    "Servers up now", "Boot units of the plant that no fault holds.",
                    (Query("chaos_servers_up_ratio", "replay", True),), unit="percentunit", shape="stat",
                    width=8, height=4, needs="incident",
                ),
                Panel(
                    "Run", "Which run this is.", (Query("chaos_run_info", "{{run}}, {{posture}}", True),),
                    shape="names", width=8, height=4,
                ),
            ),
        ),
        (
            "Replay beside the facts",
            (
                Panel(
                    "Servers up", "The replay, and the dossier's last figure that is due by then.",
                    (Query("chaos_servers_up_ratio", "replay"), Query("chaos_fact_servers_up_ratio", "fact")),
                    unit="percentunit", least=0, most=1, width=24, needs="incident",
                ),
                Panel(
                    "Back in the replay", "When each journey was back, as a share of the incident's length.",
                    (Query("chaos_journey_return_ratio", "{{journey}}", True),), unit="percentunit", shape="bars",
                    least=0, most=1, needs="incident", empty="nobody is back yet",
                ),
                Panel(
                    "Back in fact", "The dossier's figures, low and high end.",
                    (Query("chaos_fact_return_ratio", "{{journey}}, {{bound}}", True),), unit="percentunit",
                    shape="bars", least=0, most=1, needs="incident",
                    empty="the dossier has no figure for these settings",
                ),
                Panel(
                    "Replay less fact", "Of journeys that are back: how much later than the fact's high end, as a "
                    "share of the incident's length. Below 0: sooner.",
                    (Query('chaos_journey_return_ratio - on (journey) chaos_fact_return_ratio{bound="high"}',
                           "{{journey}}"),),
                    unit="percentunit", width=24, needs="incident", empty="nobody is back yet",
                ),
            ),
        ),
        (
            "Users meanwhile",
            (
                Panel(
                    "Success by journey", "Operations that went well, of those that ended in the last two seconds.",
                    (Query("chaos_journey_success_ratio", "{{journey}}"),), unit="percentunit", least=0, most=1,
                ),
                Panel(
                    "Nodes up by zone", "That Prometheus reaches.", (Query("zone:up:sum", "zone {{zone}}"),), least=0,
                ),
            ),
        ),
    ),
)  # fmt: skip
