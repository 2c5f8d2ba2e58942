"""Who is alive, who is below whom, and what the embedded target says without touching anything."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from chaos import stackfile
from chaos.errors import TargetError
from chaos.targets import box, boxed, census, httpget, process, programs
from chaos.targets.census import Proc


def proc(pid: int, parent: int, state: str = "S") -> Proc:
    return Proc(pid, state, parent, started=0)


def test_descendants_are_found_however_deep() -> None:
    """Nearest first, and nobody who is not below."""
    procs = {p.pid: p for p in (proc(1, 0), proc(2, 1), proc(3, 2), proc(4, 1), proc(9, 0), proc(5, 3))}
    assert [p.pid for p in census.below(1, procs)] == [2, 4, 3, 5]


def test_we_are_alive_and_an_earlier_owner_of_our_pid_is_not() -> None:
    """A process is its pid and its start time."""
    found = census.read(os.getpid())
    assert found is not None and census.alive(found)
    assert not census.alive(Proc(found.pid, found.state, found.parent, found.started - 1))


def test_a_crew_is_paused_only_when_all_of_it_is() -> None:
    """One process that runs is enough to answer somebody."""
    root = proc(1, 0)
    assert census.Crew(root, (proc(2, 1, "T"), proc(3, 1, "t"))).paused
    assert not census.Crew(root, (proc(2, 1, "T"), proc(3, 1))).paused
    assert not census.Crew(root, ()).paused


def test_a_process_forked_between_two_looks_is_stopped_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look sees whom the first one missed, and only two calm looks in a row end it."""
    looks = iter([[proc(2, 1)], [proc(2, 1, "T"), proc(3, 2)], [proc(2, 1, "T"), proc(3, 2, "T")]])
    last = [proc(2, 1, "T"), proc(3, 2, "T")]
    told: list[int] = []
    monkeypatch.setattr(census, "send", lambda procs, number: told.extend(p.pid for p in procs))
    asyncio.run(census.settle(lambda: next(looks, last), stopped=True))
    assert told == [2, 3]


def test_who_does_not_stop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather an error than a fault that is only said to be there."""
    monkeypatch.setattr(census, "send", lambda procs, number: None)
    with pytest.raises(TargetError, match=r"SIGSTOP had no effect within 0 s on process 7 \(state D\)"):
        asyncio.run(census.settle(lambda: [proc(7, 1, "D")], stopped=True, within=0))


def test_a_state_file_of_a_dead_box_means_no_box(tmp_path: Path) -> None:
    """Pids are given out again: start time and boot id have to match as well."""
    own = census.read(os.getpid())
    assert own is not None
    content = {"kind": "box", "pid": own.pid, "started": own.started - 1, "folder": "/mnt", "boot": "another"}
    (tmp_path / "box.json").write_text(json.dumps(content))
    assert box.standing(tmp_path) is None
    assert box.stop(tmp_path) is False
    assert not (tmp_path / "box.json").exists()


def test_missing_tools_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason why there is no box says what to do."""
    monkeypatch.setattr("shutil.which", lambda tool: None)
    assert box.available() == "unshare, nsenter, setpriv not found on PATH; install util-linux"


def stack(tmp_path: Path) -> stackfile.Stack:
    shown = {"networks": {"n": {"ipv4_address": "10.77.1.9"}}, "labels": {"chaos.optional": "true"}}
    services = {
        "web": {"command": ["python3"], "networks": {"n": {"ipv4_address": "10.77.1.8"}}},
        "shown": {"command": ["no-such-program"], **shown},
    }
    (tmp_path / "stack.yml").write_text(json.dumps({"services": services}))
    return stackfile.read(tmp_path / "stack.yml")


def test_an_optional_service_without_its_program_is_left_out_in_words(tmp_path: Path) -> None:
    """It is no node, so that no selector can choose it."""
    target = boxed.Boxed(stack(tmp_path))
    assert [n.name for n in target.nodes()] == ["web"]
    assert target.left_out == ["shown is left out: there is no program 'no-such-program' on PATH"]


def test_plain_processes_do_without_optional_services(tmp_path: Path) -> None:
    """They would listen on every interface of the machine."""
    target = process.Process(stack(tmp_path))
    assert [n.name for n in target.nodes()] == ["web"] and "listen to everybody" in target.left_out[0]


def test_outside_of_a_box_the_boxed_target_says_how_to_get_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning needs no box; touching does."""
    monkeypatch.delenv("CHAOS_BOX_KIND", raising=False)
    target = boxed.Boxed(stack(tmp_path))
    with pytest.raises(TargetError, match="not the inside of a box"):
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


def test_an_answer_that_is_not_http_is_refused_with_what_it_was() -> None:
    """A database on the wrong port does not count as a status."""
    with pytest.raises(TargetError, match="expected an HTTP answer, found b'-ERR'"):
        asyncio.run(ask(b"-ERR"))


async def ask(said: bytes) -> tuple[int, bytes]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.6.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await httpget.get("127.0.6.1", port, "/", 2.0, "node")
