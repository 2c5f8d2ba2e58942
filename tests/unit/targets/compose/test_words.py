"""What the compose target makes of what others say: known troubles in words, container streams, build steps."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import pytest

from chaos.targets.compose import command
from chaos.targets.docker.engine import explained
from chaos.targets.docker.images import build_steps
from chaos.targets.docker.streams import Stream
from tests.messages import Says


@pytest.mark.parametrize(
    "said",
    [
        (
            "ERROR: for web  Cannot start service web: driver failed programming external connectivity on endpoint "
            "x_web_1: Error starting userland proxy: listen tcp4 127.0.0.1:8081: bind: address already in use"
        ),
        "Bind for 127.0.0.1:9090 failed: port is already allocated",
        "Error response from daemon: Pool overlaps with other one on this address space",
        "failed to create network chaos-stack: invalid pool request: Pool overlaps with other one",
        "write /var/lib/docker/x: no space left on device",
        "pull access denied for chaos-stack/app, repository does not exist",
        'FROM x\nGet "https://registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host',
        "No such image: redis:7",
        "one\ntwo\nthree\nfour\nfive",
    ],
    ids=str,
)
def test_known_troubles_say_what_to_do_and_unknown_ones_their_last_lines(said: str, says: Says) -> None:
    """The messages are those of engine 20.10, compose 1.29 and compose v2."""
    says(explained(said))


def test_lines_come_out_of_frames_however_they_are_cut() -> None:
    """A line may span frames, and standard error is kept apart."""
    ours, engine = socket.socketpair()
    with ours, engine:
        stream = Stream(ours)
        for kind, body in ((1, b'{"ok"'), (2, b"oops"), (1, b": true}\n{"), (1, b"}\n")):
            engine.sendall(struct.pack(">BxxxI", kind, len(body)) + body)
        engine.shutdown(socket.SHUT_WR)
        soon = time.monotonic() + 5
        assert [stream.read_line(soon) for _ in range(3)] == [b'{"ok": true}', b"{}", b""]
        assert stream.errors == b"oops"
        stream.close()


def test_a_silent_container_is_a_timeout() -> None:
    """The wait is the caller's, not the socket's."""
    ours, engine = socket.socketpair()
    with ours, engine:
        stream = Stream(ours)
        with pytest.raises(TimeoutError):
            stream.read_line(time.monotonic())
        stream.close()


def test_builders_of_both_kinds_tell_their_steps(says: Says) -> None:
    """The legacy builder's `Step 3/9` and BuildKit's `#12 [app 3/5]`; nothing else is progress."""
    told: list[str] = []
    tell = build_steps("app", told.append)
    for line in ("Step 3/9 : RUN x", "Reading package lists...", "#12 [python 2/4] RUN y", "#13 exporting"):
        tell(line)
    says("\n".join(told))


@pytest.mark.parametrize("turns", range(5))
def test_a_line_at_the_moment_of_an_interrupt_does_not_swallow_it(turns: int) -> None:
    """So many turns of the loop after the line has come. `asyncio.wait_for` of Python 3.11 gives back the line after
    the cancellation was accepted, and the first Ctrl-C is lost."""

    async def interrupted() -> None:
        stream = asyncio.StreamReader()
        listening = asyncio.ensure_future(command.line_of(stream, 60.0))
        for _ in range(3):
            await asyncio.sleep(0)
        stream.feed_data(b"built\n")
        for _ in range(turns):
            await asyncio.sleep(0)
        accepted = listening.cancel()
        await asyncio.wait([listening])
        assert listening.cancelled() is accepted

    asyncio.run(interrupted())
