"""What users of the messaging stack do. Shares of all arrivals are the products of a class's and a journey's weight.

The weights add up to 100: text 33, pay 8, media 8, push 8, bank 8, timeline 12, ride 5, login3p 5, games 4, mail 4,
login 3, channel 3 … per cent. At 60 arrivals a second that is 4.8 log-ins a second, which cost a password hash each.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from chaos.load.openloop import OpenUser, Page, journey, readback

GATEWAYS = tuple(f"http://gateway-{zone}:8000" for zone in "abc")


class Member(OpenUser):
    """A user with an account at the messaging company."""

    abstract = True
    hosts = GATEWAYS

    def register(self) -> dict[str, str]:
        """An account; signing up again finds the same one. Returns its user and password."""
        self.kept.setdefault("password", secrets.token_urlsafe(12))
        account = {"user": self.name, "password": self.kept["password"]}
        self.post("/auth/register", account)
        return account

    @property
    def account(self) -> dict[str, str]:
        return {"user": self.name, "password": self.kept["password"]}

    def pages(self, path: str, after: str | None) -> Page:
        start = f"&after={after}" if after else ""
        found = self.get(f"{path}?limit=500{start}").json()
        return Page(found["ids"], found["next"])

    def store(self, shop: str, value: str) -> None:
        """Put an item into one of the small services and look whether it is there."""
        self.post(f"/{shop}/items", {"id": self.op.id, "value": value})
        found = self.get(f"/{shop}/items/{self.op.id}").json()
        self.want(found.get("value") == value, f"the item holds {found.get('value')!r}")


class TokenMember(Member):
    """Uses an app: its signed token lives long, so it stays logged in whatever happens to sessions."""

    abstract = True

    def sign_up(self) -> None:
        self.kept["token"] = self.post("/auth/app-token", self.register()).json()["token"]

    def credentials(self) -> Mapping[str, str]:
        token = self.kept.get("token")
        return {"Authorization": f"Bearer {token}"} if token else {}


class AppUser(TokenMember):
    weight = 67
    client_type = "app"
    least = 2

    @journey("text", weight=26, writes=True)
    def send(self) -> None:
        self.post("/chat/messages", {"id": self.op.id, "to": self.mate, "text": f"hello, this is {self.op.id}"})

    @journey("text", weight=7)
    def read(self) -> None:
        found = self.get(f"/chat/messages?with={self.mate}&limit=20").json()
        self.want(isinstance(found.get("messages"), list), "no list of messages")

    @journey("media", weight=8)
    def share(self) -> None:
        picture = png(zlib.crc32(self.op.id.encode()))
        self.put(f"/media/{self.op.id}", picture, headers={"Content-Type": "image/png"})
        self.want(self.get(f"/media/{self.op.id}").content == picture, "another picture came back")

    @journey("timeline", weight=6)
    def refresh(self) -> None:
        found = self.get("/timeline").json()
        self.op.age = found.get("age_s")
        self.want(isinstance(found.get("items"), list), "no list of items")

    @journey("push", weight=8)
    def fetch(self) -> None:
        found = self.get("/push?limit=10").json()
        self.want(isinstance(found.get("items"), list), "no list of items")

    @journey("pay", weight=6, writes=True)
    def transfer(self) -> None:
        self.post("/pay/transfers", {"id": self.op.id, "to": self.mate, "amount": 1})

    @journey("pay", weight=2)
    def balance(self) -> None:
        found = self.get("/pay/balance").json()
        self.want(isinstance(found.get("balance"), int), "no balance")

    @journey("games", weight=4)
    def play(self) -> None:
        self.store("games", "a move")

    @readback("text")
    def messages(self, after: str | None) -> Page:
        return self.pages("/chat/readback", after)

    @readback("pay")
    def transfers(self, after: str | None) -> Page:
        return self.pages("/pay/readback", after)


class WebUser(Member):
    """Uses a browser: a session, kept by the stack, that can be lost. Logging in again is part of what one does."""

    weight = 12
    client_type = "web"

    def sign_up(self) -> None:
        self.register()
        self.log_in()

    def log_in(self) -> None:
        self.kept["session"] = self.post("/auth/login", self.account).json()["session"]

    def credentials(self) -> Mapping[str, str]:
        session = self.kept.get("session")
        return {"Cookie": f"session={session}"} if session else {}

    def browse(self, method: str, path: str, json: object = None) -> Any:
        """The page. A user who is logged out logs in first, and a failed log-in is a failure."""
        answer = self.ask(method, path, json=json, accept=(401,))
        if answer.status_code == 401:
            self.op.note = "thrown out, logged in again"
            self.log_in()
            answer = self.ask(method, path, json=json)
        return answer.json()

    @journey("login", weight=3)
    def enter(self) -> None:
        self.log_in()
        self.want(self.get("/auth/me").json().get("user") == self.name, "the session is somebody else's")

    @journey("timeline", weight=5)
    def refresh(self) -> None:
        self.want(isinstance(self.browse("GET", "/timeline").get("items"), list), "no list of items")

    @journey("mail", weight=4)
    def write(self) -> None:
        self.browse("POST", "/mail/items", {"id": self.op.id, "value": "a letter"})
        found = self.browse("GET", f"/mail/items/{self.op.id}")
        self.want(found.get("value") == "a letter", f"the letter reads {found.get('value')!r}")


class ThirdPartyUser(Member):
    """Logs in to a third-party site with the messenger's account."""

    weight = 5
    client_type = "third-party"

    def sign_up(self) -> None:
        self.register()

    @journey("login3p")
    def authorize(self) -> None:
        code = self.post("/login3p/authorize", {"site": "a-shop", **self.account}).json()["code"]
        found = self.post("/login3p/token", {"site": "a-shop", "code": code}).json()
        self.want(found.get("user") == self.name, f"the code was for {found.get('user')!r}")


