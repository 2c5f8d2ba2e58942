"""Activates a standby HTTP service when a majority of the voters finds no instance of its component alive."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import aiohttp
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.log import log
from services.common.names import resolve
from services.common.settings import SETTINGS
from services.common.web import ADMIN_PORT, API_PORT, answer

COMPONENTS = ("AUTH", "LOGIN3P", "CHAT", "TIMELINE", "PUSH", "PAY", "RIDE")
EVERY_S = 0.4  # seconds between calls while a standby could take over
CALM_S = 2.0  # the same while there is no standby to activate
ASK_S = 0.25
DOWN_S = 0.6  # seconds without an instance after which a component is down

_SILENCE = (OSError, TimeoutError, aiohttp.ClientError, msgspec.DecodeError)


class _Ready(msgspec.Struct):
    role: str = "active"


class Component:
    """One voter's view of one component."""

    def __init__(self, name: str, hosts: Sequence[str]) -> None:
        self.name = name
        self.hosts = list(hosts)
        self.standbys: list[str] = []
        self.known = False  # a component that was never seen has not failed: it has not started
        self.missed: float | None = None  # since when no serving instance was found

    def down(self, now: float) -> bool:
        return self.known and self.missed is not None and now > self.missed + DOWN_S

    def note(self, host: str, role: str | None) -> None:
        """Record what `host` answered; None is no answer.

        An instance that lacks a dependency is not dead: its standby would lack the same.
        """
        if role == "active":
            self.known, self.missed = True, None
            self.hosts.sort(key=lambda other: other != host)  # ask the one that served last first
        if role == "standby" and host not in self.standbys:
            self.standbys.append(host)
        elif role != "standby" and host in self.standbys and role is not None:
            self.standbys.remove(host)


class Watch:
    """A part of the voter's program. `voters` are the hosts of the other voters."""

    name = "watch"

    def __init__(self, voters: Sequence[str]) -> None:
        hosts = {name: [address.host for address in SETTINGS.peers(name)] for name in COMPONENTS}
        self._components = {name: Component(name, found) for name, found in hosts.items() if found}
        self._voters = voters
        self._token = {"Authorization": f"Bearer {SETTINGS.need('ADMIN_TOKEN')}"}
        self._session: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def routes(self) -> list[Route]:
        return [Route("/down/{component}", self._is_down)]

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        self._tasks = [asyncio.create_task(self._follow(component)) for component in self._components.values()]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def missing(self) -> str | None:
        return None

    async def _is_down(self, request: Request) -> Response:
        component = self._components.get(request.path_params["component"])
        return answer(component is not None and component.down(time.monotonic()))

    async def _follow(self, component: Component) -> None:
        rounds = 0
        while True:
            rounds += 1
            # The instance that served last answers for the component. All are asked if it does not, and from time to
            # time.
            begun = time.monotonic()
            first, *others = component.hosts
            component.note(first, role := await self._role(first))
            if role != "active" or rounds % 5 == 1:
                found = await asyncio.gather(*map(self._role, others))
                for host, other in zip(others, found, strict=True):
                    component.note(host, other)
                if "active" not in (role, *found) and component.missed is None:
                    component.missed = begun
            if component.standbys and component.down(time.monotonic()) and await self._agreed(component.name):
                await self._activate(component)
            await asyncio.sleep(EVERY_S if component.standbys or role != "active" else CALM_S)

    async def _role(self, host: str) -> str | None:
        answered = await self._call("GET", host, API_PORT, "/readyz")
        if answered is None:
            return None
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(answered[1], type=_Ready).role
        return None

    async def _agreed(self, name: str) -> bool:
        """Whether a majority, including this voter, sees the component down."""
        answers = await asyncio.gather(*(self._call("GET", host, ADMIN_PORT, f"/down/{name}") for host in self._voters))
        seen = 1 + sum(found is not None and found[1] == b"true" for found in answers)
        return seen > (len(self._voters) + 1) // 2

    async def _activate(self, component: Component) -> None:
        for host in component.standbys:
            answered = await self._call("POST", host, ADMIN_PORT, "/activate")
            log("activate", component=component.name, host=host, status=answered[0] if answered else None)
            if answered is not None and answered[0] == 200:
                component.note(host, "active")
                return

    async def _call(self, method: str, host: str, port: int, path: str) -> tuple[int, bytes] | None:
        assert self._session is not None, "start() comes first"
        try:
            async with asyncio.timeout(ASK_S):
                url = f"http://{await resolve(host)}:{port}{path}"
                async with self._session.request(method, url, headers=self._token) as response:
                    return response.status, await response.read()
        except _SILENCE:
            return None
