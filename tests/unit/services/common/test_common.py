"""The small pure parts that every service leans on: addresses, ids, seals, tokens, pages, files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from services.apps.timeline import Copy, fresh
from services.common import identity
from services.common.answers import body
from services.common.blob_store import Clash, Folder, NotTaken
from services.common.errors import Refused
from services.common.paging import page, readback
from services.common.settings import Address, Settings, addresses
from services.common.tokens import Tokens
from tests.messages import Says


def request(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": raw})


DEEP = b"[" * 300_000


@pytest.mark.parametrize("sent", [DEEP, b'{"id": ' + DEEP, b"\xff", b"\0", b"", b"[]", b'{"id": "\\ud800"}'])
def test_a_body_that_is_no_such_struct_is_refused(sent: bytes) -> None:
    """Also one that is nested more deeply than the decoder goes: 400, not a bug."""

    class Sent(msgspec.Struct):
        id: msgspec.Raw

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": sent}

    with pytest.raises(Refused) as refused:
        asyncio.run(body(Request({"type": "http", "headers": []}, receive), Sent))
    assert refused.value.status == 400


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SETTINGS", Settings.read({"TOKEN_KEY": "a key for tests, of 32 bytes or more"}))
    identity.vouch.cache_clear()


def test_addresses_are_listed_with_commas() -> None:
    """As docker-compose.yml writes them; nothing is an empty list."""
    assert addresses("a:1, b:22,") == (Address("a", 1), Address("b", 22))
    assert addresses("") == ()


@pytest.mark.parametrize("text", ["a", "a:", ":1", "a:b"])
def test_an_address_without_host_or_port_is_refused(text: str, says: Says) -> None:
    """The message names what was found."""
    with says.raises(ValueError):
        addresses(text)


@given(st.text(max_size=140))
def test_an_id_that_passes_is_a_plain_file_name(text: str) -> None:
    """Whatever a client sends: what gets through stays in its folder."""
    try:
        identity.check_id(text)
        identity.check_user(text)
    except Refused as error:
        assert error.status == 400
    else:
        assert Path("/data", text).resolve() == Path("/data") / text
        assert "@" not in text


def test_a_user_is_believed_with_a_seal_only() -> None:
    """X-User alone, or with another user's seal, is nobody."""
    seal = identity.vouch("ann")["X-User-Seal"]
    assert identity.user_of(request(x_user="ann", x_user_seal=seal)) == "ann"
    for forged in (request(x_user="ann"), request(x_user="bob", x_user_seal=seal), request()):
        with pytest.raises(Refused) as caught:
            identity.user_of(forged)
        assert caught.value.status == 401


def test_a_token_of_one_house_is_none_in_another() -> None:
    """Bank and messaging share a key in the toy, but no tokens."""
    tokens = Tokens("a key for tests, of 32 bytes or more", "messaging")
    bearer = f"Bearer {tokens.issue('ann')}"
    assert tokens.user(bearer) == "ann"
    for other in (Tokens("a key for tests, of 32 bytes or more", "bank"), Tokens("k" * 32, "messaging")):
        with pytest.raises(Refused):
            other.user(bearer)


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer x.y.z", "Basic abc"])
def test_what_is_no_token_is_refused(text: str) -> None:
    """401, whatever it looks like."""
    with pytest.raises(Refused) as caught:
        Tokens("k" * 32, "messaging").user(text)
    assert caught.value.status == 401


def test_a_full_page_names_its_successor_and_a_short_one_is_the_last() -> None:
    """A reader goes on until next is null."""
    assert json.loads(bytes(readback([(7, "a"), (9, "a")], 2).body)) == {"ids": ["a", "a"], "next": "9"}
    assert json.loads(bytes(readback([(7, "a")], 2).body)) == {"ids": ["a"], "next": None}
    assert page(request("after=9&limit=2")) == (9, 2) and page(request("after=")) == (0, 500)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "after=../x", "after=-1", f"after={9**30}"]
)
def test_a_page_outside_its_bounds_is_refused(query: str) -> None:
    """400, never a crash and never an unbounded read."""
    with pytest.raises(Refused) as caught:
        page(request(query))
    assert caught.value.status == 400


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """The same again is fine, other content under the same id is not, and nothing is left of drafts."""
    folder = Folder(tmp_path)
    assert folder.write("ann", "pic", b"one")
    assert not folder.write("ann", "pic", b"one")
    with pytest.raises(Clash):
        folder.write("ann", "pic", b"two")
    assert folder.read("ann", "pic") == b"one"
    assert folder.read("bob", "pic") is None
    assert list((tmp_path / "tmp").iterdir()) == []


def test_debts_to_the_peer_outlive_the_process(tmp_path: Path) -> None:
    """A copy owed is found again by the next process, until it is settled; drafts of a killed one are swept."""
    folder = Folder(tmp_path)
    folder.owe("ann", "pic")
    (tmp_path / "tmp" / "draft").write_bytes(b"half")
    again = Folder(tmp_path)
    assert again.owed() == [("ann", "pic")]
    again.settle("ann", "pic")
    assert again.owed() == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_disk_that_takes_nothing_certainly_stored_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    """No room for the draft: said as such, so that the gateway may ask the twin; nothing is left of it."""
    folder = Folder(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.common.blob_store.os.fsync", full)
    with says.raises(NotTaken):
        folder.write("ann", "x", b"1")
    assert folder.read("ann", "x") is None and not list((tmp_path / "tmp").iterdir())


def test_a_copy_of_the_future_is_not_fresh() -> None:
    """A node an hour ahead kept it; served as new, it would stay so for that hour."""
    assert fresh(Copy([], 100.0), 101.0)
    assert not fresh(Copy([], 100.0), 103.0) and not fresh(Copy([], 3700.0), 100.0)
