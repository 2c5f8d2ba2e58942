"""Where a command works, seen from inside a box: what stands there is found, and who heals it if the harness dies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaos import stackfile
from chaos.cli import targets
from chaos.stackfile import Stack
from chaos.targets import box

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that `chaos up` left standing, by a box whose pid means nothing in here."""
    file = tmp_path / "docker-compose.yml"
    file.write_text((ROOT / "docker-compose.yml").read_text())
    found = stackfile.read(file)
    targets.write_standing(found, "process")
    outside = {"kind": "box", "pid": 2**22 + 1, "started": 1, "folder": "/mnt", "boot": box._boot()}
    (tmp_path / targets.STATE / "box.json").write_text(json.dumps(outside))
    monkeypatch.delenv(targets.STANDING, raising=False)
    monkeypatch.delenv("CHAOS_BOX_KIND", raising=False)
    return found


def test_the_stack_that_stands_is_found_from_inside_its_box(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pids are others there, so that of box.json is not asked; from outside a box that is gone holds nothing."""
    assert targets.read_standing(stack.root, "process") is None
    monkeypatch.setenv("CHAOS_BOX_KIND", "box")
    assert targets.read_standing(stack.root, "process") == dict(stack.settings)


def test_a_standing_box_is_healed_in_the_harness_place_and_one_of_our_own_is_not(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has somebody's stack in it, the second ends with us."""
    monkeypatch.setenv("CHAOS_BOX_KIND", "box")
    with targets.place("process", stack) as place:
        assert place.owned and not place.guarded_by
    monkeypatch.setenv(targets.STANDING, "1")
    with targets.place("process", stack) as place:
        assert not place.owned
        assert list(place.guarded_by[1:]) == [
            "-m", "chaos", "heal", "--target", "process", "--stack", str(stack.path),
        ]  # fmt: skip
