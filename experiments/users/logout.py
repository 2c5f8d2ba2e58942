"""Users of a log-out storm: web pages of several session checks, apps that stay logged in, readers of a status page.

By weight 68 % of all arrivals load a web page, 26 % refresh an app, 6 % look at the status page.
"""

from __future__ import annotations

import time

from messaging import GATEWAYS, Member, TokenMember

from chaos.load.openloop import Broken, OpenUser, journey

LONGEST = 8.0  # seconds a browser waits at most before it logs in again


class Visitor(Member):
    """Uses a browser. A page is loaded in parts, each with the cookie, and the first rejection deletes that.

    Who finds himself logged out logs in first. Where the site asks for it (Retry-After) the second log-in in a row
    waits, the third twice as long, and so on.
    """

    weight = 68
    client_type = "web"

    def sign_up(self) -> None:
        self.register()
        self.log_in()

    def log_in(self) -> str:
        session: str = self.post("/auth/login", self.account).json()["session"]
        self.kept["session"] = session
        return session

    @journey("page")
    def browse(self) -> None:
        session = self.kept.get("session") or self._back_in()
        parts = self._part(session, "/page", 1)
        for n, path in enumerate(parts, 2):
            self._part(session, path, n)
        self.kept["thrown_out"] = 0

    def _part(self, session: str, path: str, number: int) -> list[str]:
        """One part of the page, which is one session check. The page itself says what else belongs to it."""
        headers = {"Cookie": f"session={session}", "X-Request-Id": f"{self.op.id}.{number}"}
        answer = self.ask("GET", path, headers=headers, accept=(401,))
        if answer.status_code == 401:
            assert answer.headers is not None, "an answer has headers"
            self._thrown_out(session, float(str(answer.headers.get("Retry-After") or 0)))
            raise Broken("fail", f"GET {path}: 401, part {number} of the page", 401)
        return list(answer.json().get("parts", ()))

    def _back_in(self) -> str:
        wait = self.kept.get("not_before", 0.0) - time.monotonic()
        if wait > 0:
            raise Broken("fail", f"logged out, and asked to wait {wait:.1f} s before the next log-in")
        try:
            session = self.log_in()
        except Broken as e:
            self.op.note = "logged out" + (", rate limit exceeded" if e.status == 429 else "")
            raise
        self.op.note = "logged in"
        return session

    def _thrown_out(self, session: str, damping: float) -> None:
        self.op.note = f"{self.op.note}, thrown out a moment later" if self.op.note else "thrown out"
        if self.kept.get("session") == session:  # else another page of this user has logged in meanwhile
            del self.kept["session"]
            again = self.kept["thrown_out"] = self.kept.get("thrown_out", 0) + 1
            if damping and again > 1:
                self.kept["not_before"] = time.monotonic() + min(LONGEST, damping * 2 ** (again - 2))


class Reader(TokenMember):
    """Uses the app: a token that lives long and few calls. What it cannot refresh it shows as it was, with its age."""

    weight = 26
    client_type = "app"

    @journey("refresh")
    def refresh(self) -> None:
        found = self.get("/timeline").json()
        self.op.age = float(found["age_s"])
        self.want(not found["stale"], f"content is {self.op.age:.1f} s old")


class Journalist(OpenUser):
    """Looks at the status page, and notes what it says."""

    weight = 6
    client_type = "public"
    hosts = GATEWAYS

    def sign_up(self) -> None:
        pass

    @journey("status")
    def look(self) -> None:
        said = self.get("/status").json()["status"]
        self.op.note = f"status page says {said}"
