"""staff-exodus: the night that is no outage, and the weeks after it in which exactly the orphans break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.stage import play


@pytest.mark.box
def test_the_night_people_left_is_no_outage(tmp_path: Path) -> None:
    """The negative control: reports rise sevenfold, service levels stay, and the verdict calls it nothing."""
    done = play(tmp_path, "run", "staff-exodus", "--short", "--target", "process", "--seed", "23")
    assert done.code == 0, done.out + done.err
    rows = {t["name"]: t for t in done.findings["facts"]}
    assert rows["report_ratio"]["measured"] == 7.0 and rows["report_ratio"]["use"] == "calibrate"
    assert abs(rows["public_success_change"]["measured"]) <= 0.01
    assert done.verdict_of("alarm slo")["summary"].startswith(
        "alarms: 0, 0 of them false; 0 of 0 outages without an alarm"
    )


@pytest.mark.box
def test_what_nobody_owns_any_more_breaks_and_nothing_else(tmp_path: Path) -> None:
    """Chores lapse; what users lose is what the roster says, until somebody has learnt the orphans."""
    done = play(tmp_path, "run", "staff-exodus-latent", "--short", "--target", "process", "--seed", "11")
    assert done.code == 0, done.out + done.err
    plan = json.loads((done.run / "plan.json").read_text())
    (exodus,) = plan["steps"]
    staff, gone = plan["extensions"]["staff"], set(exodus["params"]["leave"])
    orphans = {c for c in staff["lapse"] if set(staff["owners"][c]) <= gone}
    assert orphans and all(c in done.verdict_of("orphans lapse")["summary"] for c in orphans)
    hurt = {j for j, s in done.findings["measures"]["rto_s"].items() if s != 0.0}
    assert hurt and "bank" not in hurt
