"""Does the chores of components that have an owner, and neglects the others.

Owners come from STAFF, a staff file: the first OWNERS_PER_COMPONENT of each component. GONE names who has left. With
AUTOMATED_CHORES=1 no chore needs a person. `python3 -m services.apps.caretaker_cli` in its node sends it commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.chores import LIFE
from services.common.log import log
from services.common.peer import Names
from services.common.settings import SETTINGS, Address
from services.common.web import ADMIN_PORT, Service, answer

ROUNDS = 3  # rounds in a CHORE_LIFE
ASKED = 1.0  # seconds that a component may take for its chore
CHORES = ("auth", "chat", "gateway", "limiter", "media", "push", "timeline")  # components that have a chore


class Staff(msgspec.Struct):
    components: dict[str, list[str]]
    teams: dict[str, list[str]] = {}


def owners(path: Path, per_component: int) -> dict[str, list[str]]:
    """The owners of each component. Ends the program with a message if the file is unusable."""
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Staff)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        sys.exit(f"{SETTINGS.node}: STAFF {path}: {error}; expected `components: {{NAME: [people]}}`")
    return {
        component: [person for name in who for person in found.teams.get(name, [name])][:per_component]
        for component, who in found.components.items()
    }


class Caretaker:
    """A Part (web.py)."""

    name = "chores"

    def __init__(self, owned: Mapping[str, list[str]], gone: frozenset[str], automated: bool) -> None:
        self._owned = owned
        self._gone = gone
        self._automated = automated
        self._adopted = False
        self._task: asyncio.Task[None] | None = None

    @property
    def orphaned(self) -> list[str]:
        return sorted(c for c, who in self._owned.items() if not set(who) - self._gone)

    @property
    def cared_for(self) -> list[str]:
        everything = self._automated or self._adopted
        return [c for c in CHORES if everything or c not in self.orphaned]

    async def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def missing(self) -> str | None:
        return None

    async def _work(self) -> None:
        while True:
            begun = asyncio.get_running_loop().time()
            await self._round()
            await asyncio.sleep(max(0.05, begun + LIFE / ROUNDS - asyncio.get_running_loop().time()))

    async def _round(self) -> None:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Names(), use_dns_cache=False, force_close=True),
            headers={"Authorization": f"Bearer {SETTINGS.need('ADMIN_TOKEN')}"},
            timeout=aiohttp.ClientTimeout(total=ASKED),
        ) as session:
            asked = [(c, address) for c in self.cared_for for address in SETTINGS.peers(c.upper())]
            await asyncio.gather(*(self._do(session, c, address) for c, address in asked))

    async def _do(self, session: aiohttp.ClientSession, component: str, address: Address) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):  # it is unreachable now; next round
            async with session.post(f"http://{address.host}:{ADMIN_PORT}/chore") as response:
                if response.status != 200:
                    said = {"component": component, "node": address.host, "status": response.status}
                    log("chore refused", level="warning", **said)

    async def word(self, request: Request) -> Response:
        return answer(self.facts())

    async def adopt(self, request: Request) -> Response:
        self._adopted = True
        await self._round()
        log("adopted", components=self.orphaned)
        return answer(self.facts())

    def facts(self) -> dict[str, object]:
        known = {person for who in self._owned.values() for person in who}
        return {
            "gone": sorted(self._gone & known),
            "orphaned": self.orphaned,
            "adopted": self._adopted,
            "cared_for": self.cared_for,
        }


def main() -> None:
    count = SETTINGS.environment.get("OWNERS_PER_COMPONENT", "2")
    gone = frozenset(filter(None, SETTINGS.environment.get("GONE", "").split(",")))
    roster = owners(Path(SETTINGS.need("STAFF")), int(count) if count.isdigit() else 2)
    caretaker = Caretaker(roster, gone, SETTINGS.flag("AUTOMATED_CHORES"))
    Service(
        "caretaker",
        parts=[caretaker],
        admin=[Route("/word", caretaker.word, methods=["POST"]), Route("/adopt", caretaker.adopt, methods=["POST"])],
        facts=caretaker.facts,
    ).run()


if __name__ == "__main__":
    main()