class BusinessUser(TokenMember):
    """A driver, or a shop with an ad channel."""

    weight = 8
    client_type = "business"

    @journey("ride", weight=2)
    def available(self) -> None:
        self.post("/ride/available", {"lat": 37.4, "lon": 127.1})

    @journey("ride", weight=3)
    def calls(self) -> None:
        found = self.get("/ride/calls").json()
        self.want(isinstance(found.get("calls"), list), "no list of calls")

    @journey("channel", weight=3)
    def advertise(self) -> None:
        self.store("channel", "an advertisement")


class BankUser(OpenUser):
    """Uses the bank's own app, which asks only the bank."""

    weight = 8
    client_type = "app"
    hosts = ("http://bank-c:8000",)
    least = 2

    def sign_up(self) -> None:
        self.kept.setdefault("password", secrets.token_urlsafe(12))
        self.log_in()

    def log_in(self) -> None:
        answer = self.post("/login", {"user": self.name, "password": self.kept["password"]})
        self.kept["token"] = answer.json()["token"]

    def credentials(self) -> Mapping[str, str]:
        token = self.kept.get("token")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def deal(self, method: str, path: str, json: object = None) -> Any:
        answer = self.ask(method, path, json=json, accept=(401,))
        if answer.status_code == 401:
            self.op.note = "thrown out, logged in again"
            self.log_in()
            answer = self.ask(method, path, json=json)
        return answer.json()

    @journey("bank", weight=6, writes=True)
    def transfer(self) -> None:
        self.deal("POST", "/transfers", {"id": self.op.id, "to": self.mate, "amount": 1})

    @journey("bank", weight=2)
    def balance(self) -> None:
        self.want(isinstance(self.deal("GET", "/balance").get("balance"), int), "no balance")

    @readback("bank")
    def transfers(self, after: str | None) -> Page:
        start = f"&after={after}" if after else ""
        found = self.deal("GET", f"/readback?limit=500{start}")
        return Page(found["ids"], found["next"])


def png(colour: int) -> bytes:
    """A picture of 8 by 8 pixels in one colour: small, and another one for each number."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    pixel = (colour & 0xFFFFFF).to_bytes(3, "big")
    header = chunk(b"IHDR", struct.pack(">2I5B", 8, 8, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(8 * (b"\0" + 8 * pixel))) + chunk(b"IEND", b"")
