"""Names of peers: remembered, looked up behind the caller's back, and never in the way of a connection."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvloop

from services.common import names
from tests.messages import Says


class Resolver:
    """Answers what it knows; a name in `hangs` waits until `release`."""

    def __init__(self) -> None:
        self.knows = {"chat-b": "127.0.0.1"}
        self.hangs: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()

    def __call__(self, host: str) -> str:
        self.asked[host] += 1
        if host in self.hangs:
            self.released.wait()
        if host not in self.knows:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.knows[host]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    stands_in = Resolver()
    monkeypatch.setattr(socket, "gethostbyname", stands_in)
    monkeypatch.setattr(names, "_known", {})
    monkeypatch.setattr(names, "_looking", {})
    yield stands_in
    stands_in.released.set()


def test_names_that_hang_hold_up_no_connection(resolver: Resolver, says: Says) -> None:
    """More names than uvloop's pool has threads hang, and a known peer is still connected to."""
    resolver.hangs = {f"gone-{n}" for n in range(8)}

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        found = await asyncio.gather(*map(names.resolve, sorted(resolver.hangs)), return_exceptions=True)
        assert [type(e) for e in found] == [OSError] * 8
        says(found[0])
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
            client.setblocking(False)
            async with asyncio.timeout(10):
                await loop.sock_connect(client, (await names.resolve("chat-b"), server.getsockname()[1]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


def test_a_name_that_is_gone_keeps_its_address_and_is_asked_for_now_and_then(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each ten seconds, however many callers there are."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(names, "time", SimpleNamespace(monotonic=lambda: clock.now))

    async def scene() -> None:
        assert await names.resolve("chat-b") == "127.0.0.1"
        resolver.knows.clear()
        for clock.now in (105.0, 111.0, 112.0, 120.0):
            for _ in range(3):
                assert await names.resolve("chat-b") == "127.0.0.1"
            while names._looking:
                await asyncio.sleep(0)

    asyncio.run(scene())
    assert resolver.asked["chat-b"] == 2  # at 100 and at 111


def test_an_unknown_name_is_an_error_at_once_and_known_when_it_comes_back(resolver: Resolver) -> None:
    """Nothing is remembered of a failure."""

    async def scene() -> None:
        with pytest.raises(socket.gaierror):
            await names.resolve("chat-c")
        resolver.knows["chat-c"] = "10.77.3.13"
        assert await names.resolve("chat-c") == "10.77.3.13"

    asyncio.run(scene())
