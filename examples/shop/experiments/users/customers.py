"""What customers of the shop do."""

from __future__ import annotations

from chaos.load.openloop import OpenUser, Page, journey, readback


class Customer(OpenUser):
    """Looks around, and orders something now and then."""

    hosts = ("http://front-a:8000", "http://front-b:8000")
    client_type = "web"

    @journey("browse", weight=3)
    def look(self) -> None:
        self.want(self.get("/articles").json()["articles"], "no articles")

    @journey("order", writes=True)
    def order(self) -> None:
        self.post("/orders", {"id": self.op.id})

    @readback("order")
    def orders(self, after: str | None) -> Page:
        found = self.get(f"/orders?user={self.name}&after={after or 0}").json()
        return Page(found["ids"], found["next"])
