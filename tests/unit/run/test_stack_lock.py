"""Who holds a stack is known, nobody else does, and one that was killed is known to the next."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.errors import StackInUse, TargetError
from chaos.run import handover, stack_lock
from chaos.run.handover import Handover
from chaos.run.stack_lock import Holder, held
from tests.messages import Says


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(handover.VARIABLE, raising=False)
    return tmp_path / ".chaos"


def give(monkeypatch: pytest.MonkeyPatch, what: Handover) -> None:
    """From now on this process is one that was given it."""
    for name, text in what.environment.items():
        monkeypatch.setenv(name, text)


def killed(folder: Path, what: str, run: str = "") -> None:
    """A command that held the lock and whose processes are gone: the kernel releases, nobody empties the record."""
    block = held(folder, "compose", what)
    lock = block.__enter__()
    if run:
        lock.tell(Path(run))
    lock.hand_over()
    block.__exit__(None, None, None)


def record(folder: Path) -> Holder | None:
    descriptor = os.open(folder / "compose.lock", os.O_RDONLY)
    try:
        return stack_lock.read_holder(descriptor)
    finally:
        os.close(descriptor)


def test_a_second_command_is_refused_and_told_who_holds_the_stack(folder: Path, says: Says) -> None:
    """Exit code 75, as for a halt: nothing is wrong with the command, it may be tried later."""
    with held(folder, "compose", "chaos run one") as lock:
        lock.tell(Path("/runs/one"))
        with pytest.raises(StackInUse) as e, held(folder, "compose", "chaos run two"):
            pass
        found = stack_lock.holder(folder, "compose")
    assert e.value.exit_code == 75
    assert found and e.value.holder == found
    assert (found.pid, found.what, found.run) == (os.getpid(), "chaos run one", "/runs/one")
    says(e.value, pid=os.getpid(), since=found.since)
    with held(folder, "compose", "chaos run two") as lock:
        assert lock.left is None
    assert stack_lock.holder(folder, "compose") is None and record(folder) is None


def test_each_target_has_a_lock_of_its_own(folder: Path) -> None:
    """A stack may stand in a box and in containers at once."""
    with held(folder, "compose", "chaos run one"), held(folder, "process", "chaos run two") as lock:
        assert lock.left is None


def test_the_next_holder_learns_who_was_killed_until_it_has_cleared_up(folder: Path) -> None:
    """Also when the next one is killed before, or ends without having cleared up."""
    killed(folder, "chaos run one", "/runs/one")
    with held(folder, "compose", "chaos heal") as lock:
        assert lock.left and (lock.left.what, lock.left.run) == ("chaos run one", "/runs/one")
    with held(folder, "compose", "chaos heal") as lock:
        assert lock.left and lock.left.what == "chaos run one", "the first heal did not succeed"
        lock.cleared()
        assert lock.left is None
    with held(folder, "compose", "chaos run two") as lock:
        assert lock.left is None
    killed(folder, "chaos run two")
    killed(folder, "chaos run three")
    with held(folder, "compose", "chaos up") as lock:
        assert lock.left and lock.left.what == "chaos run three"


def test_the_part_of_a_run_in_a_box_holds_what_its_run_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is there until both have let go, and the record says what was left before."""
    killed(folder, "chaos run one")
    with held(folder, "compose", "chaos run two") as outer:
        descriptor = os.dup(outer.descriptor)
        give(monkeypatch, Handover(lock=descriptor))
        with held(folder, "compose", "chaos run two") as inner:
            assert inner.left and inner.left.what == "chaos run one"
            inner.cleared()
        with pytest.raises(OSError):
            os.fstat(descriptor)
        monkeypatch.delenv(handover.VARIABLE)
        with pytest.raises(StackInUse), held(folder, "compose", "chaos run three"):
            pass
    assert record(folder) is None


