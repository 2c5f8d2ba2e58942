"""The Docker engine as we need it: blocking SDK calls in threads, a stack's containers by label, failures in words."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from chaos.errors import TargetError

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

PATIENCE = 10.0  # seconds the engine may take to answer one call
AT_ONCE = 16  # calls side by side that are work for the engine
WAITING = 64  # calls side by side that mostly wait, as a SIGKILL does for its node to be gone
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"  # labels that compose sets
SKEWED = "chaos.skewed"  # label of a node whose clock is off: by how many seconds
OURS = "chaos.project"  # label of containers that the harness starts beside the stack
DEPLOYED = "chaos.deployed"  # label of a node that runs with an experiment's configuration: the variables as JSON


@dataclass(frozen=True)
class Container:
    id: str
    state: str  # created | running | paused | restarting | exited | dead
    labels: Mapping[str, str]
    service: str
    volumes: Sequence[str] = ()  # nameless ones

    @property
    def alive(self) -> bool:
        return self.state in ("running", "paused", "restarting")


class Engine:
    """Every method raises TargetError. Nothing is asked of the engine before the first call."""

    def __init__(self, project: str, patience: float = PATIENCE) -> None:
        self.project = project
        self._patience = patience
        self._connecting = threading.Lock()
        self._threads = ThreadPoolExecutor(WAITING, "engine")
        self._client: APIClient | None = None
        self._open = contextlib.ExitStack()
        weakref.finalize(self, self._open.close)

    async def ask(self, call: Callable[[APIClient], T]) -> T:
        """`call` with the SDK's client, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.ask_now, call)

    async def each(
        self, ids: Iterable[str], do: Callable[[APIClient, str], object], *spare: int, at_once: int = AT_ONCE
    ) -> None:
        """`do` to all of them side by side, each to its end even if another fails; then the first failure is raised.

        An answer with a status of `spare` says that there was nothing to do.
        """

        gate = asyncio.Semaphore(at_once)

        async def one(id_: str) -> None:
            async with gate:
                await self.ask(lambda api: spared(lambda: do(api, id_), *spare))

        for end in await asyncio.gather(*map(one, ids), return_exceptions=True):
            if isinstance(end, BaseException):
                raise end

    def ask_now(self, call: Callable[[APIClient], T]) -> T:
        with in_words():
            with self._connecting:
                if self._client is None:
                    self._client = self._open.enter_context(contextlib.closing(connect(self._patience)))
            return call(self._client)

    async def containers(self) -> Mapping[str, Container]:
        """The stack's containers by service name, whatever state they are in."""
        found = await self._labelled(f"{PROJECT}={self.project}")
        return {c.service: c for c in found if c.labels.get("com.docker.compose.oneoff") != "True"}

    async def beside(self, kind: str = "") -> Sequence[Container]:
        """What the harness started beside the stack; `kind` is helper or load."""
        found = await self._labelled(f"{OURS}={self.project}")
        return [c for c in found if not kind or c.labels.get("chaos.kind") == kind]

    async def strays(self) -> Sequence[Container]:
        """What stands beside the stack idle: looks that have ended or never began, helpers that never began.

        Whoever made them removes them himself, unless he was killed meanwhile.
        """
        idle = {"guest": ("created", "exited", "dead"), "helper": ("created",)}
        return [c for c in await self.beside() if c.state in idle.get(c.labels.get("chaos.kind", ""), ())]

    async def _labelled(self, label: str) -> Sequence[Container]:
        rows = await self.ask(lambda api: api.containers(all=True, filters={"label": label}))
        return [_container(row) for row in rows]

    async def network(self) -> Mapping[str, Any]:
        """The stack's network as the engine describes it."""
        label = f"{PROJECT}={self.project}"
        rows = await self.ask(lambda api: api.networks(filters={"label": label}))
        if not rows:
            raise TargetError("the stack has no network: it is not up; start it with `chaos up`")
        return await self.ask(lambda api: dict(api.inspect_network(rows[0]["Id"])))

    async def remove_rest(self) -> Sequence[str]:
        """Networks and volumes of the stack, once its containers are gone. What the engine keeps, in words."""
        mine = {"label": f"{PROJECT}={self.project}"}
        noted = {"label": f"{OURS}={self.project}"}
        networks = await self.ask(lambda api: {n["Id"]: n["Name"] for n in api.networks(filters=mine)})
        rows = await self.ask(lambda api: [v for by in (mine, noted) for v in api.volumes(filters=by)["Volumes"] or []])
        volumes = [v["Name"] for v in rows]
        await self.each(networks, _remove_network, 404)
        await self.each(volumes, lambda api, name: api.remove_volume(name), 404)
        kept = await self.ask(lambda api: [n["Name"] for n in api.networks(filters=mine)])
        return [f"the engine keeps the empty network {name} for now; the next start uses it again" for name in kept]

    async def remove(self, containers: Iterable[Container]) -> None:
        """Kill and remove, with their nameless volumes; what is gone meanwhile is as good."""
        doomed = list(containers)
        ids = [c.id for c in doomed]
        await self.each(ids, lambda api, id_: api.remove_container(id_, v=True, force=True), 404, 409)
        await self._gone(ids)
        # A container that compose made anew has taken over its volumes by name, and the engine leaves those.
        names = [name for c in doomed for name in c.volumes]
        await self.each(names, lambda api, name: api.remove_volume(name), 404, 409)


    async def _gone(self, ids: Sequence[str]) -> None:
        """A removal that somebody else began (409) goes on behind our back, and holds the network until it is done."""
        deadline = time.monotonic() + PATIENCE
        while ids and await self.ask(lambda api: api.containers(all=True, filters={"id": list(ids)})):
            if time.monotonic() > deadline:
                raise TargetError(f"the Docker engine has not removed {len(ids)} containers within {PATIENCE:.0f} s")
            await asyncio.sleep(0.1)


