"""logout-storm on real sessions in a real Valkey, as it was; remedied it is in the nightly suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.stage import play

pytestmark = pytest.mark.box


def test_as_was_web_users_are_thrown_out_and_the_app_shows_old_content(tmp_path: Path) -> None:
    """PASS with known gaps: pages work by the formula, tokens are kept, the status page says nothing."""
    done = play(tmp_path, "run", "logout-storm", "--short", "--posture", "as-was", "--target", "process")
    assert done.code == 0, done.out + done.err
    rows = {row["name"]: row for row in done.findings["facts"]}
    assert rows["web_page_success"]["measured"] == pytest.approx(0.7**5, abs=0.05)
    assert rows["app_session_kept"]["holds"] and rows["status_page_recall"]["measured"] == 0
    assert rows["shares_japan"]["holds"] and rows["shares_united_states"]["holds"]
    measures = done.findings["measures"]
    web = measures["sessions"]["web"]
    assert web["kept"] < 0.1 and web["thrown_out_at_once"] > 50 and web["refused_as_too_many"] > 0
    assert measures["staleness"]["refresh"]["during"]["most_s"] * 450 / 3600 > 23
    gaps = {f["check"] for f in done.findings["findings"] if f["xfail"]}
    assert gaps == {"sessions web", "availability page", "recovery page", "staleness refresh"}
