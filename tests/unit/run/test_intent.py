"""What is about to be changed stands on the disk before it is: a crash at any moment finds its intent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.errors import ChaosError
from chaos.experiment.plan import Act, Step
from chaos.model import Event, Node
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.run.test_orchestrator import NODES, Stage, plan, step
from tests.virtual import virtually


class Disk:
    """What a loss of power would leave of a journal: what was in it at its last fsync."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path, self._safe = path, b""
        real = os.fsync

        def fsync(fd: int) -> None:
            real(fd)
            if os.path.exists(path) and os.path.samestat(os.fstat(fd), os.stat(path)):
                self._safe = path.read_bytes()

        monkeypatch.setattr(os, "fsync", fsync)

    def last(self) -> Event:
        return msgspec.json.decode(self._safe.splitlines()[-1], type=Event)


class Watched(Memory):
    """Remembers, for each change, the last line that was safe on the disk when it was made."""

    disk: Disk

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__(nodes)
        self.changes: list[tuple[str, str, str]] = []

    def _note(self, change: str) -> None:
        last = self.disk.last()
        self.changes.append((change, last.kind, last.subject))

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        self._note("kill")
        await super().kill(nodes, signal)

    async def start(self, nodes: Sequence[Node]) -> None:
        self._note("start")
        await super().start(nodes)

    async def deploy(self, node: Node, environment: Mapping[str, str]) -> None:
        self._note("deploy")
        await super().deploy(node, environment)

    async def undeploy(self, node: Node) -> None:
        self._note("undeploy")
        await super().undeploy(node)

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        self._note("exec")
        return await super().exec(node, command, timeout)

    async def heal(self) -> None:
        self._note("heal")
        await super().heal()


def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *steps: Step, acts: Sequence[Act] = ()) -> Watched:
    target = Watched(NODES)
    target.disk = Disk(tmp_path / "journal.jsonl", monkeypatch)
    Stage(tmp_path, plan(*steps, acts=acts), target).go()
    return target


def test_inject_heal_and_acts_are_on_the_disk_before_they_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each change, the newest safe line is the one that announces it, by its step."""
    new = Step("roll", 20, "deploy", {"environment": {"A": "1"}}, ("db-a",), step("x", 0, 30, "db-a").releases)
    hands = Act("hands", 12.5, "promote", ("true",), ("db-b",))
    target = played(tmp_path, monkeypatch, step("one", 10, 15, "chat-a"), new, acts=[hands])
    assert target.changes == [
        ("heal", "run.heal", "memory"),
        ("kill", "fault.inject", "one"), ("exec", "operator.start", "hands"), ("start", "step.heal", "one"),
        ("deploy", "fault.inject", "roll"), ("undeploy", "step.heal", "roll"),
        ("heal", "run.heal", "memory"),
    ]  # fmt: skip


def test_a_full_journal_keeps_a_fault_from_beginning_and_no_fault_from_ending(tmp_path: Path, says: Says) -> None:
    """No change without its intent, but a heal that cannot be announced is done all the same; the run then ends."""
    stage = Stage(tmp_path, plan(step("one", 10, 30, "chat-a"), step("late", 40, 50, "db-a")))
    done: list[tuple[str, str]] = []

    class Noted(Memory):
        async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
            done.append(("kill", nodes[0].name))
            await super().kill(nodes, signal)

        async def start(self, nodes: Sequence[Node]) -> None:
            done.append(("start", nodes[0].name))
            await super().start(nodes)

    stage.target = Noted(NODES)
    run, emitted = stage.play, []

    def full(kind: str, room: Any) -> Any:
        def emit(self: Any, said: str, subject: str, /, **data: Any) -> None:
            emitted.append(said)
            if said == kind and emitted.count(kind) == 1:
                raise ChaosError("no space left")
            room(self, said, subject, **data)

        return emit

    from chaos.run.recorder import Recorder

    for kind, wanted in (("step.intent", []), ("step.heal", [("kill", "chat-a"), ("start", "chat-a")])):
        done.clear()
        emitted.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Recorder, "emit", full(kind, Recorder.emit))
            with says.raises(ChaosError):
                virtually(run())
        assert done == wanted, kind


def test_the_journal_keeps_its_early_lines_when_the_timeline_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are written anew with other times: whole on the disk, and found under its name, before the old file goes."""
    order: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(fd: int) -> None:
        order.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        real_sync(fd)

    def replace(self: Path, to: Path) -> Path:
        order.append("replace")
        return real_replace(self, to)

    from chaos.run.recorder import Recorder

    async def main() -> None:
        recorder = Recorder(tmp_path / "journal.jsonl")
        recorder.emit("phase", "up")
        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(Path, "replace", replace)
        recorder.zero(asyncio.get_running_loop().time())
        monkeypatch.undo()
        recorder.close()

    virtually(main())
    assert order == ["journal.new", "replace", tmp_path.name]
