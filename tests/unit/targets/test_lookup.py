"""The look-up that runs in a node's network: what it asks, and what it takes for an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.errors import CannotLook
from chaos.targets import lookup
from chaos.targets.network import answered

Answer = Callable[[bytes], bytes | None]


@contextmanager
def server(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A name server on loopback; yields what it is asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        monkeypatch.setattr(lookup, "PORT", ours.getsockname()[1])
        heard: list[bytes] = []

        def serve() -> None:
            while (found := ours.recvfrom(512))[0] != b"end":
                heard.append(found[0])
                if (said := answer(found[0])) is not None:
                    ours.sendto(said, found[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heard
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", ours.getsockname())
            thread.join()


def reply(code: int) -> Answer:
    return lambda asked: asked[:2] + bytes([0x81, 0x80 | code]) + asked[4:]


@pytest.mark.parametrize("code", [0, 2, 3, 5])
def test_any_answer_is_one(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """An address, no such name, or a refusal: somebody is there who answers."""
    with server(reply(code), monkeypatch) as heard:
        assert lookup.answers("chat-a", ["127.0.0.1"], 5.0)
    assert heard[0][12:] == b"\x06chat-a\x00\x00\x01\x00\x01"


@pytest.mark.parametrize(
    "answer", [lambda asked: None, lambda asked: b"xx" + asked[2:], lambda asked: asked, lambda asked: asked[:5]]
)
def test_what_is_no_answer_to_the_question_is_none(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Silence, another's answer, an echo, a stump."""
    with server(answer, monkeypatch):
        assert not lookup.answers("chat-a", ["127.0.0.1"], 0.1)


def test_nobody_at_the_port_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is a server that no packet reaches."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(lookup, "PORT", unused.getsockname()[1])
    assert not lookup.answers("chat-a", ["127.0.0.1"], 0.1)


def test_a_file_says_who_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name servers as resolv.conf(5) has them; a name of the hosts file, whole and outside of comments, is found."""
    resolv, hosts = tmp_path / "resolv.conf", tmp_path / "hosts"
    resolv.write_text("# nameserver 10.0.0.1\nsearch x\nnameserver 10.0.0.2\nnameserver\nnameserver ::1\n")
    assert lookup.servers(str(resolv)) == ["10.0.0.2", "::1"]
    assert lookup.servers(str(tmp_path / "none")) == ["127.0.0.1"]
    hosts.write_text("10.0.0.9 chat-ab # chat-b\n10.0.0.8 other chat-a\n")
    assert lookup.listed("chat-a", str(hosts)) and not lookup.listed("chat-b", str(hosts))
    lookup.main("chat-a", 0.1, str(resolv), str(hosts))
    assert capsys.readouterr().out == "answered\n"


@pytest.mark.parametrize(("code", "said"), [(127, ""), (1, "Traceback"), (0, ""), (0, "hello"), (126, "answered")])
def test_whatever_else_it_says_is_no_answer(code: int, said: str) -> None:
    """A program that is missing is not a name that does not resolve."""
    with pytest.raises(CannotLook):
        answered("chat-a", code, said)
    assert answered("chat-a", 0, "answered\n") is True and answered("chat-a", 0, "silent\n") is False