def test_a_watchdogs_command_holds_the_lock_of_the_harness_that_died(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is refused meanwhile is told that it is being cleared up; when that has succeeded nothing is left."""
    block = held(folder, "compose", "chaos run one")
    inherited = os.dup(block.__enter__().descriptor)
    for succeeds in (False, True):
        give(monkeypatch, Handover(lock=os.dup(inherited), clearing=True))
        if not succeeds:
            stack_lock.take_over()
        with held(folder, "compose", "chaos heal") as lock:
            assert lock.left and lock.left.what == "chaos run one"
            monkeypatch.delenv(handover.VARIABLE)
            with pytest.raises(StackInUse) as e, held(folder, "compose", "chaos run two"):
                pass
            assert e.value.holder.clearing and e.value.holder.left.what == "chaos run one"
            if succeeds:
                lock.cleared()
    found = record(folder)
    assert found and (found.pid, found.what) == (os.getpid(), "chaos run one"), "it only stood still, and has the lock"
    os.close(inherited)
    block.__exit__(None, None, None)
    with held(folder, "compose", "chaos run two") as lock:
        assert lock.left is None


def test_a_watchdog_that_gave_up_leaves_the_name_of_its_harness(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its own: a person looks for the run that was killed."""
    killed(folder, "chaos run one", "/runs/one")
    descriptor = os.open(folder / "compose.lock", os.O_RDWR)
    give(monkeypatch, Handover(lock=descriptor, clearing=True))
    stack_lock.take_over()
    with held(folder, "compose", "chaos down"):
        pass
    monkeypatch.delenv(handover.VARIABLE)
    with held(folder, "compose", "chaos run two") as lock:
        assert lock.left and (lock.left.what, lock.left.run) == ("chaos run one", "/runs/one")
        assert not lock.left.clearing


def test_a_descriptor_of_another_stack_is_no_lock_of_this_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that starts a run of another stack hands nothing on."""
    other = folder.parent / "other" / ".chaos"
    other.parent.mkdir()
    with held(other, "compose", "chaos run one") as lock:
        give(monkeypatch, Handover(lock=lock.descriptor))
        with held(folder, "compose", "chaos run two") as mine:
            assert mine.descriptor != lock.descriptor


@pytest.mark.parametrize("text", ["", "{", "null\n", '{"pid": "x"}\n', "\x00\xff"])
def test_a_record_that_makes_no_sense_is_nobodys(folder: Path, text: str) -> None:
    """The kernel's lock says whether somebody holds the stack, not the file's content."""
    folder.mkdir()
    (folder / "compose.lock").write_text(text, encoding="latin-1")
    with held(folder, "compose", "chaos run one") as lock:
        assert lock.left is None
        found = record(folder)
        assert found and found.what == "chaos run one"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user may read: pytest's own is closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / ".chaos"


@pytest.fixture
def nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_lock_file_of_another_user_locks_as_well(shared: Path, nobody: None) -> None:
    """Read only is enough for the kernel; the record cannot be written, and that keeps nobody from working."""
    os.seteuid(0)
    with held(shared, "compose", "chaos run one"):
        os.seteuid(65534)
        with pytest.raises(StackInUse) as e, held(shared, "compose", "chaos run two"):
            pass
        assert e.value.holder.what == "chaos run one"
        os.seteuid(0)
    os.seteuid(65534)
    with held(shared, "compose", "chaos run two"):
        os.seteuid(0)
        with pytest.raises(StackInUse), held(shared, "compose", "chaos run three"):
            pass


def test_a_folder_that_cannot_be_written_is_locked_itself(shared: Path, nobody: None) -> None:
    """A stack on a read-only disk: two runs of it still know of each other."""
    with held(shared, "compose", "chaos run one"):
        assert not shared.exists()
        with pytest.raises(StackInUse), held(shared, "compose", "chaos run two"):
            pass


def test_a_lock_that_leads_elsewhere_is_refused_and_what_it_leads_to_stays(
    folder: Path, tmp_path: Path, says: Says
) -> None:
    """A stack's files come from anywhere, links included."""
    precious = tmp_path / "precious"
    precious.write_text("words\n", encoding="utf-8")
    folder.mkdir()
    (folder / "compose.lock").symlink_to(precious)
    with says.raises(TargetError), held(folder, "compose", "chaos run one"):
        pass
    assert stack_lock.holder(folder, "compose") is None
    assert precious.read_text(encoding="utf-8") == "words\n"


def test_nobody_waits_for_a_lock_that_is_a_pipe(folder: Path) -> None:
    """It is locked as any file is, and says nothing."""
    folder.mkdir()
    os.mkfifo(folder / "compose.lock")
    assert stack_lock.holder(folder, "compose") is None
    with held(folder, "compose", "chaos run one"), pytest.raises(StackInUse), held(folder, "compose", "chaos run two"):
        pass


def test_what_cannot_be_locked_is_refused(folder: Path) -> None:
    """Rather than worked on without a lock."""
    folder.write_text("not a folder", encoding="utf-8")
    with pytest.raises(TargetError), held(folder, "compose", "chaos run one"):
        pass
