"""Users of a limiter: they post, they read, and they schedule posts for later. Journeys: post, read, scheduled."""

from __future__ import annotations

from messaging import TokenMember

from chaos.load.openloop import Page, journey, readback

AHEAD = 1.0  # seconds until a scheduled post is due


class Writer(TokenMember):
    weight = 75
    client_type = "app"
    least = 2

    @journey("post", weight=45, writes=True)
    def send(self) -> None:
        self.post("/chat/messages", {"id": self.op.id, "to": self.mate, "text": f"hello, this is {self.op.id}"})

    @journey("read", weight=30)
    def read(self) -> None:
        found = self.get(f"/chat/messages?with={self.mate}&limit=20").json()
        self.want(isinstance(found.get("messages"), list), "no list of messages")

    @readback("post")
    def posts(self, after: str | None) -> Page:
        return self.pages("/chat/readback", after)


class Planner(TokenMember):
    """Posts later, on a path that never asks the limiter."""

    weight = 25
    client_type = "business"
    least = 2

    @journey("scheduled", writes=True)
    def send(self) -> None:
        post = {"id": self.op.id, "to": self.mate, "text": f"later: {self.op.id}", "after_s": AHEAD}
        self.post("/chat/scheduled", post)

    @readback("scheduled")
    def posts(self, after: str | None) -> Page:
        return self.pages("/chat/readback", after)
