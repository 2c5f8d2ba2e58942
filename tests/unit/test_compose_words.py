"""What the compose target makes of what others say: known troubles in words, container streams, build steps."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from chaos.targets.compose_engine import explained
from chaos.targets.compose_stream import Stream
from chaos.targets.images import _steps


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            (
                "ERROR: for web  Cannot start service web: driver failed programming external connectivity on endpoint "
                "x_web_1: Error starting userland proxy: listen tcp4 127.0.0.1:8081: bind: address already in use"
            ),
            "port 127.0.0.1:8081 is taken",
        ),
        ("Bind for 127.0.0.1:9090 failed: port is already allocated", "port 127.0.0.1:9090 is taken"),
        ("Error response from daemon: Pool overlaps with other one on this address space", "docker network ls"),
        ("failed to create network chaos-stack: invalid pool request: Pool overlaps with other one", "another network"),
        ("write /var/lib/docker/x: no space left on device", "disk is full"),
        ("pull access denied for chaos-stack/app, repository does not exist", "image chaos-stack/app is not here"),
        (
            'FROM x\nGet "https://registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host',
            "CHAOS_BASE=NAME",
        ),
        ("No such image: redis:7", "image redis:7 is not here"),
        ("one\ntwo\nthree\nfour\nfive", "two / three / four / five"),
    ],
)
def test_known_troubles_say_what_to_do_and_unknown_ones_their_last_lines(said: str, words: str) -> None:
    """The messages are those of engine 20.10, compose 1.29 and compose v2."""
    assert words in explained(said)


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


def test_builders_of_both_kinds_tell_their_steps() -> None:
    """The legacy builder's `Step 3/9` and BuildKit's `#12 [app 3/5]`; nothing else is progress."""
    told: list[str] = []
    tell = _steps("app", told.append)
    for line in ("Step 3/9 : RUN x", "Reading package lists...", "#12 [python 2/4] RUN y", "#13 exporting"):
        tell(line)
    assert told == ["building image app: step 3/9", "building image app: step 2/4"]
