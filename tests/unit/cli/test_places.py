"""Where a command works, seen from outside: a box that is gone holds no stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaos.errors import ChaosError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.place import standing
from chaos.run import handover
from chaos.targets import procfs
from tests.messages import Says

ROOT = Path(__file__).parents[3]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that `chaos up` left standing, by a box whose pid means nothing in here."""
    file = tmp_path / "docker-compose.yml"
    file.write_text((ROOT / "docker-compose.yml").read_text())
    found = stackfile.read(file)
    standing.write(found, "process")
    outside = {"kind": "box", "pid": 2**22 + 1, "started": 1, "folder": "/mnt", "boot": procfs.boot()}
    (tmp_path / standing.STATE / "box.json").write_text(json.dumps(outside))
    monkeypatch.delenv(handover.VARIABLE, raising=False)
    monkeypatch.delenv("CHAOS_BOX", raising=False)
    return found


def test_a_box_that_is_gone_holds_nothing(stack: Stack) -> None:
    """What of it stands in the files is no stack; tests/contract/test_box.py has what is seen from inside."""
    assert standing.read(stack.root, "process") is None


def test_what_stands_is_not_written_over_what_a_link_leads_to(stack: Stack, tmp_path: Path) -> None:
    """The link may have come with the stack's files."""
    precious = tmp_path / "precious"
    precious.write_text("words\n", encoding="utf-8")
    (stack.root / standing.STATE / "process.json.new").symlink_to(precious)
    standing.write(stack, "process")
    assert precious.read_text(encoding="utf-8") == "words\n"
    assert (stack.root / standing.STATE / "process.json").stat().st_mode & 0o777 == 0o600


def test_what_stands_is_written_down_whole_or_not_at_all(stack: Stack, says: Says) -> None:
    """A disk that is full, or a folder of somebody else's, is said; what was written before is still there."""
    state = stack.root / standing.STATE
    before = (state / "process.json").read_bytes()
    (state / "process.json.new").mkdir()
    with says.raises(ChaosError):
        standing.write(stack, "process")
    assert (state / "process.json").read_bytes() == before
    standing.forget(stack.root, "process")
    standing.forget(stack.root, "process")
    assert not (state / "process.json").exists()
