"""Who is alive, who is below whom, and what the embedded target says without touching anything."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest

from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.targets import httpget, procfs
from chaos.targets.box import box
from chaos.targets.process import programs
from chaos.targets.process.target import Process
from chaos.targets.procfs import Proc
from tests.messages import Says


def proc(pid: int, parent: int, state: str = "S") -> Proc:
    return Proc(pid, state, parent, started=0)


def test_descendants_are_found_however_deep() -> None:
    """Nearest first, and nobody who is not below."""
    procs = {p.pid: p for p in (proc(1, 0), proc(2, 1), proc(3, 2), proc(4, 1), proc(9, 0), proc(5, 3))}
    assert [p.pid for p in procfs.below(1, procs)] == [2, 4, 3, 5]


def test_we_are_alive_and_an_earlier_owner_of_our_pid_is_not() -> None:
    """A process is its pid and its start time."""
    found = procfs.read(os.getpid())
    assert found is not None and procfs.alive(found)
    assert not procfs.alive(Proc(found.pid, found.state, found.parent, found.started - 1))


def test_a_group_is_paused_only_when_all_of_it_is() -> None:
    """One process that runs is enough to answer somebody."""
    root = proc(1, 0)
    assert procfs.ProcessGroup(root, (proc(2, 1, "T"), proc(3, 1, "t"))).paused
    assert not procfs.ProcessGroup(root, (proc(2, 1, "T"), proc(3, 1))).paused
    assert not procfs.ProcessGroup(root, ()).paused


def test_a_process_forked_between_two_looks_is_stopped_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look sees whom the first one missed, and only two calm looks in a row end it."""
    looks = iter([[proc(2, 1)], [proc(2, 1, "T"), proc(3, 2)], [proc(2, 1, "T"), proc(3, 2, "T")]])
    last = [proc(2, 1, "T"), proc(3, 2, "T")]
    told: list[int] = []
    monkeypatch.setattr(procfs, "send", lambda procs, number: told.extend(p.pid for p in procs))
    asyncio.run(procfs.settle(lambda: next(looks, last), stopped=True))
    assert told == [2, 3]


def test_who_waits_for_a_child_that_was_stopped_too_early_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between vfork(2) and exec(2): the child goes on, its parent stops, and the child does."""
    last = [proc(2, 1, "T"), proc(3, 2, "T")]
    looks = iter([[proc(2, 1, "D"), proc(3, 2, "T"), proc(4, 1, "T")], [proc(2, 1, "T"), proc(3, 2)], last])
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(procfs, "send", lambda procs, number: told.extend((p.pid, number) for p in procs))
    asyncio.run(procfs.settle(lambda: next(looks, last), stopped=True))
    assert told == [(2, signal.SIGSTOP), (3, signal.SIGCONT), (3, signal.SIGSTOP)]


def test_who_does_not_stop_is_named(monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    """Rather an error than a fault that is only said to be there."""
    monkeypatch.setattr(procfs, "send", lambda procs, number: None)
    with says.raises(TargetError):
        asyncio.run(procfs.settle(lambda: [proc(7, 1, "D")], stopped=True, within=0))


def test_a_state_file_of_a_dead_box_means_no_box(tmp_path: Path) -> None:
    """Pids are given out again: start time and boot id have to match as well."""
    own = procfs.read(os.getpid())
    assert own is not None
    content = {"kind": "box", "pid": own.pid, "started": own.started - 1, "folder": "/mnt", "boot": "another"}
    (tmp_path / "box.json").write_text(json.dumps(content))
    assert box.standing(tmp_path) is None
    assert box.stop(tmp_path) is False
    assert not (tmp_path / "box.json").exists()


def test_missing_tools_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    """The reason why there is no box says what to do."""
    monkeypatch.setattr("shutil.which", lambda tool: None)
    says(box.available())


def stack(tmp_path: Path) -> stackfile.Stack:
    shown = {"networks": {"n": {"ipv4_address": "10.77.1.9"}}, "labels": {"chaos.optional": "true"}}
    services = {
        "web": {"command": ["python3"], "networks": {"n": {"ipv4_address": "10.77.1.8"}}},
        "shown": {"command": ["no-such-program"], **shown},
    }
    (tmp_path / "stack.yml").write_text(json.dumps({"services": services}))
    return stackfile.read(tmp_path / "stack.yml")


def test_an_optional_service_without_its_program_is_left_out_in_words(tmp_path: Path, says: Says) -> None:
    """It is no node, so that no selector can choose it."""
    target = Process(stack(tmp_path))
    assert [n.name for n in target.nodes()] == ["web"]
    assert len(target.left_out) == 1
    says(target.left_out[0])


def test_outside_of_a_box_the_target_says_how_to_get_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    """Planning needs no box; touching does."""
    monkeypatch.delenv("CHAOS_BOX", raising=False)
    target = Process(stack(tmp_path))
    with says.raises(TargetError):
        asyncio.run(target.running(target.nodes()[0]))


def test_the_last_lines_of_a_log_are_its_last_lines(tmp_path: Path) -> None:
    """Nothing where there is no log yet."""
    log = tmp_path / "x.log"
    assert programs.tail(log, 3) == []
    log.write_text("".join(f"{i}\n" for i in range(50_000)))
    assert programs.tail(log, 2) == ["49998", "49999"]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"HTTP/1.0 204 No Content\r\nA: b\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 200 OK\r\n\r\nbody\r\n\r\nmore", (200, b"body\r\n\r\nmore")),
    ],
)
def test_an_answer_is_its_status_and_body(said: bytes, found: tuple[int, bytes]) -> None:
    """Only the first empty line divides head and body."""
    assert asyncio.run(ask(said)) == found


def test_an_answer_that_is_not_http_is_refused_with_what_it_was(says: Says) -> None:
    """A database on the wrong port does not count as a status."""
    with pytest.raises(TargetError) as e:
        asyncio.run(ask(b"-ERR"))
    says(re.sub(r":\d+/", ":<port>/", str(e.value)))


async def ask(said: bytes) -> tuple[int, bytes]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.6.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await httpget.get("127.0.6.1", port, "/", 2.0, "node")
