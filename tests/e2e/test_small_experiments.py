"""Two of the small experiments as people run them: one whose check must not be fooled, one that found a bug."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.stage import play

SHORT = ("--short", "--target", "process", "--seed", "11")


@pytest.mark.box
def test_a_zone_that_is_cut_off_makes_no_second_primary(tmp_path: Path) -> None:
    """Both sides were asked all the time, one primary at most was seen, and nothing that was acknowledged is lost."""
    done = play(tmp_path, "run", "zone-partition", *SHORT)
    assert done.code == 0, done.out + done.err
    assert "of all nodes together" in done.verdict_of("metrics postgres")["summary"]
    assert done.findings["measures"]["delivery"]["acked"] > 100


@pytest.mark.box
def test_a_full_disk_is_left_for_the_twin_s(tmp_path: Path) -> None:
    """Files are taken elsewhere within 3 s; they were refused as long as the disk was full."""
    done = play(tmp_path, "run", "disk-full", *SHORT)
    assert done.code == 0, done.out + done.err
    assert done.findings["measures"]["rto_s"]["text"] == 0.0