def cgroup_parent(api: APIClient) -> str:
    """Where our containers stand in the tree that shares out the processors; empty: where the engine puts them.

    An engine that keeps cgroups itself puts all containers below one group, which gets as much as any one thread of the
    engine when processors are short: a zone that boots would starve the zones that live. So they stand beside the
    engine. An engine that leaves cgroups to systemd does so by itself.
    """
    return "/" if api.info().get("CgroupDriver") == "cgroupfs" else ""


def _remove_network(api: APIClient, id_: str) -> None:
    """An engine that has lost count of a network's endpoints refuses to remove it until it is restarted.

    With nothing attached it holds nothing up: the next start of the stack takes it over.
    """
    from docker.errors import APIError

    try:
        api.remove_network(id_)
    except APIError as e:
        if "active endpoints" not in str(e) or api.inspect_network(id_)["Containers"]:
            raise


_NAMELESS = re.compile(r"[0-9a-f]{64}")


def _container(row: Mapping[str, Any]) -> Container:
    names = [m.get("Name", "") for m in row.get("Mounts", ()) if m["Type"] == "volume"]
    volumes = tuple(name for name in names if _NAMELESS.fullmatch(name))
    return Container(row["Id"], row["State"], row["Labels"], row["Labels"].get(SERVICE, ""), volumes)


def connect(timeout: float) -> APIClient:
    """A client of the engine that the docker command would talk to. Raises what the SDK raises."""
    import docker
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    where: dict[str, Any] = {**kwargs_from_env()}
    if "base_url" not in where and (context := ContextAPI.get_current_context()) and context.Host:
        where["base_url"] = context.Host
    return docker.APIClient(version="auto", timeout=int(timeout), max_pool_size=2 * WAITING, **where)


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """What the SDK raises, as a TargetError that says what to do."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as e:
        raise TargetError(f"the Docker engine refused: {explained(str(e.explanation or e))}") from e
    except (RequestException, TimeoutError, OSError) as e:
        raise TargetError(
            f"the Docker engine stopped answering ({_short(e)}); see whether `docker ps` answers, start the engine "
            "again if it does not, then `chaos down`"
        ) from e
    except DockerException as e:
        raise TargetError(f"no Docker engine answers ({_short(e)}); start it, or use --target process") from e


def spared(call: Callable[[], object], *statuses: int) -> None:
    """`call`, where an answer of one of `statuses` says that there was nothing to do."""
    from docker.errors import APIError

    try:
        call()
    except APIError as e:
        if e.status_code not in statuses:
            raise


_TAKEN = re.compile(r"(\d+\.\d+\.\d+\.\d+):(\d+)(?::|\b)[^\n]*?(?:already in use|already allocated)")
_MISSING = re.compile(r"(?:manifest for|No such image:?|pull access denied for|repository) ([\w./:-]+)")
_NO_REGISTRY = re.compile(r'Get "?https?://\S+ .*(?:no such host|timeout|refused|unreachable|failure)')


def explained(text: str) -> str:
    """What the engine or the compose command said, with what to do about it where it is a known trouble."""
    if m := _TAKEN.search(text):
        return (
            f"port {m[1]}:{m[2]} is taken by another program; `ss -ltnp 'sport = :{m[2]}'` names it: end it "
            "(another stack: `chaos down` there), or change `ports:` in the stack's description"
        )
    if "overlaps with other" in text or "Address already in use" in text:
        return (
            "the stack's addresses are taken by another network of the engine; `docker network ls` names it: end what "
            "uses it and `docker network rm` it, or change `networks:` in the stack's description"
        )
    if "no space left on device" in text:
        return f"the engine's disk is full; make room (`docker system df` says what takes it): {_last(text)}"
    if _NO_REGISTRY.search(text):
        return (
            "no registry answers, and an image that is needed is not here; name one that the engine has with "
            f"CHAOS_BASE=NAME, or let the stack's x-chaos block name a program that makes it: {_last(text)}"
        )
    if m := _MISSING.search(text):
        return f"image {m[1]} is not here and no registry gives it; build it, or name another: {_last(text)}"
    return _last(text)


def _last(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-4:])


def _short(e: BaseException) -> str:
    return " ".join(str(e).split())[:200] or type(e).__name__
