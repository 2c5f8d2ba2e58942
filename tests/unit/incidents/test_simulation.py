"""A site by simulation: servers one by one, users in counts, every figure from the mechanism and the seed."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.cli import main
from chaos.cli import simulate as simulate_cli
from chaos.incidents import file as dossiers
from chaos.incidents.plant import boots
from chaos.incidents.report import simulation as report
from chaos.incidents.report import simulation_page
from chaos.incidents.report.beside import beside
from chaos.incidents.report.simulation import Told
from chaos.incidents.simulation import file as simulations
from chaos.incidents.simulation.model import Result, simulate
from chaos.incidents.simulation.model.scene import Component, Scene
from chaos.judge.measures.calibration import Measured, calibration
from chaos.model import Event
from tests.messages import Says
from tests.unit.cli.test_commands import refusal
from tests.unit.histories import act, every, journal, op

np = pytest.importorskip("numpy")
ROOT = Path(__file__).parents[3]


def scene(**changes: Any) -> Scene:
    """Ten hours of a hundred servers: dark at 1 h, power at 2 h, fifty boot an hour; text has a copy, mail has none."""
    made = Scene(
        hours=10.0, servers=100, units=10, lanes=1, boot_per_hour=50.0, boot_spread=0.0,
        power=[(2.0, 0.0), (2.0001, 1.0)], blows=[(1.0, 1.0)],
        components={
            "chat": Component(1.0, 5, copy=True), "disk": Component(1.0, 10), "files": Component(1.0, 10, True, True),
            "bank": Component(),
        },
        services={"text": ["chat"], "mail": ["disk", "chat"], "files": ["files"], "bank": ["bank"]},
        by_hand={"chat": 2.5}, tool_lives=False, failover_s=36.0, promote_s=36.0, start_s=0.0, users=100_000,
        crowd="text", ops_per_user_hour=60.0, reconnect_cost=1.75, tries=3, retry_s=30.0, retry_most_s=300.0,
        utilisation=0.5, spare_capacity=2.0, third_party="mail", token_hours=6.0,
    )  # fmt: skip
    return replace(made, **changes)


def one(**changes: Any) -> Result:
    return simulate([scene(**changes)], 7, 60.0)[0]


def test_each_server_waits_for_its_power_and_its_lane() -> None:
    """Boot times may differ by server; one number is the same for all."""
    power = [(10.0, 0.0), (20.0, 1.0)]
    assert boots(4, [1.0, 5.0, 1.0, 1.0], 2, power) == [13.5, 20.0, 18.5, 21.0]
    assert boots(4, 2.0, 1, power) == boots(4, [2.0] * 4, 1, power)


def test_a_service_returns_where_what_it_needs_is_first() -> None:
    """People promote at 2.5 h; what has no copy waits for its unit; a copy that serves at once is not missed."""
    r = one()
    assert r.back["text"] == pytest.approx(2.51) and r.elsewhere["text"]
    assert r.back["mail"] == pytest.approx(4.0, abs=0.01) and not r.elsewhere["mail"]
    assert r.dark["files"] == [] and r.dark["bank"] == [] and r.lost["bank"] is None
    ((out, back),) = r.dark["mail"]
    assert out == 1.0 and back == pytest.approx(4.0, abs=0.01)


def test_a_tool_that_lives_promotes_within_its_seconds() -> None:
    """36 s are a hundredth of an hour."""
    r = one(tool_lives=True)
    assert r.back["text"] == pytest.approx(1.01) and r.back["mail"] == pytest.approx(4.0, abs=0.01)


def test_without_anybody_to_promote_a_copy_is_worth_nothing() -> None:
    """Then text comes with its boot unit, as if it had no copy."""
    r = one(by_hand={})
    assert r.back["text"] == pytest.approx(3.0, abs=0.01) and not r.elsewhere["text"]


def test_servers_go_with_the_blow_and_come_with_the_lanes() -> None:
    """None at 1.5 h; fifty an hour from 2 h on; two lanes take half the time."""
    r, twice = one(), one(lanes=2)
    assert [r.servers_at(t) for t in (0.99, 1.0, 2.0, 3.001, 9.0)] == [1.0, 0.0, 0.0, 0.5, 1.0]
    assert twice.up[-1] - 2.0 == pytest.approx((r.up[-1] - 2.0) / 2, abs=0.01)


def test_lanes_gain_nothing_behind_the_power_gate() -> None:
    """The last server has power at 8 h, whoever waits to boot it."""
    gate = [(2.0, 0.0), (3.0, 0.5), (8.0, 1.0)]
    assert one(power=gate, lanes=50).up[-1] == pytest.approx(one(power=gate, lanes=5).up[-1], abs=0.1)
    assert one(power=gate, lanes=50).up[-1] > 8.0


def test_users_lose_their_connection_and_come_back() -> None:
    """Nobody is served in the dark; all are once the copy has the room."""
    c = one().curve
    assert c.connected[0] == 1.0 and c.served[2] == 0.0 and c.connected[2] < 0.001
    assert c.connected[5] > 0.999 and c.served[6] == pytest.approx(1.0, abs=0.01)
    assert c.peak_attempts > 100 and c.well is not None and 2.5 < c.well < 4.0


@pytest.mark.parametrize(("spare", "fails"), [(0.0, True), (0.25, True), (0.5, True), (1.0, False)])
def test_errors_after_the_failover_vanish_with_the_lost_share_to_spare(spare: float, fails: bool) -> None:
    """With the site dark to the end, what the others have to spare decides."""
    dark = [(9.9, 0.0), (20.0, 1.0)]
    c = one(spare_capacity=spare, power=dark).curve
    assert (1 - c.served[8] > 0.02) is fails
    assert c.served[8] <= spare + 0.02


def test_one_seed_gives_one_curve_and_another_gives_another() -> None:
    """The same numbers twice, whoever is simulated beside it."""
    spread = scene(boot_spread=0.3)
    alone, again, other = (simulate([spread], seed, 60.0)[0] for seed in (7, 7, 8))
    assert alone.curve == again.curve and alone.up == again.up
    assert alone.curve != other.curve and alone.up != other.up
    assert sum(alone.up) / 100 == pytest.approx(sum(one().up) / 100, rel=0.1)


def test_what_is_away_for_less_than_a_tick_is_missed_for_that_long() -> None:
    """Three seconds without anybody are three seconds of users who try again."""
    c = simulate([scene(tool_lives=True, failover_s=3.0, utilisation=1.0, spare_capacity=1.0)], 7, 10.0)[0].curve
    assert 0 < c.peak_attempts < 1000 and 0.98 < c.connected[2] < 1.0 and c.connected[5] > 0.999


@given(
    st.lists(
        st.tuples(st.integers(0, 10**8), st.floats(0, 1e8), st.integers(1, 5), st.floats(0, 1e9)),
        min_size=1,
        max_size=5,
    )
)
def test_what_finds_room_fills_the_room(cases: list[tuple[int, float, int, float]]) -> None:
    """A share; all of it where there is room enough; else the room is used, and never more than that."""
    from chaos.incidents.simulation.model.crowd import room_found

    asked, work, tries, room = (np.array(x) for x in zip(*cases, strict=True))
    found = room_found(asked, work, tries, room)
    used = asked * (1 - (1 - found) ** tries) + work * found
    assert ((found >= 0) & (found <= 1)).all()
    assert (used <= np.minimum(room, asked + work) * 1.001 + 1e-3).all()
    assert (used >= np.minimum(room, asked + work) * 0.97 - 1e-3).all()


def test_third_party_users_stay_in_until_their_log_in_runs_out() -> None:
    """Six hours of token: half are out three hours after nobody could renew, and all are back with the service."""
    r = one(power=[(4.0, 0.0), (4.001, 1.0)])
    assert r.third_party[:5] == [1.0, 1.0, pytest.approx(5 / 6), pytest.approx(4 / 6), pytest.approx(3 / 6)]
    assert r.third_party[8] == 1.0


# --- from the project's own files


def setting(posture: str, measured: dict[str, float] | None = None, **sets: str) -> simulations.Setting:
    found = simulations.read(ROOT, "kakao-2022-10-15")
    dossier = dossiers.read(dossiers.path(ROOT, "kakao-2022-10-15"))
    texts = tuple(f"{k}={v}" for k, v in sets.items())
    ran = {k: (Measured(v, 3), "runs/zone-fire/x") for k, v in (measured or {}).items()}
    return simulate_cli.setting(ROOT / "docker-compose.yml", found, dossier, 7, posture, texts, {}, ran)


@functools.cache
def told(posture: str, **sets: str) -> Told:
    made = setting(posture, None, **sets)
    small = replace(simulations.scene(made, 1_000_000, 3200), boot_per_hour=98.6)
    result = simulate([small], 7, 600.0)[0]  # what is looked at are servers and services
    rows = beside(result, made.dossier, made.plan.settings, frozenset({"order_of_return"}))
    given = [(g.name, g.value, g.source) for g in simulations.given(made, small)]
    return Told(made.dossier, result, rows, given, [], 7, "chaos simulate x")


def test_the_fire_is_simulated_from_its_own_experiment() -> None:
    """Facts that set it are reproduced, the others come out; the bank in zone c notices nothing."""
    rows = {row.name: row for row in told("as-was").rows}
    assert {n: r.standing for n, r in rows.items()} == {
        "text_return_fraction": "reproduced", "login3p_return_fraction": "reproduced",
        "media_return_fraction": "reproduced", "mail_return_fraction": "reproduced",
        "servers_back_at_f_0.174": "reproduced", "order_of_return": "reproduced",
        "boot_servers_per_hour": "input", "power_restored_by_hour": "input",
        "servers_back_at_f_0.694": "as predicted", "unreplicated_after_text": "as predicted",
        "bank_core_loss": "untouched",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("knobs", "text", "mail"),
    [
        ({}, "by hand", "site"),
        ({"data_replicated": "true"}, "by hand", "by hand"),
        ({"tools_replicated": "true"}, "tool", "site"),
        ({"tools_replicated": "true", "data_replicated": "true"}, "tool", "tool"),
    ],
)
def test_tools_and_data_decide_together(knobs: dict[str, str], text: str, mail: str) -> None:
    """The weakest link: mail needs its data elsewhere and somebody to promote what it stands on."""
    spans = {"tool": (0.5, 2.0), "by hand": (9.9, 10.1), "site": (80.0, 90.0)}
    back = told("as-was", **knobs).result.back
    assert spans[text][0] < back["text"] < spans[text][1] and spans[mail][0] < back["mail"] < spans[mail][1]


def test_a_burnt_copy_would_miss_its_prediction() -> None:
    """The planted bug: mail that comes back with text although its data burned."""
    made = told("as-was")
    wrong = replace(made.result, back={**made.result.back, "mail": made.result.back["text"]})
    rows = {r.name: r.standing for r in beside(wrong, made.dossier, setting("as-was").plan.settings, frozenset())}
    assert rows["unreplicated_after_text"] == "MISSED" and rows["order_of_return"] == "MISSED"
    assert rows["mail_return_fraction"] == "NOT reproduced"


def test_everything_it_stands_on_says_where_it_is_from() -> None:
    """Assumed, measured by a run, or set by hand; the command line wins over a run."""
    made = setting("as-was", {"op_ms": 5.0, "start_s": 2.0}, start_s="9")
    lines = {g.name: (g.value, g.source) for g in simulations.given(made, simulations.scene(made, 10))}
    assert lines["op_ms"] == (5.0, "measured by runs/zone-fire/x (median of 3)")
    assert lines["start_s"] == (9, "the command line") and lines["tries"] == (3, "assumed")
    assert lines["the promoting tool"] == ("is lost", "the stack, as-was")


def test_reports_hold_the_same_figures_and_the_same_bytes() -> None:
    """Terminal, JSON and page; nothing of a clock or a machine in them."""
    first, again = told("as-was"), told.__wrapped__("as-was")
    text = report.render(first, width=120)
    assert text == report.render(again, width=120) and simulation_page.render(first) == simulation_page.render(again)
    assert max(map(len, text.splitlines())) <= 120 and "\x1b" not in text
    document = report.document(first)
    assert len(document["hours"]) == 128 and document["services"]["bank"]["lost"] is None
    assert "mail return fraction" in text and "<svg" in simulation_page.render(first)


def test_a_run_calibrates_with_what_it_measured() -> None:
    """Service times before the first fault; from the unit's heal to the healthy answer; the operators' promotion."""
    ops = [*every(0.5, -10, 0, took=0.02), *every(1, -10, 0, journey="login", took=0.08), op(3, took=5.0)]
    events = [
        Event(0.0, "fault.inject", "blow", {"nodes": ["chat-a"]}),
        Event(0.0, "fault.active", "blow", {"nodes": ["chat-a"]}),
        Event(5.0, "operator.start", "promote-1", {}),
        Event(5.4, "operator.done", "promote-1", {}),
        Event(10.0, "fault.heal", "blow", {"nodes": ["chat-a"], "unit": 3}),
        Event(11.5, "node.up", "chat-a", {}),
    ]
    found = calibration(journal(ops, events, acts=(act("promote-1", 5.0),)), "text", "login")
    assert found == {
        "op_ms": Measured(20.0, 20), "login_ms": Measured(80.0, 10), "start_s": Measured(1.5, 1),
        "promote_s": Measured(0.4, 1),
    }  # fmt: skip


def test_failover_is_measured_where_no_operator_acted() -> None:
    """The outage of a run that the stack ended itself; None that never came back."""
    ops = [*every(0.1, -10, 0), *every(0.1, 0, 3, result="info"), *every(0.1, 3, 20)]
    assert calibration(journal(ops), "text", "login")["failover_s"] == Measured(3.0, 1)
    assert "failover_s" not in calibration(journal(ops, acts=(act("promote-1", 1.0),)), "text", "login")


@pytest.mark.parametrize(
    "args",
    [
        ("kakao-2022-10-1",),
        ("twitter-2022-12-28",),
        ("kakao-2022-10-15", "--servers", "31"),
        ("kakao-2022-10-15", "--servers", "1e9"),
        ("kakao-2022-10-15", "--users", "many"),
        ("kakao-2022-10-15", "--set", "boot_lane=2"),
        ("kakao-2022-10-15", "--set", "utilisation=0"),
        ("kakao-2022-10-15", "--set", "tries=1.5"),
        ("kakao-2022-10-15", "--calibrate", "nothing-such", "--runs", "none"),
    ],
    ids=str,
)
def test_wrong_use_is_said_in_words(
    args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """What was found, what was expected; exit 64."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as e:
        main(("simulate", *args))
    assert e.value.code == 64
    says(refusal(capsys))


def test_a_scene_never_returns_before_it_was_lost() -> None:
    """For every service of the fire, in both postures."""
    for posture in ("as-was", "remedied"):
        r = told(posture).result
        assert all(gone is None or gone <= r.back[s] < math.inf for s, gone in r.lost.items() if s in r.back)
