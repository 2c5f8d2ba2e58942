"""One of the small experiments as people run them, whose check must not be fooled; more are in the nightly suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.stage import play


@pytest.mark.box
def test_a_zone_that_is_cut_off_makes_no_second_primary(tmp_path: Path) -> None:
    """Both sides were asked all the time, one primary at most was seen, and nothing that was acknowledged is lost."""
    done = play(tmp_path, "run", "zone-partition", "--short", "--target", "process", "--seed", "11")
    assert done.code == 0, done.out + done.err
    assert "of all nodes together" in done.verdict_of("metrics postgres")["summary"]
    assert done.findings["measures"]["delivery"]["acked"] > 100
